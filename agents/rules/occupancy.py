"""When members are taken, by a schedule and by what they do elsewhere: who has a hand free, and who too much to do."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

from delegation import Assignment, Schedule, SquadMember
from delegation.windows import presence

__all__ = ["Occupancy"]

_TOLERANCE = 1e-6
_DIGITS = 6


class Occupancy:
    """The hours of a schedule and of work elsewhere, by member; ``move`` keeps it true while work changes hands."""

    def __init__(self, schedule: Schedule, members: Sequence[SquadMember]) -> None:
        self._members = {member.id: member for member in members}
        self._own: dict[str, list[Assignment]] = defaultdict(list)
        self._elsewhere: dict[str, list[tuple[float, float]]] = defaultdict(list)
        for one in schedule.assignments:
            self._own[one.member_id].append(one)
        for who, start, finish in schedule.elsewhere:
            self._elsewhere[who].append((start, finish))

    def hours(self, member_id: str) -> float:
        """Return the member's hours in the schedule."""
        return sum(one.finish - one.start for one in self._own[member_id])

    def hours_elsewhere(self, member_id: str) -> float:
        """Return the member's hours elsewhere, from now on."""
        return sum(max(finish - max(start, 0.0), 0.0) for start, finish in self._elsewhere[member_id])

    def is_free(self, member: SquadMember, start: float, finish: float) -> bool:
        """Tell whether the member is there for the whole span, with a hand free at each moment of it."""
        if not _is_there(member, start, finish):
            return False
        spans = [(one.start, one.finish) for one in self._own[member.id]] + self._elsewhere[member.id]
        beside = [one for one in spans if one[0] < finish - _TOLERANCE and start < one[1] - _TOLERANCE]
        # the most at once is reached where the span or one beside it begins
        moments = [max(begin, start) for begin, _ in beside]
        most = max((sum(begin <= at < end for begin, end in beside) for at in moments), default=0)
        return most < member.capacity

    def move(self, assignment: Assignment, to: str) -> Assignment:
        """Give work to another member in the same hours, and return the new assignment."""
        moved = assignment.model_copy(update={"member_id": to})
        self._own[assignment.member_id].remove(assignment)
        self._own[to].append(moved)
        return moved

    def faults(self) -> Iterator[str]:
        """Yield a sentence for each member who would have too much at once, and for work while somebody is away."""
        for member_id, own in self._own.items():
            member = self._members.get(member_id)
            if member is None:
                continue
            for one in own:
                if not _is_there(member, one.start, one.finish):
                    yield f"{member_id} is away while it should work on {one.subtask_id}."
            if (at := self._overbooked(member)) is not None:
                hands = f"{member.capacity} at once" if member.capacity > 1 else "one subtask at a time"
                yield f"{member_id} takes {hands}, and has more to do {at:g} h from now."

    def _overbooked(self, member: SquadMember) -> float | None:
        """Return when the schedule first asks too much, if it does; what is overbooked elsewhere is not its fault."""
        own, elsewhere = Counter[float](), Counter[float]()
        _count(own, ((one.start, one.finish) for one in self._own[member.id]))
        _count(elsewhere, self._elsewhere[member.id])
        working = taken = 0
        for at in sorted({*own, *elsewhere}):
            working, taken = working + own[at], taken + elsewhere[at]
            if working and working + min(taken, member.capacity) > member.capacity:
                return at
        return None


def _count(changes: Counter[float], spans: Iterable[tuple[float, float]]) -> None:
    """Count by how many there are more from a moment on; work without hours takes nobody."""
    for start, finish in spans:
        if finish > start:
            changes[round(start, _DIGITS)] += 1
            changes[round(finish, _DIGITS)] -= 1


def _is_there(member: SquadMember, start: float, finish: float) -> bool:
    windows: Iterable[tuple[float, float]] = presence(member)
    return any(opens <= start + _TOLERANCE and finish <= closes + _TOLERANCE for opens, closes in windows)
