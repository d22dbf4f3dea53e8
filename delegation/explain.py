"""Why a schedule is as it is, worked out when somebody asks: the pass itself keeps no reasons."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf

from delegation.bounds import lower_bound
from delegation.dispatch import Result
from delegation.eligibility import is_specialist, role_distance
from delegation.errors import PlanError
from delegation.objective import Objective
from delegation.plan import Assignment, Schedule
from delegation.problem import Problem, bits
from delegation.reasons import Alternative, Bar, Candidate, Explanation, Report, Weights
from delegation.windows import Span

__all__ = ["ScheduleBasis"]

_ALTERNATIVES = 2
_SAME = 1e-9  # hours that are no difference


@dataclass(frozen=True)
class ScheduleBasis:
    """The problem that a schedule solves, by what policy and weights, and who had what ``before``, by position."""

    problem: Problem
    policy: str
    weights: Weights
    before: Mapping[int, int] = field(default_factory=dict)

    @property
    def elsewhere(self) -> Sequence[Span]:
        """When members were taken by other work."""
        return self.problem.elsewhere

    def explain(self, schedule: Schedule, subtask_id: str) -> Explanation:
        """Say why the subtask is with whom it is, or with nobody; PlanError where there is no such subtask."""
        if (lost := next((one for one in schedule.unassigned if one.subtask_id == subtask_id), None)) is not None:
            return Explanation(subtask_id=subtask_id, chosen=None, text=f"{subtask_id} is unassigned: {lost.reason}.")
        assignment, task = schedule.of(subtask_id), self.problem.net.index.get(subtask_id)
        if assignment is None or task is None:
            raise PlanError(f"subtask {subtask_id!r} is not in this schedule", hint="ask for one that is planned in it")
        if task in self.problem.running:
            text = (
                f"{subtask_id} is at work with {assignment.member_id}, and stays there until {_h(assignment.finish)}."
            )
            return Explanation(subtask_id=subtask_id, chosen=assignment.member_id, text=text)
        candidates = self._candidates(schedule, task, assignment)
        reasons = self._alternatives(candidates, task, assignment)
        return Explanation(
            subtask_id=subtask_id,
            chosen=assignment.member_id,
            candidates=candidates,
            alternatives=reasons,
            text=self._told(assignment, candidates, reasons),
        )

    def report(self, schedule: Schedule) -> Report:
        """Return what the schedule costs, part by part."""
        net = self.problem.net
        member, start = [-1] * len(net.subtasks), [0.0] * len(net.subtasks)
        number = {one.id: position for position, one in enumerate(self.problem.members)}
        for one in schedule.assignments:
            member[net.index[one.subtask_id]] = number[one.member_id]
            start[net.index[one.subtask_id]] = one.start
        todo = [task for task in net.order if member[task] >= 0 and task not in self.problem.running]
        result = Result(todo, member, start, schedule.makespan)
        objective = Objective(self.problem, todo, self.weights, self.before)
        deadlines = ((one, net.subtasks[net.index[one.subtask_id]].deadline) for one in schedule.assignments)
        return Report(
            cost=objective.cost(result),
            makespan=schedule.makespan,
            lower_bound=lower_bound(self.problem, todo),
            lateness=objective.lateness(result),
            balance=objective.balance(result),
            moved=objective.moved(result),
            late=[one.subtask_id for one, due in deadlines if due is not None and one.finish > due + _SAME],
            weights=self.weights,
        )

    def bars(self, schedule: Schedule) -> Sequence[Bar]:
        """Return the schedule as rows of a chart."""
        net, members = self.problem.net, {one.id: one for one in self.problem.members}
        critical = set(schedule.critical_path)
        return [
            Bar(
                subtask_id=one.subtask_id,
                title=net.subtasks[net.index[one.subtask_id]].title,
                member_id=one.member_id,
                member=members[one.member_id].name,
                role=members[one.member_id].role,
                start=one.start,
                finish=one.finish,
                is_critical=one.subtask_id in critical,
                priority=net.subtasks[net.index[one.subtask_id]].priority,
            )
            for one in schedule.assignments
        ]

    def _candidates(self, schedule: Schedule, task: int, chosen: Assignment) -> list[Candidate]:
        problem, subtask = self.problem, self.problem.net.subtasks[task]
        others: dict[str, list[Assignment]] = defaultdict(list)
        for one in schedule.assignments:
            if one.subtask_id != subtask.id:
                others[one.member_id].append(one)
        at = {one.subtask_id: one.finish for one in schedule.assignments}
        ready = max((at[one] for one in subtask.depends_on if one in at), default=0.0)
        found = []
        for position in _able(problem, task):
            member = problem.members[position]
            own = [one for one in others[member.id] if problem.net.index[one.subtask_id] not in problem.running]
            hours = sum(one.finish - one.start for one in others[member.id])
            is_chosen = member.id == chosen.member_id
            best = _earliest(problem, position, own, ready, problem.effort[task])
            found.append(
                Candidate(
                    member_id=member.id,
                    chosen=is_chosen,
                    stand_in=role_distance(member.role, subtask.role) or 0,
                    specialist=is_specialist(member, subtask),
                    skills={name: member.skills[name] for name in subtask.skills},
                    hours=hours + (subtask.effort if is_chosen else 0.0),
                    finish=min(best, chosen.finish) if is_chosen else best,
                )
            )
        return sorted(found, key=lambda one: (not one.chosen, one.finish, one.stand_in, not one.specialist, one.hours))

    def _alternatives(self, candidates: list[Candidate], task: int, chosen: Assignment) -> list[Alternative]:
        if not candidates or not candidates[0].chosen:
            return []  # somebody changed the schedule by hand, to a member who may not do it
        return [
            Alternative(member_id=one.member_id, reason=self._why_not(one, candidates[0], task, chosen))
            for one in candidates[1 : 1 + _ALTERNATIVES]
        ]

    def _why_not(self, one: Candidate, best: Candidate, task: int, chosen: Assignment) -> str:
        """Say why the candidate lost, from the part that weighs most to the one that settles ties."""
        who, asked = chosen.member_id, self.problem.net.subtasks[task].role
        late = one.finish - chosen.finish
        reasons = []
        if self.before.get(task) == self._number(who):
            reasons.append(f"{who} had it before")
        if late > _SAME:
            reasons.append(f"it could finish at {_h(one.finish)} at best, {_h(late)} later")
        if late < -_SAME:
            reasons.append(f"it could finish at {_h(one.finish)}, {_h(-late)} earlier, {self._why_not_earlier()}")
        if one.stand_in > best.stand_in:
            reasons.append(f"it would stand in for the {asked}, and {who} is nearer to that role")
        if best.specialist and not one.specialist:
            reasons.append(f"{who} is a specialist for it")
        if not reasons and self._rank(one.member_id) > self._rank(who):
            reasons.append("it is wanted more for other work")
        if one.hours > best.hours - chosen.finish + chosen.start + _SAME:
            reasons.append(
                f"it has {_h(one.hours)} of other work, {who} {_h(best.hours - chosen.finish + chosen.start)}"
            )
        return "; ".join(reasons) or "it is as good; the order of the squad or of the search decided"

    def _why_not_earlier(self) -> str:
        if self.policy != "critical_path":
            return f"which the policy {self.policy} does not look at"
        return "which was given up for the plan as a whole"

    def _told(self, chosen: Assignment, candidates: list[Candidate], reasons: list[Alternative]) -> str:
        able = ", ".join(one.member_id for one in candidates[:_NAMED])
        if len(candidates) > _NAMED:
            able += f" and {len(candidates) - _NAMED} more"
        who = f"{chosen.subtask_id} goes to {chosen.member_id}, from {_h(chosen.start)} to {_h(chosen.finish)}"
        if len(candidates) == 1:
            return f"{who}: nobody else may do it."
        return " ".join(
            [
                f"{who}. {len(candidates)} members may do it: {able}.",
                *(f"Not {one.member_id}: {one.reason}." for one in reasons),
            ]
        )

    def _number(self, member_id: str) -> int:
        return next(number for number, one in enumerate(self.problem.members) if one.id == member_id)

    def _rank(self, member_id: str) -> int:
        """Return how much a member is wanted for all the work, as its profile's number."""
        member = self._number(member_id)
        return next(number for number, group in enumerate(self.problem.profiles) if member in group)


