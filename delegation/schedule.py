"""Who does which subtask when: the front of the scheduling rules."""

import math
from collections.abc import Iterable

from pydantic import TypeAdapter

from delegation.dispatch import Result
from delegation.eligibility import why_unassigned
from delegation.errors import PlanError
from delegation.explain import ScheduleBasis
from delegation.improve import improve
from delegation.objective import Objective
from delegation.plan import Assignment, Schedule, Subtask, Unassigned
from delegation.policies import OrderPolicy, policy_of
from delegation.problem import Problem, bits, build
from delegation.reasons import Weights
from delegation.squad import SquadMember
from delegation.windows import Span

__all__ = ["check_limits", "in_words", "nobody_for", "schedule"]

_WEIGHTS = Weights()
_ASSIGNMENTS = TypeAdapter(list[Assignment])  # all at once: one by one would cost more than the pass itself


def schedule(
    subtasks: Iterable[Subtask],
    members: Iterable[SquadMember],
    *,
    budget_s: float = 0.0,
    max_steps: int | None = None,
    seed: int = 0,
    policy: str | OrderPolicy = "critical_path",
    busy: Iterable[Span] = (),
    weights: Weights = _WEIGHTS,
) -> Schedule:
    """Assign the subtasks to the members, with times in hours from now, so that the last one ends as early as may be.

    Whoever fits by role (or stands in for it), by skills and by not being excluded may do a subtask; a member works on
    ``capacity`` subtasks at once, from ``available_from`` on and outside of its ``leave``, and each subtask takes one
    member its effort in one go. Among plans that end at almost the same time, one is preferred that keeps deadlines,
    has high priorities early and shares the work evenly.

    What nobody may do is listed under ``unassigned`` with the reason, and so is what depends on it. The result is the
    same for the same input, except where ``budget_s`` alone limits the improvement. It can ``explain`` each of its
    subtasks, and ``report`` what it costs.

    Args:
        subtasks: What is to be done, ids distinct, in plan order, which settles ties.
        members: Who is there, ids distinct. Their order settles ties.
        budget_s: Seconds that may be spent on improving the first pass.
        max_steps: How many improvements may be tried; alone, without a limit in time. With both, the first to be
            reached counts; with neither there is no improvement.
        seed: For the choices of the improvement.
        policy: ``critical_path``; ``round_robin``, ``least_loaded`` and ``priority_first`` are for comparison. Or an
            object whose ``order(subtasks, members)`` returns subtask ids, most urgent first. Only the first one's
            result is improved upon.
        busy: Spans that are taken elsewhere: member id, start and finish in hours from now.
        weights: How much lateness and balance count beside the makespan.

    Raises:
        PlanError: The input contradicts itself, an effort or a budget is no such thing, or the policy is unknown.
    """
    make = policy_of(policy)
    check_limits(budget_s, max_steps, seed)
    if not isinstance(weights, Weights):
        raise PlanError(f"{weights!r} are no weights", hint="give Weights(lateness=…, balance=…)")
    problem = build(subtasks, members, busy)
    unassigned = nobody_for(problem)
    todo = [task for task in problem.net.order if task not in unassigned]
    objective = Objective(problem, todo, weights)
    result = make(problem, todo, objective)
    if policy == "critical_path" and (budget_s > 0 or max_steps) and todo:
        result = improve(problem, todo, result, objective, budget_s=budget_s, max_steps=max_steps, seed=seed)
    name = policy if isinstance(policy, str) else type(policy).__name__
    return in_words(result, todo, unassigned, ScheduleBasis(problem, name, weights))


def check_limits(budget_s: float, max_steps: int | None, seed: int = 0) -> None:
    """Raise PlanError where the improvement's limits or its seed are none."""
    if not isinstance(budget_s, int | float) or not 0.0 <= budget_s < math.inf:
        raise PlanError(f"a budget of {budget_s} seconds is none", hint="give a finite number of seconds, 0 or more")
    if max_steps is not None and (not isinstance(max_steps, int) or max_steps < 0):
        raise PlanError(f"{max_steps} steps are none", hint="give a number of steps, 0 or more, or None")
    if not isinstance(seed, int):
        raise PlanError(f"{seed!r} is no seed", hint="give a whole number")


def nobody_for(problem: Problem) -> dict[int, str]:
    """Return what nobody may do, by position, with the reason; what depends on it comes along."""
    reasons: dict[int, str] = {}
    subtasks, before = problem.net.subtasks, problem.net.before
    for task in problem.net.order:
        if task in problem.running:
            continue
        if reasons and (lost := next((one for one in before[task] if one in reasons), None)) is not None:
            reasons[task] = f"depends on {subtasks[lost].id!r}, which is unassigned"
        if not problem.able[problem.demand[task]] or (problem.excluded[task] and not _is_anybody_left(problem, task)):
            reasons[task] = why_unassigned(subtasks[task], problem.members)
    return reasons


def _is_anybody_left(problem: Problem, task: int) -> bool:
    able, excluded = problem.able[problem.demand[task]], problem.excluded[task]
    return any(member not in excluded for number in bits(able) for member in problem.profiles[number])


def in_words(result: Result, todo: Iterable[int], unassigned: dict[int, str], basis: ScheduleBasis) -> Schedule:
    """Put the result into the vocabulary's words, assignments in the order of their start."""
    problem = basis.problem
    subtasks, members, start, effort = problem.net.subtasks, problem.members, result.start, problem.effort
    rows = (  # one at a time, which takes less memory
        {
            "subtask_id": subtasks[task].id,
            "member_id": members[result.member[task]].id,
            "start": start[task],
            "finish": start[task] + effort[task],
        }
        for task in sorted(sorted([*problem.running, *todo]), key=start.__getitem__)
    )
    return Schedule.model_construct(
        assignments=_ASSIGNMENTS.validate_python(rows),
        makespan=result.makespan,
        critical_path=problem.net.critical_path(),
        unassigned=[
            Unassigned(subtask_id=subtasks[task].id, reason=reason) for task, reason in sorted(unassigned.items())
        ],
    ).based_on(basis)
