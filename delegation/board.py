"""The rules of the board: who may take which subtask now, and what each end of a subtask means for the others.

Pure, single-threaded and free of time: the live graph and the simulation drive the same object. Every subtask is in one
of three places: done, remaining (it can still run, or is at work) or stuck (it cannot, and ``stuck`` says why).
"""

import heapq
from collections.abc import Callable, Collection, Mapping, Sequence

from delegation.dependencies import check
from delegation.errors import PlanError
from delegation.holdings import Holdings
from delegation.outcome import OutcomeStatus
from delegation.plan import Plan, Schedule, Subtask
from delegation.squad import SquadMember
from delegation.task import PRIORITY_WEIGHT

__all__ = ["Board"]


class Board:
    """The subtasks of one plan as members take and finish them.

    Args:
        plan: The subtasks and their dependencies.
        schedule: Who is to do what. Its times are of no concern here: members pull work as they get free. An assignment
            to somebody who is not among ``members``, or who has refused, is handed to the next best member at once.
        members: Everybody who may be handed work, each id once.
        outcomes: The stored ends; ids that are not in the plan are passed over. ``REFUSED`` is no end: the subtask
            waits for whoever has it by the schedule.
        present: Who takes part in this round; None means all members. Somebody who does not may be handed work all the
            same, but nobody waits for it in this round.
        refusals: Who has refused each subtask so far, by subtask id.
        max_refusals: How many refusals a subtask survives; one more, and it counts as blocked.
        taken: Who is at work on what already, by subtask id: the board of a plan that changed while it was worked.
        away: Asked whenever work is handed over: who is on leave then. They get it only where nobody else may do it.

    Raises:
        PlanError: The plan contradicts itself.
    """

    def __init__(
        self,
        plan: Plan,
        schedule: Schedule,
        members: Sequence[SquadMember],
        *,
        outcomes: Mapping[str, OutcomeStatus] = {},
        present: Collection[str] | None = None,
        refusals: Mapping[str, Collection[str]] = {},
        max_refusals: int = 3,
        taken: Mapping[str, str] = {},
        away: Callable[[], Collection[str]] = frozenset,
    ) -> None:
        self._net = check(plan.subtasks)
        self._subtasks = self._net.subtasks
        self._hold = Holdings(self._subtasks, members, refusals, max_refusals, away)
        self._present = frozenset(self._hold.members if present is None else present)
        count = len(self._subtasks)
        self._status: list[OutcomeStatus | None] = [None] * count
        self._why: list[str | None] = [None] * count  # why it cannot run, where it cannot
        self._waiting = [len(earlier) for earlier in self._net.before]
        self._taken: dict[int, str] = {}
        self._ready: dict[str, list[tuple[int, float, int]]] = {one: [] for one in self._hold.members}
        self._ready_here: set[int] = set()  # ready, and its owner takes part in this round
        self._cursor = dict.fromkeys(self._hold.members, 0)  # see may_leave
        self._done = 0
        self._left = count
        self._assign(schedule)
        self._restore(outcomes)
        self._resume(taken)
        self._open(schedule)

    def take(self, member_id: str) -> Subtask | None:
        """Give the member its next ready subtask and mark it taken; None when none is ready for it now.

        Highest priority first, then longest remaining path, then plan order. Capacity is the caller's business: it
        takes as often as the member has hands.
        """
        heap = self._ready.get(member_id)
        while heap:
            at = heapq.heappop(heap)[-1]
            if self._is_ready(at) and self._hold.owner[at] == member_id:
                self._taken[at] = member_id
                self._ready_here.discard(at)
                return self._subtasks[at]
        return None

    def finish(self, subtask_id: str, status: OutcomeStatus, *, by: str) -> str | None:
        """Record how a subtask ended.

        After a refusal it goes to the next best fitting member that has not refused it, whose id is returned: who is
        there before who is away, then exact role before stand-in, then a specialist, then least remaining load, then
        id. None when nobody is left or it was refused too often, and then it counts as blocked. For every other status
        the result is None.

        Raises:
            PlanError: The subtask is not in the plan, or has ended otherwise already.
        """
        at = self._at(subtask_id)
        ended = self._status[at]
        if ended is not None:
            if ended is not status:
                raise PlanError(f"subtask {subtask_id!r} has ended already: {ended}")
            return None
        self._taken.pop(at, None)
        self._ready_here.discard(at)
        if status is OutcomeStatus.REFUSED:
            self._hold.refused[at].add(by)
            return self._hand_over(at)
        self._end(at, status)
        return None

    def release(self, subtask_id: str) -> None:
        """Put a taken subtask back, not worked after all: it is ready again for the same member."""
        at = self._at(subtask_id)
        if self._taken.pop(at, None) is not None:
            self._offer(at)

    def takers(self, subtask_id: str) -> list[str]:
        """Return who may take a subtask over from its owner now, best first; nobody what is at work or has ended."""
        at = self._at(subtask_id)
        if at in self._taken or not self._runs(at):
            return []
        here = self._present.difference({self._hold.owner[at]}, self._hold.away())
        return self._hold.takers(at, here)

    def may_leave(self, member_id: str) -> bool:
        """Tell whether waiting is pointless for the member in this round.

        So it is when no remaining subtask is its own or could become its own by a refusal, and when nothing is taken
        and nothing is ready for anyone present.
        """
        if not self._taken and not self._ready_here:
            return True
        member = self._hold.members.get(member_id)
        if member is None:
            return True
        # What a member can no longer get stays so (ends, refusals and dead branches are final), so one cursor that only
        # moves forward answers all questions of one member in one walk over the plan.
        at, count = self._cursor[member_id], len(self._subtasks)
        while at < count and not (self._runs(at) and self._hold.may_get(member, at)):
            at += 1
        self._cursor[member_id] = at
        return at == count

    def __contains__(self, subtask_id: object) -> bool:
        """Tell whether the plan has a subtask of that id."""
        return subtask_id in self._net.index

    def owner(self, subtask_id: str) -> str | None:
        """Return the id of the member that the subtask belongs to now; None where nobody may do it."""
        return self._hold.owner[self._at(subtask_id)]

    def status(self, subtask_id: str) -> OutcomeStatus | None:
        """Return how the subtask ended; None while it has not, which includes a refusal that was handed on."""
        return self._status[self._at(subtask_id)]

    @property
    def remaining(self) -> list[str]:
        """Ids of what can still run or is at work, in plan order."""
        return [subtask.id for at, subtask in enumerate(self._subtasks) if self._runs(at)]

    @property
    def stuck(self) -> dict[str, str]:
        """What cannot run, in plan order, with the reason: blocked, failed, unassigned, or waiting for such a one."""
        return {subtask.id: why for subtask, why in zip(self._subtasks, self._why, strict=True) if why is not None}

    @property
    def taken(self) -> dict[str, str]:
        """Who is at work on what: subtask id to member id, in the order in which they were taken."""
        return {self._subtasks[at].id: member_id for at, member_id in self._taken.items()}

    @property
    def is_over(self) -> bool:
        """Whether nothing remains: all is done or stuck."""
        return self._left == 0

    @property
    def is_done(self) -> bool:
        """Whether every subtask of the plan ended well."""
        return self._done == len(self._subtasks)

    def _at(self, subtask_id: str) -> int:
        try:
            return self._net.index[subtask_id]
        except KeyError:
            raise PlanError(f"subtask {subtask_id!r} is not in the plan") from None

    def _runs(self, at: int) -> bool:
        return self._status[at] is None and self._why[at] is None

    def _is_ready(self, at: int) -> bool:
        return self._waiting[at] == 0 and at not in self._taken and self._runs(at)

    def _assign(self, schedule: Schedule) -> None:
        for one in schedule.assignments:
            at = self._net.index.get(one.subtask_id)
            if at is not None:
                self._hold.give(at, one.member_id)

    def _restore(self, outcomes: Mapping[str, OutcomeStatus]) -> None:
        """Bring in the stored ends: first what is done, so that a failure stops only what is not."""
        ends = {at: outcomes[one.id] for at, one in enumerate(self._subtasks) if one.id in outcomes}
        for at, status in ends.items():
            if status is OutcomeStatus.DONE:
                self._end(at, status, offer=False)
        for at, status in ends.items():
            if status in {OutcomeStatus.FAILED, OutcomeStatus.BLOCKED}:
                self._end(at, status)

    def _resume(self, taken: Mapping[str, str]) -> None:
        """Leave what is at work with whoever has taken it."""
        for subtask_id, member_id in taken.items():
            at = self._net.index.get(subtask_id)
            if at is not None and self._runs(at):
                self._hold.give(at, member_id)
                self._taken[at] = member_id

    def _open(self, schedule: Schedule) -> None:
        """Offer what is ready, after handing on what its owner cannot or will not do."""
        reasons = {one.subtask_id: one.reason for one in schedule.unassigned}
        for at, subtask in enumerate(self._subtasks):
            if not self._runs(at) or at in self._taken:
                continue
            owner = self._hold.owner[at]
            if owner is None:
                self._drop(at)
                self._stop(at, f"unassigned: {reasons.get(subtask.id, 'the schedule does not name it')}")
            elif not self._hold.stays(at):
                self._hand_over(at)
            elif self._waiting[at] == 0:
                self._offer(at)

    def _offer(self, at: int) -> None:
        """Put a ready subtask before its owner."""
        owner, subtask = self._hold.owner[at], self._subtasks[at]
        if owner is None or not self._is_ready(at):
            return
        heapq.heappush(self._ready[owner], (-PRIORITY_WEIGHT[subtask.priority], -self._net.path[at], at))
        if owner in self._present:
            self._ready_here.add(at)

    def _hand_over(self, at: int) -> str | None:
        """Give the subtask to the next best member; block it where there is none."""
        chosen = self._hold.next_best(at)
        if chosen is None:
            self._drop(at)
            self._status[at] = OutcomeStatus.BLOCKED
            self._stop(at, f"blocked: {self._hold.why_nobody(at)}")
            return None
        self._hold.give(at, chosen)
        self._offer(at)
        return chosen

    def _end(self, at: int, status: OutcomeStatus, *, offer: bool = True) -> None:
        if self._runs(at):
            self._drop(at)
        self._status[at], self._why[at] = status, None
        if status is not OutcomeStatus.DONE:
            self._stop(at, "failed" if status is OutcomeStatus.FAILED else "blocked: it waits for an answer")
            return
        self._done += 1
        for following in self._net.after[at]:
            self._waiting[following] -= 1
            if offer:
                self._offer(following)

    def _stop(self, at: int, why: str) -> None:
        """Record that a subtask cannot run, and that nothing behind it can."""
        kind = {OutcomeStatus.BLOCKED: "is blocked", OutcomeStatus.FAILED: "failed", None: "is unassigned"}
        behind_it = f"waits for {self._subtasks[at].id}, which {kind[self._status[at]]}"
        self._why[at] = why
        behind = list(self._net.after[at])
        for one in behind:  # grows while it is walked
            if self._runs(one):
                self._drop(one)
                self._why[one] = behind_it
                behind.extend(self._net.after[one])

    def _drop(self, at: int) -> None:
        """Take a subtask out of what remains, before its end or its reason is noted."""
        self._left -= 1
        self._hold.lift(at)