_NAMED = 8  # so many of those who may do it are named in words


def _able(problem: Problem, task: int) -> Iterable[int]:
    for number in bits(problem.able[problem.demand[task]]):
        yield from (one for one in problem.profiles[number] if one not in problem.excluded[task])


def _earliest(problem: Problem, member: int, own: list[Assignment], ready: float, effort: float) -> float:
    """Return the earliest finish that leaves the member's other work where it is.

    Hands are alike, so it is enough that at each moment one is free: their number is counted along the time.
    """
    changes: list[tuple[float, int]] = []
    for lane in problem.lanes:
        if lane.member == member:
            for opens, closes in lane.windows:
                changes += [(opens, 1), (closes, -1)]
    for one in own:
        if one.finish > one.start:
            changes += [(one.start, -1), (one.finish, 1)]
    free, since = 0, inf
    steps: dict[float, int] = defaultdict(int)
    for moment, change in changes:
        steps[moment] += change
    for moment in sorted(steps):
        if free > 0 and max(since, ready) + effort <= moment:
            return max(since, ready) + effort
        was_free = free > 0
        free += steps[moment]
        if free > 0 and not was_free:
            since = moment
    return inf  # not reached: the last window is endless


def _h(hours: float) -> str:
    return f"{round(hours, 2):g} h"
