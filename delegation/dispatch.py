"""One pass over a problem: at each moment that somebody gets free, the most urgent ready subtask that they can do.

An event-driven list schedule. The ready subtasks are one integer, the most urgent at its highest bit, and so is what
each profile can do; what a free member takes next is then the highest bit of their conjunction.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from math import inf

from delegation.problem import Problem, bits

__all__ = ["Result", "dispatch", "dispatch_within"]

_SAME = 1e-9  # hours that are no difference
_SMALL = 1000  # up to so many bits an integer is so short that it may be copied for each
_CHUNK = 1024  # bits of a long integer that are looked at together
_FEW = 8  # how many long integers are joined one by one without a thought for the copies


@dataclass(frozen=True, slots=True)
class Result:
    """Where each subtask landed, by position: its member (-1: nobody) and its start in hours.

    ``makespan`` is the last finish, ``order`` what was placed, most urgent first.
    """

    order: list[int]
    member: list[int]
    start: list[float]
    makespan: float


def dispatch(problem: Problem, order: list[int]) -> Result:
    """Place the subtasks that ``order`` lists, most urgent first; all that they depend on must be listed too."""
    result = _Pass(problem, order, inf, problem.net.path, problem.excluded).run()
    assert result is not None  # there is no limit that it could have missed
    return result


def dispatch_within(
    problem: Problem, order: list[int], limit: float, path: Sequence[float], excluded: Sequence[frozenset[int]]
) -> Result | None:
    """Do the same, but give up, with None, as soon as it shows that the last one would end after ``limit``.

    ``path`` is by position the longest sum of hours from a subtask to the end, among those that are listed, and
    ``excluded`` who is not to do it.
    """
    return _Pass(problem, order, limit + _SAME, path, excluded).run()


class _Pass:
    def __init__(
        self,
        problem: Problem,
        order: list[int],
        limit: float,
        path: Sequence[float],
        excluded: Sequence[frozenset[int]],
    ) -> None:
        self.problem, self.limit, self.path, self.excluded = problem, limit, path, excluded
        count = len(problem.effort)
        self.member, self.start = [-1] * count, [0.0] * count
        self.task = order[::-1]  # by bit
        self.bit = [-1] * count
        for bit, task in enumerate(self.task):
            self.bit[task] = bit
        self.asking = _masks(problem, self.task)  # by demand
        self.can = _by_profile(problem, self.asking) if count <= _SMALL else None  # long ones would fill the caches
        self.waiting = problem.waiting.copy()
        self.ready = 0
        self.load = problem.load.copy()
        self.idle: list[list[tuple[float, int]]] = [[] for _ in problem.profiles]  # by profile: (load, lane)
        self.is_idle = [False] * len(problem.lanes)
        self.until = [0.0] * len(problem.lanes)  # the end of the lane's current window
        self.free = 0  # profiles with an idle lane
        self.events = problem.openings.copy()  # (time, task or -1 - lane, end of the lane's window)
        self.lane = [-1] * count

    def run(self) -> Result | None:
        makespan = 0.0
        events, after, waiting, bit = self.events, self.problem.net.after, self.waiting, self.bit
        for task, (member, finish) in self.problem.running.items():
            self.member[task] = member
            heappush(events, (finish, task, 0.0))
        fresh = [task for task in self.task if waiting[task] == 0]
        while events:
            now, touched = events[0][0], 0
            while events and events[0][0] == now:
                _, what, end = heappop(events)
                if what >= 0:
                    for following in after[what]:
                        waiting[following] -= 1
                        if waiting[following] == 0 and bit[following] >= 0:
                            fresh.append(following)
                    lane, makespan = self.lane[what], now
                    if lane < 0:
                        continue  # it was running before the pass began; its member's window opens by itself
                else:
                    lane = -1 - what
                    self.until[lane] = end
                touched |= self._rest(lane)
            if not self._fill(now, touched, fresh):
                return None
            fresh = []
        return Result(self.task[::-1], self.member, self.start, makespan)

    def _rest(self, lane: int) -> int:
        """Put a lane among the idle ones, where it may be already with an older window; return its profile's bit."""
        one = self.problem.lanes[lane]
        profile = 1 << one.profile
        if not self.is_idle[lane]:
            self.is_idle[lane] = True
            heappush(self.idle[one.profile], (self.load[one.member], lane))
        self.free |= profile
        return profile

    def _fill(self, now: float, touched: int, fresh: list[int]) -> bool:
        """Hand out what can be: the fresh subtasks to anybody idle, the older ones to those who got idle just now.

        Nothing else can have become possible: whoever was idle before has found nothing among the older ones. False as
        soon as something is handed out too late.
        """
        able, demand, path, latest = self.problem.able, self.problem.demand, self.path, self.limit - now
        new = self._as_bits(fresh)
        self.ready |= new
        candidates, placed = self.ready & (new | self._can(touched)), []
        while candidates and self.free:
            shift = max(candidates.bit_length() - _CHUNK, 0)
            chunk = candidates >> shift  # a short integer: each step on the long ones copies them
            while chunk and self.free:
                at = chunk.bit_length() - 1
                chunk ^= 1 << at
                task = self.task[at + shift]
                if not able[demand[task]] & self.free or not self._place(task, now):
                    continue
                if path[task] > latest:
                    return False
                placed.append(at + shift)
                if (spent := touched & ~self.free) and (touched ^ spent).bit_count() <= _FEW:
                    touched ^= spent
                    candidates = self.ready & (new | self._can(touched)) & ((1 << at + shift) - 1)
                    break
            else:
                candidates &= (1 << shift) - 1
        self._take(placed)
        return True

    def _as_bits(self, tasks: list[int]) -> int:
        if len(tasks) > _FEW:
            return _packed([self.bit[task] for task in tasks], len(self.task))
        mask = 0
        for task in tasks:
            mask |= 1 << self.bit[task]
        return mask

    def _take(self, placed: list[int]) -> None:
        """Note that these are ready no more."""
        if len(placed) > _FEW:
            self.ready ^= _packed(placed, len(self.task))
        else:
            for bit in placed:
                self.ready ^= 1 << bit

    def _can(self, profiles: int) -> int:
        """Return all that members of these profiles can do, by bit."""
        if not profiles:
            return 0
        mask, can = 0, self.can
        if can is not None:
            while profiles:
                low = profiles & -profiles
                mask |= can[low.bit_length() - 1]
                profiles ^= low
            return mask
        serves = self.problem.serves
        for demand in {demand for number in bits(profiles) for demand in serves[number]}:
            mask |= self.asking[demand]
        return mask

    def _place(self, task: int, now: float) -> bool:
        """Start the subtask now with the most fitting idle member, if there is one."""
        problem = self.problem
        effort = problem.effort[task]
        finish = now + effort
        for tier in problem.tiers[problem.demand[task]]:
            fitting = tier & self.free
            while fitting:
                low = fitting & -fitting
                fitting ^= low
                lane = self._pick(low, task, finish)
                if lane >= 0:
                    member = problem.lanes[lane].member
                    self.load[member] += effort
                    self.member[task], self.start[task], self.lane[task] = member, now, lane
                    heappush(self.events, (finish, task, 0.0))
                    return True
        return False

    def _pick(self, profile: int, task: int, finish: float) -> int:
        """Take the least loaded idle lane of the profile (its bit) that is free until then and may do it; -1: none."""
        heap = self.idle[profile.bit_length() - 1]
        chosen = heap[0][1]
        if finish <= self.until[chosen] and self.problem.lanes[chosen].member not in self.excluded[task]:
            heappop(heap)
        else:
            chosen = self._pick_behind(heap, task, finish)
        if chosen >= 0:
            self.is_idle[chosen] = False
        if not heap:
            self.free ^= profile
        return chosen

    def _pick_behind(self, heap: list[tuple[float, int]], task: int, finish: float) -> int:
        """Do the same where the first one does not suit."""
        excluded, lanes = self.excluded[task], self.problem.lanes
        suiting = [entry for entry in heap if finish <= self.until[entry[1]] and lanes[entry[1]].member not in excluded]
        if not suiting:
            return -1
        entry = min(suiting)
        heap.remove(entry)
        heapify(heap)
        return entry[1]


def _masks(problem: Problem, task: list[int]) -> list[int]:
    """Return for each demand what asks for it, a bit a subtask."""
    masks = [0] * len(problem.able)
    if len(task) <= _SMALL:
        demand, one = problem.demand, 1
        for which in task:
            masks[demand[which]] |= one
            one <<= 1
    else:
        rows: dict[int, list[int]] = {}
        for bit, which in enumerate(task):
            rows.setdefault(problem.demand[which], []).append(bit)
        for number, held in rows.items():
            masks[number] = _packed(held, len(task))
    return masks


def _by_profile(problem: Problem, asking: list[int]) -> list[int]:
    return [sum([asking[number] for number in demands]) for demands in problem.serves]  # demands have no bit in common


def _packed(positions: Iterable[int], size: int) -> int:
    """Return the integer with these bits set; in one go, since every step on a long integer copies it."""
    packed = bytearray(size // 8 + 1)
    for bit in positions:
        packed[bit >> 3] |= 1 << (bit & 7)
    return int.from_bytes(packed, "little")
