"""A new schedule for the rest when reality differs from the old one: what runs stays, few subtasks change hands."""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

from delegation.bounds import lower_bound
from delegation.dispatch import Result
from delegation.errors import PlanError
from delegation.explain import ScheduleBasis
from delegation.insertion import fill_gaps, ranked
from delegation.json_values import listed
from delegation.objective import Objective
from delegation.plan import Schedule, Subtask, SubtaskId, Unassigned
from delegation.policies import policy_of
from delegation.problem import Problem, build
from delegation.reasons import Weights
from delegation.schedule import in_words, nobody_for
from delegation.squad import MemberId, SquadMember
from delegation.task import PRIORITY_WEIGHT
from delegation.windows import Span

__all__ = ["Change", "Progress", "Replan", "Running", "replan"]

_WEIGHTS = Weights()
_ROUNDS = 3  # how often what holds the plan up is freed from its member
_AFRESH = 0.5
"""A plan that is made without regard to who had what gives at least so much of it to others, by all experience."""

_WAITING = 0.5
"""An hour for which one subtask waits counts half of what all would count if they ended an hour later."""


class Running(BaseModel):
    """A subtask at work: with whom, and how many hours are left of it by what is known now."""

    model_config = ConfigDict(frozen=True)

    subtask_id: SubtaskId
    member_id: MemberId
    remaining: float = Field(ge=0.0, allow_inf_nan=False)


class Progress(BaseModel):
    """How things stand now, as far as the plan does not say it."""

    model_config = ConfigDict(frozen=True)

    done: tuple[SubtaskId, ...] = Field(default=(), description="What is finished.")
    running: tuple[Running, ...] = ()
    cancelled: tuple[SubtaskId, ...] = Field(
        default=(), description="What is not wanted any more; nothing waits for it."
    )
    blocked: dict[SubtaskId, str] = Field(default={}, description="What waits for an answer, with the reason.")
    efforts: dict[SubtaskId, float] = Field(
        default={}, description="New estimates in hours, of the whole work, for what has not begun."
    )


class Change(BaseModel):
    """A subtask that changes hands. ``forced``: whoever had it is not there any more, or may not do it."""

    model_config = ConfigDict(frozen=True)

    subtask_id: str
    before: str
    after: str
    forced: bool


class Replan(BaseModel):
    """The new schedule, and what changes hands by it."""

    model_config = ConfigDict(frozen=True)

    schedule: Schedule
    changes: list[Change] = []


def replan(
    subtasks: Iterable[Subtask],
    members: Iterable[SquadMember],
    previous: Schedule,
    progress: Progress = Progress(),  # noqa: B008 - frozen
    *,
    busy: Iterable[Span] = (),
    weights: Weights = _WEIGHTS,
) -> Replan:
    """Schedule the rest from now on; what is running stays where it is, and what waits for it begins after it.

    What runs is part of the new schedule, from 0 to the hours that are left. A member that is not among ``members`` has
    dropped out: what ran there is begun anew, whole, by somebody else. What is blocked is listed under ``unassigned``
    with its reason, and so is what depends on it. How much a change of hands counts is ``weights.stability``.

    Args:
        subtasks: The plan as it is now, new subtasks included, finished and cancelled ones too.
        members: Who is there now; their times, as all times, are in hours from now.
        previous: Who was to do what; of its times only the order counts.
        progress: What is done, running, cancelled, blocked or takes other than was thought.
        busy: See ``schedule``.
        weights: How much changes of hands, lateness and balance count beside the makespan.

    Raises:
        PlanError: see ``schedule``; also where the progress contradicts itself or names what is not in the plan.
    """
    plan, squad = listed(subtasks, Subtask), listed(members, SquadMember)
    for given, kind in ((previous, Schedule), (progress, Progress), (weights, Weights)):
        if not isinstance(given, kind):
            raise PlanError(
                f"a {type(given).__name__} stands where a {kind.__name__} should", hint=f"give a {kind.__name__}"
            )
    _check(plan, progress)
    there = {member.id for member in squad}
    running = {one.subtask_id: one for one in progress.running if one.member_id in there}
    lost = _blocked(plan, progress, running.keys())
    rest = _rest(plan, progress, running, lost)
    problem = build(rest, squad, busy, {one: at_work.member_id for one, at_work in running.items()})
    nobody = nobody_for(problem)
    todo = [task for task in problem.net.order if task not in nobody and task not in problem.running]
    had = _had(problem, todo, previous, progress)
    objective = Objective(problem, todo, weights, had.before)
    result = _cheapest(problem, todo, had, objective)
    schedule = in_words(result, todo, nobody, ScheduleBasis(problem, "critical_path", weights, had.before))
    waiting = [Unassigned(subtask_id=one, reason=reason) for one, reason in lost.items()]
    schedule = schedule.model_copy(update={"unassigned": [*schedule.unassigned, *waiting]})
    return Replan(schedule=schedule, changes=_changes(problem, result, todo, had))


