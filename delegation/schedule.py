"""Who does which subtask when: the front of the scheduling rules."""

import math
from collections.abc import Iterable

from delegation.dispatch import Result
from delegation.eligibility import why_unassigned
from delegation.errors import PlanError
from delegation.improve import improve
from delegation.plan import Assignment, Schedule, Subtask, Unassigned
from delegation.policies import policy_named
from delegation.problem import Problem, Span, bits, build
from delegation.squad import SquadMember

__all__ = ["schedule"]


def schedule(
    subtasks: Iterable[Subtask],
    members: Iterable[SquadMember],
    *,
    budget_s: float = 0.0,
    max_steps: int | None = None,
    seed: int = 0,
    policy: str = "critical_path",
    busy: Iterable[Span] = (),
) -> Schedule:
    """Assign the subtasks to the members, with times in hours from now, so that the last one ends as early as may be.

    Whoever fits by role (or stands in for it), by skills and by not being excluded may do a subtask; a member works on
    ``capacity`` subtasks at once, from ``available_from`` on, and each subtask takes one member its effort in one go.
    What nobody may do is listed under ``unassigned`` with the reason, and so is what depends on it. The result is the
    same for the same input, except where ``budget_s`` alone limits the improvement.

    Args:
        subtasks: What is to be done, ids distinct, in plan order, which settles ties.
        members: Who is there, ids distinct. Their order settles ties.
        budget_s: Seconds that may be spent on improving the first pass.
        max_steps: How many improvements may be tried; alone, without a limit in time. With both, the first to be
            reached counts; with neither there is no improvement.
        seed: For the choices of the improvement.
        policy: ``critical_path``; ``round_robin``, ``least_loaded`` and ``priority_first`` are for comparison, and are
            not improved upon.
        busy: Spans that are taken elsewhere: member id, start and finish in hours from now.

    Raises:
        PlanError: The input contradicts itself, an effort or a budget is no such thing, or the policy is unknown.
    """
    make = policy_named(policy)
    _check_limits(budget_s, max_steps)
    problem = build(subtasks, members, busy)
    unassigned = _unassigned(problem)
    todo = [task for task in problem.net.order if task not in unassigned]
    result = make(problem, todo)
    if policy == "critical_path" and (budget_s > 0 or max_steps):
        result = improve(problem, todo, result, budget_s=budget_s, max_steps=max_steps, seed=seed)
    return _schedule(problem, result, todo, unassigned)


def _check_limits(budget_s: float, max_steps: int | None) -> None:
    if not 0.0 <= budget_s < math.inf:
        raise PlanError(f"a budget of {budget_s} seconds is none", hint="give a finite number of seconds, 0 or more")
    if max_steps is not None and max_steps < 0:
        raise PlanError(f"{max_steps} steps are none", hint="give a number of steps, 0 or more, or None")


def _unassigned(problem: Problem) -> dict[int, str]:
    """Return what nobody may do, by position, with the reason; what depends on it comes along."""
    reasons: dict[int, str] = {}
    subtasks = problem.net.subtasks
    for task in problem.net.order:
        if (lost := next((one for one in problem.net.before[task] if one in reasons), None)) is not None:
            reasons[task] = f"depends on {subtasks[lost].id!r}, which is unassigned"
        if not _is_possible(problem, task):
            reasons[task] = why_unassigned(subtasks[task], problem.members)
    return reasons


def _is_possible(problem: Problem, task: int) -> bool:
    able, excluded = problem.able[problem.demand[task]], problem.excluded[task]
    if not excluded:
        return able != 0
    return any(member not in excluded for number in bits(able) for member in problem.profiles[number])


def _schedule(problem: Problem, result: Result, todo: list[int], unassigned: dict[int, str]) -> Schedule:
    """Put the result into the vocabulary's words, assignments in the order of their start.

    The values come out of checked ones, so the models are made without a second validation, which would cost more than
    the pass itself.
    """
    subtasks, members, start, effort = problem.net.subtasks, problem.members, result.start, problem.effort
    assignments = [
        Assignment.model_construct(
            subtask_id=subtasks[task].id,
            member_id=members[result.member[task]].id,
            start=start[task],
            finish=start[task] + effort[task],
        )
        for task in sorted(todo, key=lambda task: (start[task], task))
    ]
    return Schedule.model_construct(
        assignments=assignments,
        makespan=result.makespan,
        critical_path=problem.net.critical_path(),
        unassigned=[
            Unassigned(subtask_id=subtasks[task].id, reason=reason) for task, reason in sorted(unassigned.items())
        ],
    )
