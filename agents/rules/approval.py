"""The project manager's check of a proposed schedule: complete, allowed, in order, balanced, reviewed by another."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from agents.rules.independence import made_independent
from agents.rules.occupancy import Occupancy
from delegation import Approval, Plan, Schedule, SquadMember, Subtask
from delegation.deadlines import lateness_told
from delegation.eligibility import fits, shortfall

__all__ = ["approval_of", "faults_of"]

_HEAVY_SHARE = 0.6
_FEW = 3
_TOLERANCE = 1e-6


def approval_of(proposal: Schedule, plan: Plan, members: Sequence[SquadMember]) -> Approval:
    """Approve a proposal, give to others what its author would review or test, or refuse it with reasons.

    What members do elsewhere is known from what the schedule was made around; of one without a basis nothing is.
    """
    if wrong := faults_of(proposal, plan, members):
        return Approval(approved=False, reasons=wrong, schedule=proposal)
    schedule, swaps = made_independent(proposal, plan, members)
    reasons = [
        f"All {len(plan.subtasks)} subtasks are assigned to members who may do them, each after what it depends on.",
        *swaps,
        *_load(schedule, members),
        *([late] if (late := lateness_told(schedule, plan)) else []),
        *_single_points(plan, members),
    ]
    return Approval(approved=True, reasons=reasons, schedule=schedule)


def faults_of(schedule: Schedule, plan: Plan, members: Sequence[SquadMember]) -> list[str]:
    """Return why nobody may approve a schedule, whoever asks: it is incomplete, not allowed, out of order, too much."""
    by_id = {member.id: member for member in members}
    return [
        *_incomplete(schedule, plan),
        *_not_allowed(schedule, plan, by_id),
        *_out_of_order(schedule, plan),
        *Occupancy(schedule, members).faults(),
    ]


def _incomplete(proposal: Schedule, plan: Plan) -> Iterable[str]:
    count = Counter(assignment.subtask_id for assignment in proposal.assignments)
    nobody = {one.subtask_id: one.reason for one in proposal.unassigned}
    for subtask in plan.subtasks:
        if subtask.id in nobody:
            yield f"Nobody may do {subtask.id}: {nobody[subtask.id]}."
        elif count[subtask.id] != 1:
            yield f"{subtask.id} is assigned {count[subtask.id]} times; each subtask has to be assigned once."
    for unknown in sorted(count.keys() - {subtask.id for subtask in plan.subtasks}):
        yield f"The proposal assigns {unknown}, which is not in the plan."


def _not_allowed(proposal: Schedule, plan: Plan, members: dict[str, SquadMember]) -> Iterable[str]:
    subtasks = {subtask.id: subtask for subtask in plan.subtasks}
    for assignment in proposal.assignments:
        member, subtask = members.get(assignment.member_id), subtasks.get(assignment.subtask_id)
        if member is None:
            yield f"{assignment.subtask_id} is assigned to {assignment.member_id}, who is not in the squad."
        elif subtask is not None and (why := shortfall(member, subtask)):
            yield f"{assignment.member_id} may not do {subtask.id}: {why}."


def _out_of_order(proposal: Schedule, plan: Plan) -> Iterable[str]:
    at = {assignment.subtask_id: assignment for assignment in proposal.assignments}
    for subtask in plan.subtasks:
        for earlier in subtask.depends_on:
            if subtask.id in at and earlier in at and at[subtask.id].start < at[earlier].finish - _TOLERANCE:
                yield f"{subtask.id} would start before {earlier}, which it depends on, is done."


def _load(schedule: Schedule, members: Sequence[SquadMember]) -> Iterable[str]:
    occupancy = Occupancy(schedule, members)
    hours = {one.id: own for one in members if (own := occupancy.hours(one.id)) > 0}
    total = sum(hours.values())
    shown = ", ".join(f"{one} {_h(own)}{_beside(occupancy.hours_elsewhere(one))}" for one, own in hours.items())
    yield f"Load: {shown or 'none'}; {_h(total)} in all, done after {_h(schedule.makespan)}."
    if len(schedule.assignments) >= _FEW:
        for member_id, own in hours.items():
            if own > _HEAVY_SHARE * total:
                yield f"{member_id} carries {own / total:.0%} of the hours; the plan depends on that member."


def _beside(hours: float) -> str:
    return f" (and {_h(hours)} elsewhere)" if hours > 0 else ""


def _h(hours: float) -> str:
    return f"{round(hours, 2):g} h"


def _single_points(plan: Plan, members: Sequence[SquadMember]) -> Iterable[str]:
    """Name the members without whom a subtask could not be done at all."""
    alone: dict[str, list[str]] = defaultdict(list)
    for subtask in plan.subtasks:
        if len(able := _able(subtask, members)) == 1:
            alone[able[0]].append(subtask.id)
    for member_id, subtask_ids in alone.items():
        yield f"Single point of failure: only {member_id} may do {', '.join(subtask_ids)}."


def _able(subtask: Subtask, members: Sequence[SquadMember]) -> list[str]:
    return [member.id for member in members if fits(member, subtask)]
