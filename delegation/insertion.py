"""Placing subtasks one by one into the gaps that are left: a pass in which some keep the member that they had."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from math import inf
from operator import itemgetter
from types import MappingProxyType

from delegation.dispatch import Result
from delegation.problem import Problem, bits
from delegation.windows import Window

__all__ = ["fill_gaps", "ranked"]

_CLOSES = itemgetter(1)
_NONE: Mapping[int, int] = MappingProxyType({})


def ranked(problem: Problem, todo: Sequence[int], key: Mapping[int, tuple[float, ...]]) -> list[int]:
    """Return the subtasks by key, the lowest first, then in plan order, but each after all that it depends on."""
    waiting = dict.fromkeys(todo, 0)
    for task in todo:
        waiting[task] = sum(one in waiting for one in problem.net.before[task])
    heap = [(key[task], task) for task in todo if waiting[task] == 0]
    heapify(heap)
    order = []
    while heap:
        task = heappop(heap)[1]
        order.append(task)
        for following in problem.net.after[task]:
            if following in waiting:
                waiting[following] -= 1
                if waiting[following] == 0:
                    heappush(heap, (key[following], following))
    return order


def fill_gaps(
    problem: Problem,
    order: Sequence[int],
    keeps: Mapping[int, int] = _NONE,
    had: Mapping[int, int] = _NONE,
    patience: float = inf,
) -> Result:
    """Place the subtasks in that order, each where it can end first.

    ``keeps`` names those that must go to a member. The others go to whoever ends them first: among equals to the one
    who ``had`` it, then to the one who fits best and is wanted least. With a ``patience``, in hours, a subtask does not
    wait for its member where somebody else can begin it by more than that sooner, or in time for a deadline that its
    member would miss.
    """
    count = len(problem.effort)
    member, start, finish = [-1] * count, [0.0] * count, [0.0] * count
    for task, (who, hours) in problem.running.items():
        member[task], finish[task] = who, hours
    room = _room(problem)
    for task in order:
        ready = max((finish[one] for one in problem.net.before[task]), default=0.0)
        begin, lane = room.place(task, ready, keeps.get(task), had.get(task), patience)
        member[task], start[task], finish[task] = problem.lanes[lane].member, begin, begin + problem.effort[task]
        room.take(task, begin, lane)
    return Result(list(order), member, start, max(finish, default=0.0))


@dataclass(slots=True)
class _Room:
    """What is left to place subtasks in: the gaps of each lane, the lanes and the hours of each member."""

    problem: Problem
    gaps: list[list[Window]]
    lanes: list[list[int]]
    load: list[float]

    def place(self, task: int, ready: float, kept: int | None, had: int | None, patience: float) -> tuple[float, int]:
        """Decide when a subtask begins, and in which lane; see :func:`fill_gaps`."""
        if kept is None:
            return self._soonest(task, ready, had)
        effort = self.problem.effort[task]
        begin, lane = min((_first(self.gaps[one], ready, effort), one) for one in self.lanes[kept])
        latest = _soon_enough(self.problem, task, begin, patience)
        if ready <= latest < begin:
            first, other = self._soonest(task, ready, had)
            if first <= latest:
                return first, other
        return begin, lane

    def take(self, task: int, begin: float, lane: int) -> None:
        """Place a subtask."""
        effort = self.problem.effort[task]
        self.load[self.problem.lanes[lane].member] += effort
        _take(self.gaps[lane], begin, begin + effort)

    def _soonest(self, task: int, ready: float, had: int | None) -> tuple[float, int]:
        effort = self.problem.effort[task]
        first, *_, lane = min(
            (_first(self.gaps[one], ready, effort), who != had, tier, self.load[who], one)
            for tier, who in _able(self.problem, task)
            for one in self.lanes[who]
        )
        return first, lane


def _room(problem: Problem) -> _Room:
    lanes: list[list[int]] = [[] for _ in problem.members]
    for number, lane in enumerate(problem.lanes):
        lanes[lane.member].append(number)
    return _Room(problem, [list(lane.windows) for lane in problem.lanes], lanes, problem.load.copy())


def _soon_enough(problem: Problem, task: int, begin: float, patience: float) -> float:
    """Return by when somebody else has to begin a subtask to get it from its member, who could begin it then."""
    if patience == inf:
        return -inf
    due, soon = problem.net.subtasks[task].deadline, begin - patience
    if due is None or begin <= due - problem.effort[task]:
        return soon
    return max(soon, due - problem.effort[task])


def _able(problem: Problem, task: int) -> list[tuple[int, int]]:
    """Return who may do the subtask, each with its rank by fit."""
    able = []
    excluded = problem.excluded[task]
    for tier, mask in enumerate(problem.tiers[problem.demand[task]]):
        for number in bits(mask):
            able += [(tier, who) for who in problem.profiles[number] if who not in excluded]
    return able


def _first(gaps: Sequence[Window], ready: float, effort: float) -> float:
    """Return the earliest start in one of the gaps."""
    for number in range(bisect_left(gaps, ready + effort, key=_CLOSES), len(gaps)):
        begin = max(gaps[number][0], ready)
        if begin + effort <= gaps[number][1]:
            return begin
    return inf  # not reached: the last gap is endless


def _take(gaps: list[Window], begin: float, finish: float) -> None:
    """Take a span, which lies in one of the gaps, out of it."""
    if finish <= begin:
        return
    number = bisect_left(gaps, finish, key=_CLOSES)
    opens, closes = gaps[number]
    gaps[number : number + 1] = [part for part in ((opens, begin), (finish, closes)) if part[0] < part[1]]
