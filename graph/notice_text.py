"""What a notification says: a title and a plain text, in which nothing of a task's text is more than text."""

import re

from delegation import GateKind
from graph.render_text import Ink
from persistence.outbox import Notice

__all__ = ["notice_text"]

_BEFORE = {"opened": "", "reminder": "Reminder: ", "overdue": "Overdue: "}
_CALLS = re.compile(r"@(?=\w)|<(?=[!@#])")
_INK = Ink()


def notice_text(notice: Notice) -> tuple[str, str]:
    """Return the title and the body: the question, its details shortened, and what to type to look and to answer."""
    gate = notice.gate
    title = f"{_BEFORE[notice.event]}{gate.kind.value}: {_quiet(notice.task_title, 150)}"
    parts = [_quiet(gate.question, 1_000)]
    if gate.reason not in {gate.question, ""}:
        parts.append(f"Reason: {_quiet(gate.reason, 500)}")
    if gate.details:
        parts.append("\n".join(_quiet(line, 300) for line in gate.details[:1_500].splitlines()[:15] if line.strip()))
    if gate.deadline is not None:
        then = "then it is decided without you" if gate.default_answer else "it then stays open"
        parts.append(f"Deadline: {gate.deadline:%Y-%m-%d %H:%M} UTC; {then}")
    words = "--decision approve" if gate.kind == GateKind.APPROVAL else '"…"'
    parts.append(f"squad status {gate.execution_id}\nsquad answer {gate.execution_id} {gate.id} {words}")
    return title, "\n\n".join(filter(None, parts))


def _quiet(text: str, limit: int) -> str:
    """Return the text on one line, without control characters, and so that it calls nobody in a chat."""
    return _CALLS.sub(lambda found: found.group() + "\u200b", _INK.plain(text, limit=limit))
