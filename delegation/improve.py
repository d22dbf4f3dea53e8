"""Making a schedule better while there is time: a local search over who may do what, and in which order it is placed.

Each step moves a few subtasks to another place in the order, or bars a few from the member that has them, makes the
pass again and goes on from there unless it ends later. Results that end at the same time are gone on from too, since
most ways to a better plan lead over equal ones; of all that were seen, the one with the least cost is kept. Once a
lower bound is reached, the cost alone leads.
"""

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from delegation.bounds import lower_bound
from delegation.dispatch import Result, dispatch_within
from delegation.objective import Objective
from delegation.problem import Problem, bits
from delegation.task import PRIORITY_WEIGHT

__all__ = ["improve"]

_MOVES = (1, 1, 2, 3, 5, 10)  # how many subtasks a step moves: mostly few, now and then enough to get out of a corner
_BARS = (1, 1, 2, 3)  # how many it bars from their members, or lets back
_BARRING = 0.6  # how often a step bars; between a half and nine tenths it makes little difference
_LETTING_BACK = 0.9  # how often a subtask that is barred already is let back, rather than barred from one more
_FRUITLESS = 300  # steps without a gain after which a plan that cannot end earlier is left as it is


@dataclass(frozen=True, slots=True)
class _State:
    """Where the search stands: each subtask's place in the order, who is barred from it, and what came of that."""

    place: list[float]
    barred: list[frozenset[int]]
    result: Result
    cost: float


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
    bound, search = lower_bound(problem, todo), _Search(problem, todo, seed)
    state = best = search.begun(first, objective.cost(first))
    steps = fruitless = 0
    while (max_steps is None or steps < max_steps) and (end is None or time.perf_counter() < end):
        is_tight = state.result.makespan <= bound
        if is_tight and (best.cost <= bound or fruitless >= _FRUITLESS):
            break
        steps += 1
        fruitless += is_tight
        place, barred = search.neighbour(state)
        result = search.made(place, barred, state.result.makespan)
        if result is None:
            continue
        cost = state.cost
        if is_tight or result.makespan <= best.cost:
            cost = objective.cost(result)
        if is_tight and cost > state.cost:
            continue
        state = _State(place, barred, result, cost)
        if cost < best.cost:
            best, fruitless = state, 0
    return _with_priorities_first(problem, todo, best.result)


class _Search:
    """The steps: what does not change while they are taken."""

    def __init__(self, problem: Problem, todo: Sequence[int], seed: int) -> None:
        self._problem, self._todo = problem, todo
        self._rnd = random.Random(seed)  # noqa: S311 - choices of a search, no secrets
        self._path = problem.remaining(todo)
        self._able = [sum(len(problem.profiles[number]) for number in bits(mask)) for mask in problem.able]

    def begun(self, first: Result, cost: float) -> _State:
        place = [0.0] * len(self._problem.effort)
        for number, task in enumerate(first.order):
            place[task] = number / len(first.order)
        return _State(place, self._problem.excluded, first, cost)

    def neighbour(self, state: _State) -> tuple[list[float], list[frozenset[int]]]:
        """Return another order, or the same with others barred."""
        rnd, todo, allowed = self._rnd, self._todo, self._problem.excluded
        if rnd.random() >= _BARRING:
            place = state.place.copy()
            for _ in range(rnd.choice(_MOVES)):
                place[rnd.choice(todo)] = rnd.random()
            return place, state.barred
        barred = state.barred.copy()
        for _ in range(rnd.choice(_BARS)):
            task = rnd.choice(todo)
            if barred[task] is not allowed[task] and rnd.random() < _LETTING_BACK:
                barred[task] = allowed[task]
            elif self._able[self._problem.demand[task]] > len(barred[task]) + 1:
                barred[task] = barred[task] | {state.result.member[task]}
        return state.place, barred

    def made(self, place: list[float], barred: list[frozenset[int]], limit: float) -> Result | None:
        """Return what comes of it; None where that ends later than the limit."""
        order = sorted(self._todo, key=place.__getitem__)
        result = dispatch_within(self._problem, order, limit, self._path, barred)
        return None if result is None or result.makespan > limit else result


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
