"""How long a subtask takes: hours by the kind of work and the task's complexity, with a range.

The figures are rules of thumb, not measurements; what matters to a schedule is that they compare among themselves.
"""

from delegation.plan import Subtask, SubtaskKind

__all__ = ["estimate_of", "with_estimate"]

_HOURS: dict[SubtaskKind, float] = {
    SubtaskKind.ANALYSIS: 1.0,
    SubtaskKind.DESIGN: 2.0,
    SubtaskKind.IMPLEMENTATION: 4.0,
    SubtaskKind.TEST: 2.0,
    SubtaskKind.DOCUMENTATION: 1.0,
    SubtaskKind.DEPLOYMENT: 2.0,
    SubtaskKind.ANSWER: 1.0,
}
"""Likely hours at complexity 5."""

_AVERAGE = 5
_PER_CRITERION = 0.05
_MOST_FOR_CRITERIA = 1.0


def estimate_of(
    kind: SubtaskKind, complexity: int, *, criteria: int = 1, open_questions: int = 0
) -> tuple[float, float, float]:
    """Return hours as (low, likely, high), in quarters of an hour.

    Each criterion beyond the first adds a twentieth, up to twice the time; each open question widens the range
    upwards, since an unasked question turns out longer, hardly ever shorter.
    """
    growth = 1.0 + min(_MOST_FOR_CRITERIA, _PER_CRITERION * max(0, criteria - 1))
    likely = _quarters(_HOURS[kind] * (0.4 + 0.6 * complexity / _AVERAGE) * growth)
    high = likely * (1.5 + 0.1 * min(open_questions, 5))
    return _quarters(likely * 0.6), likely, max(_quarters(high), likely)


def with_estimate(subtask: Subtask, complexity: int, open_questions: int) -> Subtask:
    """Return the subtask with its effort and range."""
    hours = estimate_of(subtask.kind, complexity, criteria=len(subtask.criteria), open_questions=open_questions)
    return subtask.model_copy(update={"effort": hours[1], "estimate": hours})


def _quarters(hours: float) -> float:
    return max(0.25, round(hours * 4) / 4)
