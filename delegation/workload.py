"""What members have to do elsewhere, as the spans of the hours ahead in which they are taken.

A schedule is a promise for the hours from when it was made. Later, some of it is done, some is late, and some will not
be kept, since nobody is at work on it any more. What is left of it binds members as follows.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from delegation.windows import Span

__all__ = ["Claim", "taken_by"]

_OVERRUN = 0.1
"""Work that took all of its estimate is expected to take a tenth of it more, however long it has taken."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Work that is not done: with whom, and from when to when it was planned, in hours from now; the past is below 0.

    ``worked`` is for how many hours somebody has been at work on it; None where it has not begun.
    """

    member_id: str
    start: float
    finish: float
    worked: float | None = None


def taken_by(claims: Iterable[Claim], *, is_driven: bool = True) -> list[Span]:
    """Return when members are taken by what is left of one schedule.

    While it ``is_driven``, work that was begun takes the rest of its estimate, and a little where it overran that. What
    has not begun keeps its place, or is put off where the schedule is late, all of it by the same hours: so it stays in
    order, and nobody has more at once than was planned.

    Where nobody drives it (it waits for a human, or was left), each piece of work keeps its planned hours and no
    others: what was to be done in hours that have passed holds nobody up, and in the end nothing of it does.
    """
    given = list(claims)
    if not is_driven:
        return [(one.member_id, max(one.start, 0.0), one.finish) for one in given if one.finish > 0.0]
    begun = [(one, _rest(one, one.worked)) for one in given if one.worked is not None]
    waiting = [one for one in given if one.worked is None]
    late = max((rest - one.finish for one, rest in begun), default=0.0)
    late = max([late, 0.0, *(-one.start for one in waiting)])
    spans = [(one.member_id, 0.0, rest) for one, rest in begun]
    spans += [(one.member_id, one.start + late, one.finish + late) for one in waiting]
    return [span for span in spans if span[1] < span[2]]


def _rest(claim: Claim, worked: float) -> float:
    estimate = claim.finish - claim.start
    return max(estimate - worked, _OVERRUN * estimate)
