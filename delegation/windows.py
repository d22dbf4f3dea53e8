"""When a member is free: leaves and work elsewhere, cut out of its time, for each of its hands."""

import math
import reprlib
from collections.abc import Iterable, Sequence

from delegation.errors import PlanError
from delegation.squad import SquadMember

__all__ = ["ALWAYS", "Span", "Window", "presence", "spans_of", "windows_of"]

Span = tuple[str, float, float]
"""Time taken elsewhere: a member's id, start and finish in hours from now."""

Window = tuple[float, float]
"""From when to when, in hours from now; the end may be infinity."""

ALWAYS: tuple[Window, ...] = ((0.0, math.inf),)


def presence(member: SquadMember) -> tuple[Window, ...]:
    """Return when the member is there. A leave ends, so the last window is endless."""
    return _without(((member.available_from, math.inf),), member.leave)


def spans_of(busy: Iterable[Span], index: dict[str, int]) -> dict[int, list[Window]]:
    """Return the spans by member; members who are not in the squad are of no concern, nor is the past."""
    taken: dict[int, list[Window]] = {}
    for span in busy:
        try:
            member_id, start, finish = span
            is_good = math.isfinite(start) and math.isfinite(finish) and start <= finish
        except (TypeError, ValueError, OverflowError):
            raise PlanError(
                f"{reprlib.repr(span)} is no time that a member is busy",
                hint="give a member's id, the start and the finish in hours from now",
            ) from None
        if not is_good:
            raise PlanError(
                f"member {str(member_id)!r} cannot be busy from {start} to {finish}",
                hint="give finite hours from now, the start first",
            )
        position = index.get(str(member_id))
        if position is not None and finish > max(start, 0.0):
            taken.setdefault(position, []).append((max(start, 0.0), finish))
    return taken


def windows_of(member: SquadMember, taken: Sequence[Window], subtasks: int) -> list[tuple[Window, ...]]:
    """Spread the spans over the member's lanes and return each lane's free windows.

    A span goes to the lane that has been free the shortest, which keeps the others' windows long; where more is taken
    than there are lanes, it goes to the lane that is free again first. A leave closes all lanes. There are no more of
    them than could ever be used.
    """
    count = min(member.capacity, subtasks + len(taken))
    if not taken:
        return [presence(member)] * count
    free: list[list[Window]] = [[] for _ in range(count)]
    until = [member.available_from] * count
    for start, finish in sorted(taken):
        chosen = min(range(count), key=lambda lane: (until[lane] > start, abs(until[lane] - start)))
        if until[chosen] < start:
            free[chosen].append((until[chosen], start))
        until[chosen] = max(until[chosen], finish)
    return [_without((*windows, (end, math.inf)), member.leave) for windows, end in zip(free, until, strict=True)]


def _without(windows: Sequence[Window], spans: Iterable[Window]) -> tuple[Window, ...]:
    """Cut the spans, which may overlap and come in any order, out of the windows, which are in order."""
    cuts, left, first = _joined(spans), list[Window](), 0
    for opens, closes in windows:
        begin = opens
        while first < len(cuts) and cuts[first][1] <= opens:
            first += 1
        for number in range(first, len(cuts)):
            start, finish = cuts[number]
            if start >= closes:
                break
            if begin < start:
                left.append((begin, start))
            begin = max(begin, finish)
        if begin < closes:
            left.append((begin, closes))
    return tuple(left)


def _joined(spans: Iterable[Window]) -> list[Window]:
    joined: list[Window] = []
    for start, finish in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], finish))
        elif start < finish:
            joined.append((start, finish))
    return joined