def _check(plan: Sequence[Subtask], progress: Progress) -> None:
    """Check that the progress names each subtask of the plan in one place at most."""
    known = {subtask.id for subtask in plan}
    seen: dict[str, str] = {}
    places: list[tuple[str, Iterable[str]]] = [
        ("done", progress.done),
        ("running", [one.subtask_id for one in progress.running]),
        ("cancelled", progress.cancelled),
        ("blocked", progress.blocked),
    ]
    for place, ids in places:
        for one in ids:
            if one in seen:
                both = f"is {place} twice" if seen[one] == place else f"is said to be {seen[one]} and {place}"
                raise PlanError(f"subtask {one!r} {both}", hint="say of each subtask once how it stands")
            seen[one] = place
    if unknown := sorted({*seen, *progress.efforts} - known):
        raise PlanError(
            f"subtask {unknown[0]!r} is not in the plan", hint="give the whole plan, finished work included"
        )


def _blocked(plan: Sequence[Subtask], progress: Progress, running: AbstractSet[str]) -> dict[str, str]:
    """Return what cannot go on, with the reason: what is blocked, and all that waits for it."""
    settled = {*progress.done, *progress.cancelled, *running}
    after: dict[str, list[str]] = {}
    for subtask in plan:
        for one in subtask.depends_on:
            after.setdefault(one, []).append(subtask.id)
    lost = {one: f"is blocked: {reason}" for one, reason in progress.blocked.items()}
    queue = list(lost)
    for one in queue:  # grows while it is walked
        for following in after.get(one, ()):
            if following not in lost and following not in settled:
                lost[following] = f"waits for {one!r}, which {'is blocked' if one in progress.blocked else 'waits'}"
                queue.append(following)
    return lost


def _rest(
    plan: Sequence[Subtask], progress: Progress, running: Mapping[str, Running], lost: Mapping[str, str]
) -> list[Subtask]:
    """Return what is left to do, with what is known now: without dependencies on what is over."""
    over = {*progress.done, *progress.cancelled}
    rest = []
    for subtask in plan:
        if subtask.id in over or subtask.id in lost:
            continue
        if (at_work := running.get(subtask.id)) is not None:
            changed: dict[str, object] = {"effort": at_work.remaining, "depends_on": []}
        else:
            effort = progress.efforts.get(subtask.id, subtask.effort)
            changed = {"effort": effort, "depends_on": [one for one in subtask.depends_on if one not in over]}
        rest.append(subtask.model_copy(update=changed))
    return rest


@dataclass(frozen=True, slots=True)
class _Had:
    """How the rest was planned before, by position: by whose id, by which member that is there, in which order."""

    member: dict[int, str]
    before: dict[int, int]
    keeps: dict[int, int]  # where that member may go on with it
    place: Mapping[int, tuple[float, ...]]


def _had(problem: Problem, todo: Sequence[int], previous: Schedule, progress: Progress) -> _Had:
    number = {member.id: position for position, member in enumerate(problem.members)}
    able = {
        demand: {who for at, group in enumerate(problem.profiles) if mask >> at & 1 for who in group}
        for demand, mask in enumerate(problem.able)
    }
    old = {one.subtask_id: one for one in previous.assignments}
    ids = {task: problem.net.subtasks[task].id for task in todo}
    owners = {task: old[one].member_id for task, one in ids.items() if one in old}
    # What ran with somebody who dropped out may have been handed over since the old schedule was made.
    ran = {one.subtask_id: one.member_id for one in progress.running}
    owners |= {task: ran[one] for task, one in ids.items() if one in ran}
    before = {task: number.get(who, -1) for task, who in owners.items()}
    keeps = {
        task: who
        for task, who in before.items()
        if who >= 0 and who in able[problem.demand[task]] and who not in problem.excluded[task]
    }
    end = max((one.finish for one in previous.assignments), default=0.0)
    place = {task: (old[one].start if one in old else end - problem.net.path[task],) for task, one in ids.items()}
    return _Had(owners, before, keeps, place)


