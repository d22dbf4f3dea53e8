"""The policies by which a schedule is made: the project's own, and three plain ones to compare it with."""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from itertools import islice
from math import inf
from operator import mul
from typing import Protocol

from delegation.bounds import lower_bound
from delegation.dispatch import Result, dispatch, dispatch_within
from delegation.errors import PlanError, SquadError
from delegation.insertion import fill_gaps, ranked
from delegation.objective import Objective
from delegation.plan import Subtask
from delegation.problem import Problem, bits
from delegation.squad import SquadMember
from delegation.task import PRIORITY_WEIGHT

__all__ = ["POLICIES", "OrderPolicy", "policy_of", "strained_paths"]

Policy = Callable[[Problem, Sequence[int], Objective], Result]
"""Takes the problem, the positions of the subtasks to place in topological order, and what makes a result good."""

_STRAINS = ((3.0, 3.0), (10.0, 2.0), (1.0, 6.0))
"""How strongly strain lengthens a path, and how sharply; measured on published instances, each good by itself.

They fail on different plans, so a small plan is given the best of them; the first serves alone where a pass costs more.
"""

_SMALL = 500  # subtasks up to which a pass is so cheap that several can be compared


class OrderPolicy(Protocol):
    """A policy of one's own: which subtask is more urgent than which. Who does it, and when, the pass settles."""

    def order(self, subtasks: Sequence[Subtask], members: Sequence[SquadMember]) -> Sequence[str]:
        """Return subtask ids, most urgent first; what is left out comes last, in plan order."""


def policy_of(policy: str | OrderPolicy) -> Policy:
    """Return the policy of that name, or the one that follows a caller's order.

    Raises:
        PlanError: There is no policy of that name; the hint names the known ones.
    """
    if isinstance(policy, str) and policy in POLICIES:
        return POLICIES[policy]
    if callable(order := getattr(policy, "order", None)):
        return lambda problem, todo, _: dispatch(problem, _as_ordered(problem, todo, order))
    raise PlanError(
        f"there is no policy {policy!r}",
        hint=f"known policies: {', '.join(POLICIES)}; or an object with order(subtasks, members)",
    )


def _as_ordered(problem: Problem, todo: Sequence[int], order: Callable[..., Sequence[str]]) -> list[int]:
    """Ask for the order, check it, and add what it leaves out."""
    net, wanted = problem.net, set(todo)
    ranks: dict[int, int] = {}
    try:
        named = list(islice(order(list(net.subtasks), list(problem.members)), len(net.subtasks) + 1))
    except SquadError:
        raise
    except Exception as error:
        raise PlanError(
            f"the policy gave no order: {type(error).__name__}: {error}",
            hint="order(subtasks, members) returns subtask ids, most urgent first",
        ) from error
    for subtask_id in named:
        task = net.index.get(str(subtask_id))
        if task is None or task in ranks:
            wrong = "is not in the plan" if task is None else "comes twice"
            raise PlanError(f"the policy's order is wrong: {subtask_id!r} {wrong}", hint="return each subtask id once")
        ranks[task] = len(ranks)
    rest = sorted(wanted.difference(ranks))
    return [*(task for task in ranks if task in wanted), *rest]


def strained_paths(problem: Problem, factor: float, power: float, tails: Sequence[float] | None = None) -> list[float]:
    """Return each subtask's longest remaining path, with the hours weighted by how hard they are to staff.

    A plan is held up by its longest chain or by its scarcest members, mostly by both; so an hour of a strained demand
    counts as up to ``1 + factor`` hours, for itself and for all that it waits for. ``tails`` are hours that count as if
    they still came after a subtask, by position, weighted as the average hour is.
    """
    weight = [1.0 + factor * strain**power for strain in problem.strain]
    path = [0.0] * len(problem.effort)
    if tails is not None and (hours := sum(problem.effort)):
        average = sum(map(mul, problem.effort, map(weight.__getitem__, problem.demand))) / hours
        path = [tail * average for tail in tails]
    after = problem.net.after
    for task in reversed(problem.net.order):
        longest = path[task]
        for following in after[task]:
            if (hours := path[following]) > longest:
                longest = hours
        path[task] = problem.effort[task] * weight[problem.demand[task]] + longest
    return path


def _critical_path(problem: Problem, todo: Sequence[int], objective: Objective) -> Result:
    """Longest remaining path first; among equal ones the higher priority, then plan order.

    A small plan is given the best of several such passes. One of them looks for gaps, where there are any: who takes
    work as soon as there is some may be at it when better work comes.
    """
    urgency = _urgency(problem)
    several = len(todo) <= _SMALL
    bound = lower_bound(problem, todo) if several else 0.0
    hours = problem.remaining(todo)
    path = strained_paths(problem, *_STRAINS[0])
    best = dispatch(problem, _by_path(todo, path, urgency))
    for strain in _STRAINS[1:] if several else ():
        if best.makespan <= bound:
            break
        order = _by_path(todo, strained_paths(problem, *strain), urgency)
        best = _cheaper(problem, objective, best, order, hours)
    if (several or objective.has_deadlines) and objective.due:
        due = strained_paths(problem, *_STRAINS[0], _tails(problem, objective, best.makespan))
        best = _cheaper(problem, objective, best, _by_path(todo, due, urgency), hours)
    if several and problem.has_gaps and best.makespan > bound:
        order = ranked(problem, todo, {task: (-path[task], -urgency[task]) for task in todo})
        best = min(best, fill_gaps(problem, order), key=objective.cost)
    return best


def _by_path(todo: Sequence[int], path: list[float], urgency: list[int]) -> list[int]:
    order = sorted(todo)  # sorting three times makes no tuples, of which there would be as many as subtasks
    order.sort(key=urgency.__getitem__, reverse=True)
    order.sort(key=path.__getitem__, reverse=True)
    return order


def _cheaper(problem: Problem, objective: Objective, best: Result, order: list[int], hours: Sequence[float]) -> Result:
    """Return what comes of another order if it costs less; what would end too late is given up on the way."""
    least = objective.cost(best)
    result = dispatch_within(problem, order, least, hours, problem.excluded)
    return best if result is None or objective.cost(result) >= least else result


def _tails(problem: Problem, objective: Objective, makespan: float) -> list[float]:
    """Return, for what is due before the plan ends, the hours between, as if so much work still came after it."""
    tails = [0.0] * len(problem.effort)
    for task, due in objective.due.items():
        tails[task] = max(makespan - due, 0.0)
    return tails


def _priority_first(problem: Problem, todo: Sequence[int], _: Objective) -> Result:
    """Highest priority first, with all that it waits for; among equal ones the longest remaining path."""
    urgency, path = _urgency(problem), problem.net.path
    return dispatch(problem, sorted(todo, key=lambda task: (-urgency[task], -path[task], task)))


def _round_robin(problem: Problem, todo: Sequence[int], _: Objective) -> Result:
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


def _least_loaded(problem: Problem, todo: Sequence[int], _: Objective) -> Result:
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
    """Return each subtask's urgency: its priority or, where higher, that of something that waits for it.

    Among those that are urgent for the same reason, the own priority decides.
    """
    own = [PRIORITY_WEIGHT[subtask.priority] for subtask in problem.net.subtasks]
    urgency = own.copy()
    for task in reversed(problem.net.order):
        for following in problem.net.after[task]:
            urgency[task] = max(urgency[task], urgency[following])
    most = max(own, default=0) + 1
    return [most * first + second for first, second in zip(urgency, own, strict=True)]


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
