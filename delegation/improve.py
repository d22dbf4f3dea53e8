"""Making a schedule better while there is time: a local search over the order in which subtasks are placed.

Each step moves a few subtasks to another place in the order, makes the pass again and goes on from there unless it ends
later. Results that end at the same time are gone on from too, since most ways to a better plan lead over equal ones; of
all that were seen, the one with the least cost is kept. Once a lower bound is reached, the cost alone leads.
"""

import random
import time
from collections.abc import Sequence
from dataclasses import replace

from delegation.bounds import lower_bound
from delegation.dispatch import Result, dispatch_within
from delegation.objective import Objective
from delegation.problem import Problem
from delegation.task import PRIORITY_WEIGHT

__all__ = ["improve"]

_MOVES = (1, 1, 2, 3, 5, 10)  # how many subtasks a step moves: mostly few, now and then enough to get out of a corner
_FRUITLESS = 300  # steps without a gain after which a plan that cannot end earlier is left as it is


def improve(
    problem: Problem,
    todo: Sequence[int],
    first: Result,
    objective: Objective,
    *,
    budget_s: float = 0.0,
    max_steps: int | None = None,
    seed: int = 0,
) -> Result:
    """Return the result with the least cost: ``first``, or one that was found from it.

    Stops after ``budget_s`` seconds (0: no limit in time), after ``max_steps`` steps, or when a lower bound is reached
    and nothing else is to be gained. With ``max_steps`` alone, the result depends on nothing but the arguments.
    """
    end = time.perf_counter() + budget_s if budget_s > 0 else None
    bound = lower_bound(problem, todo)
    rnd = random.Random(seed)  # noqa: S311 - choices of a search, no secrets
    place = [0.0] * len(problem.effort)
    for number, task in enumerate(first.order):
        place[task] = number / len(first.order)
    path = _paths(problem, todo)
    best, limit = first, first.makespan
    least = lead = objective.cost(first)
    steps = fruitless = 0
    while (max_steps is None or steps < max_steps) and (end is None or time.perf_counter() < end):
        is_tight = limit <= bound
        if is_tight and (least <= bound or fruitless >= _FRUITLESS):
            break
        steps += 1
        fruitless += is_tight
        moved = place.copy()
        for _ in range(rnd.choice(_MOVES)):
            moved[rnd.choice(todo)] = rnd.random()
        result = dispatch_within(problem, sorted(todo, key=moved.__getitem__), limit, path)
        if result is None or result.makespan > limit:
            continue
        cost = lead
        if is_tight or result.makespan <= least:
            cost = objective.cost(result)
        if is_tight and cost > lead:
            continue
        limit, place, lead = result.makespan, moved, cost
        if cost < least:
            best, least, fruitless = result, cost, 0
    return _with_priorities_first(problem, todo, best)


def _paths(problem: Problem, todo: Sequence[int]) -> list[float]:
    """Return the longest sum of hours from each subtask to the end; what nobody may do is no part of it."""
    path = [0.0] * len(problem.effort)
    for task in reversed(todo):
        path[task] = problem.effort[task] + max((path[one] for one in problem.net.after[task]), default=0.0)
    return path


def _with_priorities_first(problem: Problem, todo: Sequence[int], result: Result) -> Result:
    """Let subtasks that differ in nothing but their priority swap places, so that the higher ones come earlier."""
    subtasks, net = problem.net.subtasks, problem.net
    weight = [PRIORITY_WEIGHT[subtask.priority] for subtask in subtasks]
    if len(set(weight)) < 2:
        return result
    alike: dict[object, list[int]] = {}
    for task in todo:
        key = (problem.demand[task], problem.effort[task], subtasks[task].deadline, problem.excluded[task])
        alike.setdefault((key, tuple(net.before[task]), tuple(net.after[task])), []).append(task)
    member, start = result.member.copy(), result.start.copy()
    for group in alike.values():
        if len(group) > 1:
            places = sorted((result.start[task], number, result.member[task]) for number, task in enumerate(group))
            for task, (begin, _, who) in zip(sorted(group, key=lambda one: -weight[one]), places, strict=True):
                member[task], start[task] = who, begin
    return replace(result, member=member, start=start)
