"""What kind of work a task is: first whether it reports a fault, asks something or wants something, then which.

The three families are weighed against one another by points: words and phrases of the tables in
:mod:`delegation.families`, and the signs of :mod:`delegation.signs` (a question as title, filled-in steps to
reproduce). The rest is told apart by the words of :mod:`delegation.keywords`.
"""

import math
from dataclasses import dataclass, field

from delegation.families import FAULTS, GROUPS, POINTS, QUERIES, START
from delegation.keywords import TYPES
from delegation.plan import TaskType
from delegation.reading import Reading
from delegation.signs import signs_of

__all__ = ["Verdict", "classify"]

_FAMILIES = ("bug", "feature", "question")

_ENOUGH = 3.0
"""Points that one phrase must have for its type to count: a telling one anywhere, or a weaker one in the title."""


@dataclass(frozen=True)
class Verdict:
    """The type, the words behind it, and each family's points."""

    type: TaskType
    evidence: list[str]
    points: dict[str, float] = field(default_factory=dict)


def classify(reading: Reading) -> Verdict:
    """Return what kind of work the task is."""
    points, evidence = _families(reading)
    family = max(points, key=lambda name: points[name])
    if family == "bug":
        return Verdict(TaskType.BUG_FIX, evidence["bug"], points)
    if family == "question":
        return Verdict(TaskType.QUESTION, evidence["question"], points)
    kind, words = _work(reading)
    return Verdict(kind, words or evidence["feature"], points)


def _families(reading: Reading) -> tuple[dict[str, float], dict[str, list[str]]]:
    """Return each family's points, and the words and signs that gave it some."""
    points = dict(zip(_FAMILIES, START, strict=True))
    evidence: dict[str, list[str]] = {name: [] for name in _FAMILIES}
    shown: set[str] = set()
    for name, words in _found(reading).items():
        shown |= {name, name.partition(": ")[2]}
        for family, weight in zip(_FAMILIES, POINTS.get(name, (0.0, 0.0, 0.0)), strict=True):
            points[family] += weight
            if weight > 0:
                evidence[family] += words
    if not shown & FAULTS:
        points["bug"] = -math.inf
    if not shown & QUERIES:
        points["question"] = -math.inf
    return points, {family: list(dict.fromkeys(words)) for family, words in evidence.items()}


def _found(reading: Reading) -> dict[str, list[str]]:
    """Return the groups (by place) and signs that the task shows, each with what to cite for it."""
    found: dict[str, list[str]] = {}
    for place, words in (("title", reading.title_words), ("text", reading.body_words)):
        for hit in GROUPS.find(words):
            found.setdefault(f"{place}: {hit.finding}", []).append(hit.phrase)
    return found | {sign: [sign] for sign in signs_of(reading)}


def _work(reading: Reading) -> tuple[TaskType, list[str]]:
    """Return the kind of work that the most weighty words name, and those words."""
    found = reading.find(TYPES, title_factor=2.0)
    totals = {finding: sum(hit.weight for hit in hits) for finding, hits in found.items()}
    sure = [finding for finding, hits in found.items() if max(hit.weight for hit in hits) >= _ENOUGH]
    best = max(sure, key=lambda finding: totals[finding], default=None)
    if best is None:
        return TaskType.GENERAL, []
    return TaskType(best), [hit.phrase for hit in found[best]]
