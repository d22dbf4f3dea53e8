"""One pass over a problem: at each moment that somebody gets free, the most urgent ready subtask that they can do.

An event-driven list schedule. The ready subtasks are one integer, the most urgent at its highest bit, and so is what
each profile can do; what a free member takes next is then the highest bit of their conjunction.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from math import inf

from delegation.problem import Problem, bits

__all__ = ["Result", "dispatch", "dispatch_within"]

_SAME = 1e-9  # hours that are no difference
_SMALL = 1000  # up to so many bits an integer is so short that it may be copied for each
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
        self.can = _masks(problem, self.task)
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
        events = self.events
        for task, (member, finish) in self.problem.running.items():
            self.member[task] = member
            heappush(events, (finish, task, 0.0))
        fresh = [task for task in self.task if self.waiting[task] == 0]
        while events:
            now, touched = events[0][0], 0
            while events and events[0][0] == now:
                _, what, end = heappop(events)
                if what >= 0:
                    self._release(what, fresh)
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

    def _release(self, task: int, fresh: list[int]) -> None:
        """Note that a subtask is done: what waited for it alone is ready."""
        waiting = self.waiting
        for following in self.problem.net.after[task]:
            waiting[following] -= 1
            if waiting[following] == 0 and self.bit[following] >= 0:
                fresh.append(following)

    def _rest(self, lane: int) -> int:
        """Put a lane among the idle ones, where it may be already with an older window; return its profile's bit."""
        one = self.problem.lanes[lane]
        if not self.is_idle[lane]:
            self.is_idle[lane] = True
            heappush(self.idle[one.profile], (self.load[one.member], lane))
        self.free |= 1 << one.profile
        return 1 << one.profile

    def _fill(self, now: float, touched: int, fresh: list[int]) -> bool:
        """Hand out what can be: the fresh subtasks to anybody idle, the older ones to those who got idle just now.

        Nothing else can have become possible: whoever was idle before has found nothing among the older ones. False as
        soon as something is handed out too late.
        """
        problem, tasks = self.problem, self.task
        able, demand, path, latest = problem.able, problem.demand, self.path, self.limit - now
        if len(fresh) > _FEW:
            new = _packed((self.bit[task] for task in fresh), len(tasks))
        else:
            new = 0
            for task in fresh:
                new |= 1 << self.bit[task]
        ready = self.ready | new
        candidates = ready & (new | self._can(touched))
        while candidates and self.free:
            bit = candidates.bit_length() - 1
            one = 1 << bit
            candidates ^= one
            task = tasks[bit]
            if not able[demand[task]] & self.free or not self._place(task, now):
                continue
            if path[task] > latest:
                return False
            ready ^= one
            if spent := touched & ~self.free:
                touched ^= spent
                if touched.bit_count() <= _FEW:
                    candidates = ready & (new | self._can(touched)) & (one - 1)
        self.ready = ready
        return True

    def _can(self, profiles: int) -> int:
        """Return all that members of these profiles can do, by bit."""
        mask = 0
        for number in bits(profiles):
            mask |= self.can[number]
        return mask

    def _place(self, task: int, now: float) -> bool:
        """Start the subtask now with the most fitting idle member, if there is one."""
        problem = self.problem
        effort = problem.effort[task]
        finish = now + effort
        for tier in problem.tiers[problem.demand[task]]:
            fitting = tier & self.free
            while fitting:
                number = (fitting & -fitting).bit_length() - 1
                fitting &= fitting - 1
                lane = self._pick(number, task, finish)
                if lane >= 0:
                    member = problem.lanes[lane].member
                    self.load[member] += effort
                    self.member[task], self.start[task], self.lane[task] = member, now, lane
                    heappush(self.events, (finish, task, 0.0))
                    return True
        return False

    def _pick(self, number: int, task: int, finish: float) -> int:
        """Take the profile's least loaded idle lane that is free until then and may do the task; -1 without any."""
        heap, lanes, excluded = self.idle[number], self.problem.lanes, self.excluded[task]
        chosen, aside = -1, []
        while heap:
            entry = heappop(heap)
            lane = entry[1]
            if finish <= self.until[lane] and lanes[lane].member not in excluded:
                chosen = lane
                self.is_idle[lane] = False
                break
            aside.append(entry)
        for entry in aside:
            heappush(heap, entry)
        if not heap:
            self.free &= ~(1 << number)
        return chosen


def _masks(problem: Problem, task: list[int]) -> list[int]:
    """Return for each profile what it can do, a bit a subtask."""
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
    return [sum(map(masks.__getitem__, demands)) for demands in problem.serves]  # demands have no bit in common


def _packed(positions: Iterable[int], size: int) -> int:
    """Return the integer with these bits set; in one go, since every step on a long integer copies it."""
    packed = bytearray(size // 8 + 1)
    for bit in positions:
        packed[bit >> 3] |= 1 << (bit & 7)
    return int.from_bytes(packed, "little")
