"""The policies by which a schedule is made: the project's own, and three plain ones to compare it with."""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from math import inf

from delegation.bounds import lower_bound
from delegation.dispatch import Result, dispatch
from delegation.errors import PlanError
from delegation.problem import Problem, bits
from delegation.task import PRIORITY_WEIGHT

__all__ = ["POLICIES", "policy_named", "strained_paths"]

Policy = Callable[[Problem, Sequence[int]], Result]
"""Takes the problem and the positions of the subtasks to place, in topological order."""

_STRAINS = ((3.0, 3.0), (10.0, 2.0), (1.0, 6.0))
"""How strongly strain lengthens a path, and how sharply; measured on published instances, each good by itself.

They fail on different plans, so a small plan is given the best of them; the first serves alone where a pass costs more.
"""

_SMALL = 500  # subtasks up to which a pass is so cheap that several can be compared


def policy_named(name: str) -> Policy:
    """Return the policy; PlanError names the known ones where there is none of that name."""
    try:
        return POLICIES[name]
    except (KeyError, TypeError):
        raise PlanError(f"there is no policy {name!r}", hint=f"known policies: {', '.join(POLICIES)}") from None


def strained_paths(problem: Problem, factor: float, power: float) -> list[float]:
    """Return each subtask's longest remaining path, with the hours weighted by how hard they are to staff.

    A plan is held up by its longest chain or by its scarcest members, mostly by both; so an hour of a strained demand
    counts as up to ``1 + factor`` hours, for itself and for all that it waits for.
    """
    weight = [1.0 + factor * strain**power for strain in problem.strain]
    path = [0.0] * len(problem.effort)
    for task in reversed(problem.net.order):
        longest = 0.0
        for following in problem.net.after[task]:
            longest = max(longest, path[following])
        path[task] = problem.effort[task] * weight[problem.demand[task]] + longest
    return path


def _critical_path(problem: Problem, todo: Sequence[int]) -> Result:
    """Longest remaining path first; among equal ones the higher priority, then plan order."""
    urgency = _urgency(problem)
    several = len(todo) <= _SMALL
    bound = lower_bound(problem, todo) if several else 0.0
    best: Result | None = None
    for factor, power in _STRAINS if several else _STRAINS[:1]:
        path = strained_paths(problem, factor, power)
        result = dispatch(problem, sorted(todo, key=lambda task: (-path[task], -urgency[task], task)))
        if best is None or result.makespan < best.makespan:
            best = result
        if best.makespan <= bound:
            break
    assert best is not None
    return best


def _priority_first(problem: Problem, todo: Sequence[int]) -> Result:
    """Highest priority first, with all that it waits for; among equal ones the longest remaining path."""
    urgency, path = _urgency(problem), problem.net.path
    return dispatch(problem, sorted(todo, key=lambda task: (-urgency[task], -path[task], task)))


def _round_robin(problem: Problem, todo: Sequence[int]) -> Result:
    """In plan order, to each member in turn who may do it."""
    turn = 0

    def choose(task: int, able: list[int]) -> int:
        nonlocal turn
        first = bisect_left(able, turn)
        excluded = problem.excluded[task]
        chosen = next(one for one in (*able[first:], *able[:first]) if one not in excluded)
        turn = chosen + 1
        return chosen

    return _one_by_one(problem, todo, choose)


def _least_loaded(problem: Problem, todo: Sequence[int]) -> Result:
    """In plan order, to the member who may do it and has the fewest hours so far for each hand."""
    load = [hours / member.capacity for hours, member in zip(problem.load, problem.members, strict=True)]

    def choose(task: int, able: list[int]) -> int:
        if excluded := problem.excluded[task]:
            able = [one for one in able if one not in excluded]
        chosen = min(able, key=load.__getitem__)
        load[chosen] += problem.effort[task] / problem.members[chosen].capacity
        return chosen

    return _one_by_one(problem, todo, choose)


POLICIES: dict[str, Policy] = {
    "critical_path": _critical_path,
    "round_robin": _round_robin,
    "least_loaded": _least_loaded,
    "priority_first": _priority_first,
}
"""Policy by name."""


def _urgency(problem: Problem) -> list[int]:
    """Return each subtask's weight of priority: its own or, where higher, that of something that waits for it."""
    urgency = [PRIORITY_WEIGHT[subtask.priority] for subtask in problem.net.subtasks]
    for task in reversed(problem.net.order):
        for following in problem.net.after[task]:
            urgency[task] = max(urgency[task], urgency[following])
    return urgency


def _one_by_one(problem: Problem, todo: Sequence[int], choose: Callable[[int, list[int]], int]) -> Result:
    """Place each subtask in turn with the chosen member, as early as its dependencies and the member's lanes allow."""
    count = len(problem.effort)
    member, start, finish = [-1] * count, [0.0] * count, [0.0] * count
    lanes: list[list[int]] = [[] for _ in problem.members]
    for number, one in enumerate(problem.lanes):
        lanes[one.member].append(number)
    free = [0.0] * len(problem.lanes)
    able = [sorted(one for number in bits(mask) for one in problem.profiles[number]) for mask in problem.able]
    for task in todo:
        member[task] = choose(task, able[problem.demand[task]])
        earliest = max((finish[one] for one in problem.net.before[task]), default=0.0)
        options = [
            (_fit(problem, lane, max(free[lane], earliest), problem.effort[task]), lane) for lane in lanes[member[task]]
        ]
        start[task], lane = min(options)
        finish[task] = free[lane] = start[task] + problem.effort[task]
    return Result(list(todo), member, start, max((finish[task] for task in todo), default=0.0))


def _fit(problem: Problem, lane: int, earliest: float, effort: float) -> float:
    """Return the first start from ``earliest`` on at which the lane is free for that long."""
    for opens, closes in problem.lanes[lane].windows:
        begin = max(opens, earliest)
        if begin + effort <= closes:
            return begin
    return inf  # not reached: the last window is endless
