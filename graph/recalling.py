"""What an agent may know beyond what it is handed: put together where it asks, and once for each piece of work.

Nobody who does not ask pays for it: the rules never do. What was told is kept in the journal, so that a step which is
killed and made again asks its model the same, and finds the answer that was kept.
"""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from agents import Brief, MemberContext, Purpose
from agents.memory import SquadMemory
from graph.outside import Outside
from persistence import Record, context_journal, load_record

__all__ = ["Recalling", "memory_of", "recalling"]

_PURPOSES = {"review": Purpose.REVIEW, "execute": Purpose.REVIEW, "standup": Purpose.REVIEW}
"""What judgements are for, by their names; all others analyse or plan."""


@dataclass(frozen=True)
class Recalling:
    """The recollection of one agent for one piece of work."""

    outside: Outside
    key: str
    purpose: Purpose
    member_id: str | None = None
    about: str = ""

    async def __call__(self, *, max_tokens: int = 2_000) -> MemberContext:
        """Return what is known besides the task, which every agent is handed, within the budget; see `Recollection`."""
        step, key = self.outside.step, f"{self.key}:{max_tokens}"
        journal = context_journal(step.execution_id, self.outside.piece)
        kept = await step.database.read(lambda connection: load_record(connection, journal, key))
        if kept is not None:
            return MemberContext.model_validate(kept)
        found = await step.services.knowledge(step.database).build_context(
            step.execution_id,
            step.facts.task,
            member_id=self.member_id,
            max_tokens=max_tokens,
            purpose=self.purpose,
            about=self.about,
            with_task=False,
        )
        return MemberContext.model_validate(await step.keep(Record(journal, key, found.model_dump(mode="json"))))


def recalling(outside: Outside, agent: Callable[..., Any], given: tuple[Any, ...]) -> Recalling:
    """Return the recollection for one call of an agent's method: by its name for judgements, by its brief for work.

    A colleague's question comes with a brief as well, and is what the recollection is about.
    """
    judgement = getattr(getattr(agent, "func", agent), "__name__", "")
    brief = next((one for one in given if isinstance(one, Brief)), None)
    if brief is None:
        return Recalling(outside, judgement, _PURPOSES.get(judgement, Purpose.ANALYSIS))
    key = brief.member.id
    if isinstance(question := given[0], str):
        key = f"{key}:{sha256(question.encode('utf-8', 'replace')).hexdigest()[:16]}"
        return Recalling(outside, key, Purpose.IMPLEMENTATION, brief.member.id, question)
    about = "\n".join([brief.subtask.title, brief.subtask.description, *brief.subtask.criteria])
    return Recalling(outside, key, Purpose.IMPLEMENTATION, brief.member.id, about)


def memory_of(outside: Outside) -> SquadMemory:
    """Return what the squad at work remembers."""
    step = outside.step
    return step.services.knowledge(step.database).memory(step.facts.squad_id)
