"""What makes one schedule better than another: its end first, and among almost equal ones what else matters."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from math import sqrt

from delegation.dispatch import Result
from delegation.problem import Problem, bits
from delegation.reasons import Weights
from delegation.task import PRIORITY_WEIGHT, Priority

__all__ = ["Objective"]

_HIGH = PRIORITY_WEIGHT[Priority.HIGH]


class Objective:
    """The cost of a result, in hours: see ``Weights`` for the formula and ``Report`` for its parts.

    Args:
        problem: What was scheduled.
        todo: Positions of the subtasks that were placed, in topological order.
        weights: How much each part counts.
        previous: Who had a subtask before, by position.
    """

    def __init__(
        self, problem: Problem, todo: Sequence[int], weights: Weights, previous: Mapping[int, int] | None = None
    ) -> None:
        self.weights = weights
        self._problem, self._todo = problem, todo
        self._effort, self._load = problem.effort, problem.load
        self._previous = list((previous or {}).items())

    @cached_property
    def has_deadlines(self) -> bool:
        """Whether any of the subtasks has a deadline."""
        return any(subtask.deadline is not None for subtask in self._problem.net.subtasks)

    @cached_property
    def due(self) -> dict[int, float]:
        """When the subtasks that can be late should be done: at the deadline or, if high, as early as may be."""
        return _due(self._problem, self._todo)

    @cached_property
    def _late(self) -> list[tuple[int, int, float]]:
        subtasks = self._problem.net.subtasks
        return [(task, PRIORITY_WEIGHT[subtasks[task].priority], when) for task, when in self.due.items()]

    @cached_property
    def _weight(self) -> int:
        return sum(weight for _, weight, _ in self._late)

    @cached_property
    def _hands(self) -> list[tuple[int, int]]:
        """Who may do any of the work, and with how many hands."""
        problem, able = self._problem, 0
        for demand in {problem.demand[task] for task in self._todo}:
            able |= problem.able[demand]
        return [
            (member, problem.members[member].capacity) for number in bits(able) for member in problem.profiles[number]
        ]

    def cost(self, result: Result) -> float:
        """Return the makespan with what the other parts add to it: never less than the makespan itself."""
        weights, parts = self.weights, 0.0
        if weights.lateness and self._late:
            parts += weights.lateness * self.lateness(result)
        if weights.balance:
            uneven = self.balance(result)
            parts += weights.balance * uneven / (1.0 + uneven)
        if weights.stability and self._previous:
            parts += weights.stability * self.moved(result)
        return result.makespan * (1.0 + parts)

    def lateness(self, result: Result) -> float:
        """Return the weighted mean of the hours too late, as a part of the makespan; at most 1."""
        makespan, start, effort, hours = result.makespan, result.start, self._effort, 0.0
        if not self._weight or makespan <= 0.0:
            return 0.0
        for task, weight, due in self._late:
            if (over := start[task] + effort[task] - due) > 0.0:
                hours += weight * over
        return min(hours / (self._weight * makespan), 1.0)

    def balance(self, result: Result) -> float:
        """Return the coefficient of variation of the hours for each hand among those who may do any of the work."""
        hands, effort, member = self._hands, self._effort, result.member
        if len(hands) < 2:
            return 0.0
        hours = self._load.copy()
        for task in self._todo:
            hours[member[task]] += effort[task]
        each = [hours[one] / capacity for one, capacity in hands]
        mean = sum(each) / len(each)
        if mean <= 0.0:
            return 0.0
        squares = sum([one * one for one in each]) / len(each)
        return sqrt(max(squares - mean * mean, 0.0)) / mean

    def moved(self, result: Result) -> float:
        """Return which part of the subtasks that somebody had before has gone to somebody else."""
        if not self._previous:
            return 0.0
        return sum(result.member[task] != before for task, before in self._previous) / len(self._previous)


def _due(problem: Problem, todo: Sequence[int]) -> dict[int, float]:
    subtasks = problem.net.subtasks
    due: dict[int, float] = {}
    high: list[int] = []
    for task in todo:
        subtask = subtasks[task]
        if subtask.deadline is not None:
            due[task] = subtask.deadline
        elif PRIORITY_WEIGHT[subtask.priority] >= _HIGH:
            high.append(task)
    if high:
        finish = problem.earliest_finishes(todo)
        due |= {task: finish[task] for task in high}
    return due
