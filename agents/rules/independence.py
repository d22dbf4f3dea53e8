"""Nobody reviews or tests their own work where another may do it: swaps, and a new schedule where need be."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from agents.rules.occupancy import Occupancy
from delegation import Assignment, DelegationEngine, Plan, Progress, Role, Schedule, SquadMember, Subtask, SubtaskKind
from delegation.eligibility import fits, is_specialist, role_distance

__all__ = ["made_independent"]

_ROUNDS = 3
"""How often the rest of a schedule is made anew: who takes work over may be the one that tests it."""

_MOST_SAID = 20


@dataclass(frozen=True)
class _Clash:
    """A subtask that is with somebody who should not have it: with whom it should not be, and why, in words.

    ``must_move`` says that it goes to another even where the end moves by that.
    """

    assignment: Assignment
    subtask: Subtask
    barred: frozenset[str]
    why: str
    stays: str
    must_move: bool


def made_independent(proposal: Schedule, plan: Plan, members: Sequence[SquadMember]) -> tuple[Schedule, list[str]]:
    """Return the schedule with nobody reviewing or testing what it did itself, as far as may be, and what was changed.

    The squad's only tech lead reviews what the others do, and a test is for somebody who made nothing of what it tests.
    Work goes to somebody who is free in its hours, which moves nothing else. Where nobody is, what the lead only stands
    in for and what is a test go to somebody else all the same: then the schedule is made anew around that.
    """
    schedule, said = _swapped(proposal, plan, members)
    barred = _spared(plan, members)
    for _ in range(_ROUNDS):
        moving = [one for one in _clashes(schedule, plan, members) if one.must_move and _others(one, members)]
        if not moving:
            break
        before = schedule
        barred |= {one.subtask.id: barred.get(one.subtask.id, frozenset()) | one.barred for one in moving}
        schedule = _remade(schedule, proposal, plan, members, barred)
        said += _told(moving, before, schedule)
        schedule, more = _swapped(schedule, plan, members)
        said += more
    said += [_staying(one, members) for one in _clashes(schedule, plan, members)]
    untold = len(said) - _MOST_SAID
    return schedule, [*said[:_MOST_SAID], f"So it is {untold} more times."] if untold > 0 else said


def _spared(plan: Plan, members: Sequence[SquadMember]) -> dict[str, frozenset[str]]:
    """Return what the only lead is spared where a schedule is made anew: all that it would stand in for."""
    leads = frozenset(member.id for member in members if member.role is Role.TECH_LEAD)
    others = [member for member in members if member.id not in leads]
    spared = [one.id for one in plan.subtasks if one.role is not Role.TECH_LEAD and any(fits(m, one) for m in others)]
    return dict.fromkeys(spared, leads) if len(leads) == 1 else {}


def _staying(clash: _Clash, members: Sequence[SquadMember]) -> str:
    free = " who may do it is free then" if _others(clash, members) else " may do it"
    return f"{clash.stays}: nobody else{free}."


def _clashes(schedule: Schedule, plan: Plan, members: Sequence[SquadMember]) -> list[_Clash]:
    by_id = {subtask.id: subtask for subtask in plan.subtasks}
    given = {one.subtask_id: one for one in schedule.assignments}
    return [*_own_reviews(given, by_id, members), *_own_tests(given, by_id)]


def _own_reviews(
    given: Mapping[str, Assignment], by_id: Mapping[str, Subtask], members: Sequence[SquadMember]
) -> Iterable[_Clash]:
    leads = [member.id for member in members if member.role is Role.TECH_LEAD]
    if len(leads) != 1:
        return  # nobody reviews, or the other one does
    (lead,), writers = leads, {one.member_id for one in given.values()}
    instead = [one.id for one in members if one.id not in writers and role_distance(one.role, Role.TECH_LEAD)]
    review = f", so that {instead[0]} reviews it" if instead else " and also reviews it"
    for assignment in given.values():
        if assignment.member_id == lead:
            subtask = by_id[assignment.subtask_id]
            yield _Clash(
                assignment,
                subtask,
                frozenset(leads),
                f"{lead}, who reviews it",
                f"{lead} works on {subtask.id}{review}",
                must_move=subtask.role is not Role.TECH_LEAD,
            )


def _own_tests(given: Mapping[str, Assignment], by_id: Mapping[str, Subtask]) -> Iterable[_Clash]:
    for assignment in given.values():
        subtask = by_id[assignment.subtask_id]
        if subtask.kind is not SubtaskKind.TEST:
            continue
        made = {one: given[one].member_id for one in _tested(subtask, by_id) if one in given}
        if own := [one for one, who in made.items() if who == assignment.member_id]:
            tester, what = assignment.member_id, ", ".join(own)
            yield _Clash(
                assignment,
                subtask,
                frozenset(made.values()),
                f"{tester}, who does {what}, which it tests",
                f"{tester} does {what} and also tests it with {subtask.id}",
                must_move=True,
            )


def _tested(test: Subtask, by_id: Mapping[str, Subtask]) -> list[str]:
    """Return the ids of the implementations that the test comes after."""
    found, ahead = dict.fromkeys(test.depends_on), list(test.depends_on)
    for one in ahead:  # grows while it is walked
        for earlier in by_id[one].depends_on:
            if earlier not in found:
                found[earlier] = None
                ahead.append(earlier)
    return [one for one in found if by_id[one].kind is SubtaskKind.IMPLEMENTATION]


def _others(clash: _Clash, members: Iterable[SquadMember]) -> list[SquadMember]:
    return [one for one in members if one.id not in clash.barred and fits(one, clash.subtask)]


def _swapped(schedule: Schedule, plan: Plan, members: Sequence[SquadMember]) -> tuple[Schedule, list[str]]:
    """Give what clashes to somebody who is free in the same hours; whoever tests it comes last."""
    occupancy, said = Occupancy(schedule, members), []
    given = {one.subtask_id: one for one in schedule.assignments}
    for clash in _clashes(schedule, plan, members):
        assignment, subtask = given[clash.assignment.subtask_id], clash.subtask
        if assignment.member_id not in clash.barred:
            continue  # it has been swapped for another reason
        free = [one for one in _others(clash, members) if occupancy.is_free(one, assignment.start, assignment.finish)]
        if not free:
            continue
        chosen = _best(free, subtask, occupancy)
        given[subtask.id] = occupancy.move(assignment, chosen.id)
        said.append(f"{subtask.id} goes to {chosen.id} instead of {clash.why}.")
    return schedule.model_copy(update={"assignments": list(given.values())}) if said else schedule, said


def _best(free: Iterable[SquadMember], subtask: Subtask, occupancy: Occupancy) -> SquadMember:
    def rank(one: SquadMember) -> tuple[int, bool, float]:
        distance = role_distance(one.role, subtask.role) or 0
        return distance, not is_specialist(one, subtask), occupancy.hours(one.id) / one.capacity

    return min(free, key=rank)


def _remade(
    schedule: Schedule,
    proposal: Schedule,
    plan: Plan,
    members: Sequence[SquadMember],
    barred: Mapping[str, frozenset[str]],
) -> Schedule:
    """Return a schedule in which nobody does what is barred; what need not change hands does not."""
    subtasks = [
        one.model_copy(update={"excluded": [*one.excluded, *sorted(barred[one.id])]}) if one.id in barred else one
        for one in plan.subtasks
    ]
    return DelegationEngine().replan(subtasks, members, schedule, Progress(), busy=proposal.elsewhere).schedule


def _told(moving: Iterable[_Clash], before: Schedule, after: Schedule) -> Iterable[str]:
    ends = f"the end moves from {before.makespan:g} h to {after.makespan:g} h"
    if abs(after.makespan - before.makespan) < 0.01:  # hours, as they are shown
        ends = "the end stays where it was"
    for one in moving:
        now = after.of(one.subtask.id)
        yield f"{one.subtask.id} goes to {now.member_id if now else 'nobody'} instead of {one.why}; {ends}."
