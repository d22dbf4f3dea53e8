"""What is known, as lines of a context: each one fact, the most useful first, none of them long."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from agents.fitting import Ranked
from delegation import Background, DoneWork, Message, MessageType, PastTask, Task, files_in

__all__ = ["conversation", "decisions", "files", "in_order", "lessons", "past_tasks", "squad", "work"]

_NOISE = frozenset({MessageType.STATE_TRANSITION, MessageType.STATUS_REQUEST, MessageType.STANDUP})
"""What everybody is told anyway and nobody acts on: first to go when room is short."""

NOTE, SUMMARY, LEARNT = 300, 200, 400
"""Characters that are told of a piece of work, of what came of a past task, and of what was learnt in it."""


def in_order(lines: Iterable[str]) -> Ranked:
    """Rank lines that are read as they come, the most useful first."""
    return list(enumerate(lines))


def decisions(facts: Mapping[str, Any], background: Background | None) -> Ranked:
    """Rank what was decided, newest first: facts that members remember, and what humans answered."""
    told = [f"{key}: {value}" for key, value in facts.items()]
    said = [*told, *(background.answers if background else [])]
    return [(place, _folded(one)) for place, one in enumerate(said)][::-1]


def conversation(said: Sequence[Message]) -> Ranked:
    """Rank messages: sent to the member by name, sent to everybody, noise; the newest first in each."""
    ranking = sorted(enumerate(said), key=lambda one: (_urgency(one[1]), -one[0]))
    return [(place, f"{one.sender} ({one.type}): {_folded(one.content)}") for place, one in ranking]


def work(background: Background | None, member_id: str | None) -> Ranked:
    """Rank what was done: the member's own work before that of others, the newest first in each."""
    done = list(enumerate(background.work if background else []))
    ranking = sorted(done, key=lambda one: (member_id is not None and one[1].member_id != member_id, -one[0]))
    return [(place, _done(one)) for place, one in ranking]


def files(task: Task, about: str, background: Background | None) -> Ranked:
    """Rank the files that are named: where the work at hand is told, in the task, in what was done, in that order."""
    done = [name for one in (background.work if background else []) for name in one.interfaces]
    return in_order(files_in([about, task.title, task.description, *task.acceptance_criteria, *done]))


def squad(background: Background | None) -> Ranked:
    """Rank who is in the squad and what each can do, as they stand there."""
    return in_order(
        f"{one.id} ({one.role}): {', '.join(f'{skill} {level}' for skill, level in one.skills.items()) or one.name}"
        for one in (background.squad.members if background else [])
    )


def lessons(learnt: Sequence[str]) -> Ranked:
    """Rank lessons as they were found."""
    return in_order(_line(one, LEARNT) for one in learnt)


def past_tasks(found: Sequence[PastTask]) -> Ranked:
    """Rank past tasks as they were found, each with what came of it and what was learnt."""
    return in_order(_past(one) for one in found)


def _urgency(message: Message) -> int:
    if message.type in _NOISE:
        return 2
    return 1 if message.recipient is None else 0


def _done(one: DoneWork) -> str:
    note = _line(one.note, NOTE)
    return f"{one.subtask_id} {one.status} by {one.member_id}" + "".join(
        f": {part}" for part in (one.title, note) if part
    )


def _past(one: PastTask) -> str:
    learnt = f" Learnt: {_line(one.learnt, LEARNT)}" if one.learnt else ""
    return f"{_line(one.title, SUMMARY)} ({one.status} {one.ended_at:%Y-%m-%d}): {_line(one.summary, SUMMARY)}{learnt}"


def _folded(text: str) -> str:
    """Return a text as one line: with line breaks it might pass for what somebody else said."""
    return " ".join(text.split())


def _line(text: str, most: int) -> str:
    """Return a text as one line of bounded length."""
    line = " ".join(text[: 4 * most].split())
    return line if len(line) <= most else f"{line[: most - 1]}…"