def _cheapest(problem: Problem, todo: Sequence[int], had: _Had, objective: Objective) -> Result:
    """Return the cheapest of a few: all keep their members, what holds the plan up is freed, or everything is."""
    path = {task: (-problem.net.path[task], -PRIORITY_WEIGHT[problem.net.subtasks[task].priority]) for task in todo}
    orders = [ranked(problem, todo, had.place), ranked(problem, todo, path)]
    kept = [fill_gaps(problem, order, had.keeps, had.keeps) for order in orders]
    best = min(kept, key=objective.cost)
    least = objective.cost(best)
    order = orders[kept.index(best)]
    freed: AbstractSet[int] = frozenset()
    for _ in range(_ROUNDS):
        freed = freed | (_bottleneck(problem, best, todo) & had.keeps.keys())
        keeps = {task: who for task, who in had.keeps.items() if task not in freed}
        if len(keeps) == len(had.keeps):
            break
        result = fill_gaps(problem, order, keeps, had.keeps)
        if objective.cost(result) >= least:
            break
        best, least = result, objective.cost(result)
    if least > lower_bound(problem, todo) * (1.0 + _AFRESH * objective.weights.stability):
        free = policy_of("critical_path")(problem, todo, objective)
        best = free if objective.cost(free) < least else best
    return _unhindered(problem, todo, best, had, objective.weights.stability)


def _unhindered(problem: Problem, todo: Sequence[int], best: Result, had: _Had, stability: float) -> Result:
    """Return the result with what waits long for its member, or misses its deadline by that, given to others.

    The end of the plan does not show that something waits in vain. So a change of hands is made for it, too, where that
    saves much, and no end is later by it.
    """
    order = ranked(problem, todo, {task: (best.start[task],) for task in todo})
    with_whom = {task: best.member[task] for task in todo}
    patience = _WAITING * stability * best.makespan
    result = fill_gaps(problem, order, with_whom, had.keeps, patience)
    is_better = result.makespan <= best.makespan and _in_vain(problem, todo, result) < _in_vain(problem, todo, best)
    return result if is_better and result.member != best.member else best


def _in_vain(problem: Problem, todo: Sequence[int], result: Result) -> tuple[float, float]:
    """Return the hours after deadlines and those until the subtasks begin, all together."""
    late = 0.0
    for task in todo:
        if (due := problem.net.subtasks[task].deadline) is not None:
            late += max(result.start[task] + problem.effort[task] - due, 0.0)
    return round(late, 6), sum(result.start[task] for task in todo)


def _bottleneck(problem: Problem, result: Result, todo: Sequence[int]) -> set[int]:
    """Return the subtasks that leave the last one no earlier end: each begins when one of them ends, up to now."""
    finish = {task: result.start[task] + problem.effort[task] for task in todo}
    ends: dict[tuple[int, float], list[int]] = {}
    for task in todo:
        ends.setdefault((result.member[task], finish[task]), []).append(task)
    walk = [task for task in todo if finish[task] >= result.makespan]
    tight = set(walk)
    for task in walk:  # grows while it is walked
        begin = result.start[task]
        earlier = [one for one in problem.net.before[task] if finish.get(one, -1.0) == begin]
        for one in (*earlier, *ends.get((result.member[task], begin), ())):
            if one not in tight:
                tight.add(one)
                walk.append(one)
    return tight


def _changes(problem: Problem, result: Result, todo: Sequence[int], had: _Had) -> list[Change]:
    ids = [member.id for member in problem.members]
    changes = []
    for task in sorted(todo):
        before, after = had.member.get(task), ids[result.member[task]]
        if before is not None and before != after:
            subtask_id = problem.net.subtasks[task].id
            changes.append(Change(subtask_id=subtask_id, before=before, after=after, forced=task not in had.keeps))
    return changes
