"""How early a plan could end at best: when a pass reaches that, there is nothing left to improve."""

from collections.abc import Sequence

from delegation.problem import Problem, bits

__all__ = ["lower_bound"]

_COMPARED = 64  # up to so many demands each is compared with each


def lower_bound(problem: Problem, todo: Sequence[int]) -> float:
    """Return hours before which no schedule of these subtasks, in topological order, can end, whatever is free when.

    The longest chain is one bound. Another is what a group of members has to do among themselves, because nobody else
    can, divided by their lanes; the groups looked at are everybody and those who can serve one demand.
    """
    finish = problem.earliest_finishes(todo)
    work: dict[int, float] = {}
    for task in todo:
        able = problem.able[problem.demand[task]]
        work[able] = work.get(able, 0.0) + problem.effort[task]
    lanes = [0] * len(problem.profiles)
    for lane in problem.lanes:
        lanes[lane.profile] += 1
    best = max(finish, default=0.0)
    for group in {*(work if len(work) <= _COMPARED else ()), (1 << len(lanes)) - 1}:
        hours = sum([part for able, part in work.items() if not able & ~group])
        heads = sum([lanes[number] for number in bits(group)])
        best = max(best, hours / max(heads, 1))
    return best
