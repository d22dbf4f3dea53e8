"""What kind of work a task is: first whether it reports a fault, asks something or wants something, then which.

The three families are weighed against one another by points: words and phrases of the tables in
:mod:`delegation.families`, and the text's shape (a stack trace, a question as title, filled-in steps to reproduce).
"""

from dataclasses import dataclass, field

from delegation.families import FAMILIES, SIGNS, TITLE_FACTOR, signs_of
from delegation.keywords import TYPES
from delegation.plan import TaskType
from delegation.reading import Reading

__all__ = ["Verdict", "classify"]

_ENOUGH = 3.0
"""Points from which words make a type; less is a word in passing, and the task stays general."""


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
    points = {"feature": 0.0, "bug": 0.0, "question": 0.0}
    evidence: dict[str, list[str]] = {name: [] for name in points}
    for family, hits in reading.find(FAMILIES, title_factor=TITLE_FACTOR).items():
        for hit in hits:
            points[family] += hit.weight
            evidence[family].append(hit.phrase)
    for sign in signs_of(reading):
        for family, weight in SIGNS[sign].items():
            points[family] += weight
            if weight > 0:
                evidence[family].append(sign)
    return points, evidence


def _work(reading: Reading) -> tuple[TaskType, list[str]]:
    """Return the kind of work that the most weighty words name, and those words."""
    found = reading.find(TYPES, title_factor=2.0)
    totals = {finding: sum(hit.weight for hit in hits) for finding, hits in found.items()}
    best = max(totals, key=lambda finding: totals[finding], default=None)
    if best is None or totals[best] < _ENOUGH:
        return TaskType.GENERAL, []
    return TaskType(best), [hit.phrase for hit in found[best]]
