"""How urgent a piece of work is: the task's priority, and what the criteria that it serves say of themselves.

Only plain words about the criterion itself count: a mark ("Critical: …", "… (optional)") or a phrase ("nice to have").
"The field is optional" and "critical errors are logged" say what is to be built, and nothing about when.
"""

import re
from collections.abc import Iterable

from delegation.task import Priority

__all__ = ["priority_of"]

_LADDER = tuple(Priority)
_LONGEST_READ = 1_000


def _said(marks: str, phrases: str) -> re.Pattern[str]:
    mark = rf"(?:{marks})"
    return re.compile(rf"^\W*{mark}(?:\s*:|\s+[-–—]\s)|[(\[]{mark}[)\]]|\b(?:{phrases})\b", re.IGNORECASE)  # noqa: RUF001


_FIRST = _said(
    "critical|urgent|blocker|important|must[ -]have|must|p0|p1|(?:high|highest|top)[ -]priority",
    "(?:high|highest|top) priority|release blocker|as soon as possible|asap|must[ -]have",
)
_LATER = _said(
    "optional|nice[ -]to[ -]have|low[ -]priority|bonus|stretch(?: goal)?|could|could[ -]have|later|p3|p4",
    "nice[ -]to[ -]have|(?:low|lowest) priority|if (?:time|there is time)(?: permits| allows)?|would be nice|"
    "stretch goal|not urgent|no hurry",
)


def priority_of(priority: Priority, criteria: Iterable[str]) -> Priority:
    """Return the priority of work that serves these criteria.

    It is one step above the task's where one of them is said to come first, and one below where all can wait.
    """
    texts = [text[:_LONGEST_READ] for text in criteria]
    later = [bool(_LATER.search(text)) for text in texts]
    step = 0
    if any(_FIRST.search(text) for text, can_wait in zip(texts, later, strict=True) if not can_wait):
        step = 1
    elif texts and all(later):
        step = -1
    return _LADDER[min(max(_LADDER.index(priority) + step, 0), len(_LADDER) - 1)]
