"""The project manager's check of a proposed schedule: complete, allowed, in order, balanced, reviewed by another."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from delegation import Approval, Assignment, Plan, Role, Schedule, SquadMember, Subtask
from delegation.deadlines import lateness_told
from delegation.eligibility import fits, shortfall

__all__ = ["approval_of"]

_HEAVY_SHARE = 0.6
_FEW = 3
_TOLERANCE = 1e-6


def approval_of(proposal: Schedule, plan: Plan, members: Sequence[SquadMember]) -> Approval:
    """Approve a proposal, swap who would review their own work where that costs nothing, or refuse it with reasons."""
    by_id = {member.id: member for member in members}
    wrong = [*_incomplete(proposal, plan), *_not_allowed(proposal, plan, by_id), *_out_of_order(proposal, plan)]
    if wrong:
        return Approval(approved=False, reasons=wrong, schedule=proposal)
    schedule, swaps = _without_own_review(proposal, plan, members)
    reasons = [
        f"All {len(plan.subtasks)} subtasks are assigned to members who may do them, each after what it depends on.",
        *swaps,
        *_load(schedule, by_id),
        *([late] if (late := lateness_told(schedule, plan)) else []),
        *_single_points(plan, members),
    ]
    return Approval(approved=True, reasons=reasons, schedule=schedule)


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


def _without_own_review(proposal: Schedule, plan: Plan, members: Sequence[SquadMember]) -> tuple[Schedule, list[str]]:
    """Take work off the reviewer, where another member who may do it is free at that time; else say that it stays."""
    leads = [member.id for member in members if member.role is Role.TECH_LEAD]
    if len(leads) != 1:
        return proposal, []
    assignments, said = list(proposal.assignments), []
    for index, assignment in enumerate(assignments):
        if assignment.member_id != leads[0]:
            continue
        subtask = plan.subtask(assignment.subtask_id)
        others = [
            one for one in members if one.id != leads[0] and fits(one, subtask) and _free(one, assignment, assignments)
        ]
        if others:
            assignments[index] = assignment.model_copy(update={"member_id": others[0].id})
            said.append(f"{subtask.id} goes to {others[0].id} instead of {leads[0]}, who reviews it.")
        else:
            said.append(
                f"{leads[0]} works on {subtask.id} and also reviews it: nobody else who may do it is free then."
            )
    return proposal.model_copy(update={"assignments": assignments}), said


def _free(member: SquadMember, wanted: Assignment, assignments: Iterable[Assignment]) -> bool:
    """Say whether the member has room for the whole span; overlaps are counted as if they were all at once."""
    if wanted.start < member.available_from:
        return False
    overlapping = [
        one
        for one in assignments
        if one.member_id == member.id and one.start < wanted.finish and wanted.start < one.finish
    ]
    return len(overlapping) < member.capacity


def _load(schedule: Schedule, members: dict[str, SquadMember]) -> Iterable[str]:
    hours: dict[str, float] = defaultdict(float)
    for assignment in schedule.assignments:
        hours[assignment.member_id] += assignment.finish - assignment.start
    total = sum(hours.values())
    shown = ", ".join(f"{member_id} {hours[member_id]:g} h" for member_id in members if member_id in hours)
    yield f"Load: {shown or 'none'}; {total:g} h in all, done after {schedule.makespan:g} h."
    if len(schedule.assignments) >= _FEW:
        for member_id, own in hours.items():
            if own > _HEAVY_SHARE * total:
                yield f"{member_id} carries {own / total:.0%} of the hours; the plan depends on that member."


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
