"""Making a schedule better while there is time: a local search over the order in which subtasks are placed.

Each step moves a few subtasks to another place in the order, makes the pass again and keeps what is not worse. Equal
results are kept too, since most ways to a better plan lead over equal ones.
"""

import random
import time
from collections.abc import Sequence

from delegation.bounds import lower_bound
from delegation.dispatch import Result, dispatch
from delegation.problem import Problem

__all__ = ["improve"]

_MOVES = (1, 1, 2, 3, 5, 10)  # how many subtasks a step moves: mostly few, now and then enough to get out of a corner


def improve(
    problem: Problem,
    todo: Sequence[int],
    first: Result,
    *,
    budget_s: float = 0.0,
    max_steps: int | None = None,
    seed: int = 0,
) -> Result:
    """Return the best result found: ``first``, or one that ends earlier.

    Stops after ``budget_s`` seconds (0: no limit in time), after ``max_steps`` steps, or when a lower bound is reached.
    With ``max_steps`` alone, the result depends on nothing but the arguments.
    """
    end = time.perf_counter() + budget_s if budget_s > 0 else None
    bound = lower_bound(problem, todo)
    rnd = random.Random(seed)  # noqa: S311 - choices of a search, no secrets
    place = [0.0] * len(problem.effort)
    for number, task in enumerate(first.order):
        place[task] = number / len(first.order)
    best = current = first
    steps = 0
    while best.makespan > bound and (max_steps is None or steps < max_steps):
        if end is not None and time.perf_counter() >= end:
            break
        steps += 1
        moved = place.copy()
        for _ in range(rnd.choice(_MOVES)):
            moved[rnd.choice(todo)] = rnd.random()
        result = dispatch(problem, sorted(todo, key=moved.__getitem__))
        if result.makespan <= current.makespan:
            current, place = result, moved
            if result.makespan < best.makespan:
                best = result
    return best
