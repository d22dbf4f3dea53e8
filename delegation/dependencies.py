"""The dependencies among subtasks: checked, ordered and measured, in linear time and without recursion."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from delegation.errors import PlanError
from delegation.json_values import listed
from delegation.plan import Subtask

__all__ = ["Network", "check", "critical_path", "remaining_paths", "topological_order"]

_SHOWN = 80  # characters of an id; one that is longer is cut short in a message
_NAMED = 8  # a cycle that is longer is shortened in its message


@dataclass(frozen=True, slots=True)
class Network:
    """The subtasks by position, their dependencies checked: what every rule for order and time starts from.

    ``before`` and ``after`` hold the positions of each one's direct predecessors and successors, without repetition;
    ``order`` is topological; ``path`` is the longest sum of efforts from a subtask to the end, itself included, hours.
    """

    subtasks: Sequence[Subtask]
    index: dict[str, int]
    before: list[list[int]]
    after: list[list[int]]
    order: list[int]
    path: list[float]

    def critical_path(self) -> list[str]:
        """Return the ids of the longest chain of dependencies, first to last; empty without subtasks."""
        if not self.subtasks:
            return []
        path = self.path
        chain = [max(range(len(path)), key=path.__getitem__)]
        while following := self.after[chain[-1]]:
            chain.append(max(following, key=path.__getitem__))
        return [self.subtasks[position].id for position in chain]


def check(subtasks: Iterable[Subtask]) -> Network:
    """Check the subtasks and return their network.

    Raises:
        PlanError: an id is given twice, a dependency is not there, the dependencies run in a circle, an effort is
            negative or not finite, or a deadline is not finite; the message names the subtasks.
    """
    everything = listed(subtasks, Subtask)
    index = {subtask.id: position for position, subtask in enumerate(everything)}
    if len(index) < len(everything):
        twice = next(subtask.id for position, subtask in enumerate(everything) if index[subtask.id] != position)
        raise PlanError(f"subtask id {_shown(twice)} is given twice", hint="give every subtask an id of its own")
    _check_hours(everything)
    before = [_positions(subtask, index) if subtask.depends_on else [] for subtask in everything]
    after: list[list[int]] = [[] for _ in everything]
    for position, earlier in enumerate(before):
        for one in earlier:
            after[one].append(position)
    order = _order(before, after)
    if len(order) < len(everything):
        raise PlanError(
            f"the dependencies run in a circle: {_cycle(everything, before, order)}",
            hint="take one of these dependencies out",
        )
    return Network(everything, index, before, after, order, _paths(everything, after, order))


def topological_order(subtasks: Iterable[Subtask]) -> list[str]:
    """Return the ids so that each comes after all that it depends on; ties keep the given order. See ``check``."""
    network = check(subtasks)
    return [network.subtasks[position].id for position in network.order]


def remaining_paths(subtasks: Iterable[Subtask]) -> dict[str, float]:
    """Return for each id the longest sum of efforts from it to the end, itself included, in hours. See ``check``."""
    network = check(subtasks)
    return {subtask.id: path for subtask, path in zip(network.subtasks, network.path, strict=True)}


def critical_path(subtasks: Iterable[Subtask]) -> list[str]:
    """Return the ids of the longest chain of dependencies, first to last. See ``check``."""
    return check(subtasks).critical_path()


def _shown(subtask_id: str) -> str:
    return repr(subtask_id if len(subtask_id) <= _SHOWN else f"{subtask_id[:_SHOWN]}…")


def _check_hours(subtasks: Sequence[Subtask]) -> None:
    efforts = [subtask.effort for subtask in subtasks]
    are_good = min(efforts, default=0.0) >= 0.0 and math.isfinite(
        sum(efforts)
    )  # one that is no number makes the sum none
    if are_good and all(subtask.deadline is None for subtask in subtasks):
        return
    for subtask in subtasks:
        if not 0.0 <= subtask.effort < math.inf:
            raise PlanError(
                f"subtask {subtask.id!r} has an effort of {subtask.effort} hours",
                hint="effort is a finite number of hours, 0 or more",
            )
        if subtask.deadline is not None and not math.isfinite(subtask.deadline):
            raise PlanError(
                f"subtask {subtask.id!r} has a deadline of {subtask.deadline} hours",
                hint="a deadline is a finite number of hours from now, or None",
            )
    # One more guard: efforts that are finite each may still add up to infinity, and then no time means anything.
    if not math.isfinite(sum(subtask.effort for subtask in subtasks)):
        raise PlanError("the efforts add up to more hours than can be counted", hint="check the efforts' units")


def _positions(subtask: Subtask, index: dict[str, int]) -> list[int]:
    try:
        found = [index[dependency] for dependency in subtask.depends_on]
    except KeyError as missing:
        raise PlanError(
            f"subtask {_shown(subtask.id)} depends on {_shown(missing.args[0])}, which is not in the plan",
            hint="add it to the plan or take the dependency out",
        ) from None
    return found if len(found) < 2 else list(dict.fromkeys(found))


def _order(before: list[list[int]], after: list[list[int]]) -> list[int]:
    """Return the positions in topological order (Kahn's algorithm); those on or behind a cycle are left out."""
    waiting = [len(earlier) for earlier in before]
    order = [position for position, count in enumerate(waiting) if count == 0]
    for position in order:  # grows while it is walked
        for following in after[position]:
            waiting[following] -= 1
            if waiting[following] == 0:
                order.append(following)
    return order


def _cycle(subtasks: Sequence[Subtask], before: list[list[int]], order: list[int]) -> str:
    """Name one cycle, in the direction of the work: every left-over subtask has a left-over predecessor."""
    left = set(range(len(subtasks))).difference(order)
    walk = [min(left)]
    seen = {walk[0]: 0}
    while True:
        earlier = next(one for one in before[walk[-1]] if one in left)
        if earlier in seen:
            break
        seen[earlier] = len(walk)
        walk.append(earlier)
    circle = walk[seen[earlier] :][::-1]
    first = circle.index(min(circle))
    names = [subtasks[position].id for position in [*circle[first:], *circle[:first], circle[first]]]
    if len(names) > _NAMED + 1:
        names = [*names[: _NAMED - 1], f"… {len(names) - _NAMED - 1} more …", *names[-2:]]
    return " -> ".join(names)


def _paths(subtasks: Sequence[Subtask], after: list[list[int]], order: list[int]) -> list[float]:
    path = [0.0] * len(subtasks)
    for position in reversed(order):
        longest = 0.0
        for following in after[position]:
            if (hours := path[following]) > longest:
                longest = hours
        path[position] = subtasks[position].effort + longest
    return path
