"""The project manager's approval: load, leave and work elsewhere, and nobody who reviews or tests its own work."""

import pytest

from agents.rules.approval import approval_of
from delegation import (
    Approval,
    Assignment,
    DelegationEngine,
    Plan,
    Role,
    Schedule,
    SquadMember,
    Subtask,
    SubtaskKind,
)

BACKEND, LEAD, TESTER = Role.BACKEND_DEVELOPER, Role.TECH_LEAD, Role.TESTER


def member(id_: str, role: Role = BACKEND, **fields: object) -> SquadMember:
    return SquadMember.model_validate({"id": id_, "name": id_, "role": role, **fields})


def sub(id_: str, effort: float = 2.0, *after: str, role: Role | None = BACKEND, **fields: object) -> Subtask:
    values = {"id": id_, "title": id_, "effort": effort, "role": role, "depends_on": list(after), **fields}
    return Subtask.model_validate(values)


def placed(plan: Plan, **given: tuple[str, float]) -> Schedule:
    """Return a schedule by hand: subtask id to member id and start."""
    assignments = [
        Assignment(subtask_id=one, member_id=who, start=start, finish=start + plan.subtask(one).effort)
        for one, (who, start) in given.items()
    ]
    return Schedule(assignments=assignments, makespan=max(one.finish for one in assignments), critical_path=[])


def who(approval: Approval) -> dict[str, str]:
    return {one.subtask_id: one.member_id for one in approval.schedule.assignments}


PAIR = Plan(subtasks=[sub("S1", 4), sub("S2", 2)])
ADA, LEA = member("ada"), member("lea", LEAD)


def test_work_goes_from_the_lead_to_who_is_free_in_its_hours() -> None:
    approval = approval_of(placed(PAIR, S1=("ada", 0), S2=("lea", 4)), PAIR, [ADA, LEA])
    assert who(approval) == {"S1": "ada", "S2": "ada"}
    assert "S2 goes to ada instead of lea, who reviews it." in approval.reasons
    assert approval.schedule.makespan == 6


@pytest.mark.parametrize(
    "other",
    [
        member("bob", leave=[(5, 9)]),
        member("bob", available_from=4.5),
        member("bob", TESTER),
    ],
)
def test_who_is_away_in_those_hours_is_not_free(other: SquadMember) -> None:
    plan = Plan(subtasks=[sub("S1", 9), sub("S2", 2)])
    eve = member("eve")
    approval = approval_of(placed(plan, S1=("ada", 0), S2=("lea", 4)), plan, [ADA, other, eve, LEA])
    assert who(approval) == {"S1": "ada", "S2": "eve"}


def test_two_hands_are_counted_at_each_moment_and_not_over_the_whole_span() -> None:
    plan = Plan(subtasks=[sub("S1", 2), sub("S2", 2), sub("S3", 4)])
    two = member("ada", capacity=2)
    one_after_another = placed(plan, S1=("ada", 0), S2=("ada", 2), S3=("lea", 0))
    assert who(approval_of(one_after_another, plan, [two, LEA]))["S3"] == "ada"
    at_once = placed(plan, S1=("ada", 1), S2=("ada", 2), S3=("lea", 0))
    approval = approval_of(at_once, plan, [two, LEA])
    assert who(approval)["S3"] == "ada"
    assert approval.schedule.of("S3") != at_once.of("S3")
    assert any("S3 goes to ada instead of lea, who reviews it; the end" in one for one in approval.reasons)


def test_who_is_taken_elsewhere_is_not_free_and_that_counts_as_load() -> None:
    bob, busy = member("bob"), [("ada", 0.0, 9.0)]
    proposal = DelegationEngine().assign(PAIR, [ADA, bob, LEA], busy=busy)
    taken = [one.model_copy(update={"member_id": "lea"}) for one in proposal.assignments if one.member_id == "lea"]
    assert taken  # ada is away, so the lead stands in
    approval = approval_of(proposal, PAIR, [ADA, bob, LEA])
    assert set(who(approval).values()) == {"bob"}
    assert "Load: bob 6 h; 6 h in all, done after 6 h." in approval.reasons
    alone = approval_of(DelegationEngine().assign(PAIR, [ADA], busy=busy), PAIR, [ADA])
    assert "Load: ada 6 h (and 9 h elsewhere); 6 h in all, done after 15 h." in alone.reasons


def test_the_lead_stands_in_for_nobody_who_could_do_it_though_the_end_moves() -> None:
    proposal = DelegationEngine().assign(PAIR, [ADA, LEA])
    assert (set(who_does(proposal).values()), proposal.makespan) == ({"ada", "lea"}, 4)
    approval = approval_of(proposal, PAIR, [ADA, LEA])
    assert set(who(approval).values()) == {"ada"}
    assert approval.schedule.makespan == 6
    assert "S2 goes to ada instead of lea, who reviews it; the end moves from 4 h to 6 h." in approval.reasons


def who_does(schedule: Schedule) -> dict[str, str]:
    return {one.subtask_id: one.member_id for one in schedule.assignments}


def test_the_lead_keeps_what_nobody_else_may_do_and_its_own_work_where_nobody_is_free() -> None:
    plan = Plan(
        subtasks=[sub("S1", 4), sub("S2", 3, role=LEAD), sub("S3", 1, role=Role.DEVOPS_ENGINEER, skills={"k": 1})]
    )
    lead = member("lea", LEAD, skills={"k": 2})
    approval = approval_of(placed(plan, S1=("ada", 0), S2=("lea", 0), S3=("lea", 3)), plan, [ADA, lead])
    assert who(approval) == {"S1": "ada", "S2": "lea", "S3": "lea"}
    assert tuple(one for one in approval.reasons if "also reviews" in one) == (
        "lea works on S2 and also reviews it: nobody else who may do it is free then.",
        "lea works on S3 and also reviews it: nobody else may do it.",
    )


def test_where_the_lead_has_to_work_a_stand_in_who_made_nothing_reviews() -> None:
    plan = Plan(subtasks=[sub("S1", 4, role=Role.DEVOPS_ENGINEER, skills={"k": 1})])
    lead = member("lea", LEAD, skills={"k": 2})
    approval = approval_of(placed(plan, S1=("lea", 0)), plan, [member("tim", TESTER), ADA, lead])
    assert "lea works on S1, so that ada reviews it: nobody else may do it." in approval.reasons


def test_of_many_changes_some_are_told() -> None:
    plan = Plan(subtasks=[sub(f"S{number}", 1) for number in range(30)])
    given = {one.id: ("lea", float(at)) for at, one in enumerate(plan.subtasks)}
    proposal = placed(plan, **given)
    approval = approval_of(proposal, plan, [ADA, LEA])
    assert set(who(approval).values()) == {"ada"}
    assert len([one for one in approval.reasons if "goes to ada instead of lea" in one]) == 20
    assert "So it is 10 more times." in approval.reasons


def test_with_two_leads_each_has_a_reviewer() -> None:
    proposal = placed(PAIR, S1=("ada", 0), S2=("lea", 4))
    approval = approval_of(proposal, PAIR, [ADA, LEA, member("max", LEAD)])
    assert approval.schedule == proposal


TESTED = Plan(
    subtasks=[
        sub("S1", 4, role=None),
        sub("D", 1, "S1", role=TESTER, kind=SubtaskKind.DOCUMENTATION),
        sub("T", 2, "D", role=None, kind=SubtaskKind.TEST),
    ]
)


def test_who_made_it_does_not_test_it_where_another_may() -> None:
    proposal = placed(TESTED, S1=("ada", 0), D=("tim", 4), T=("ada", 5))
    approval = approval_of(proposal, TESTED, [ADA, member("tim", TESTER)])
    assert who(approval) == {"S1": "ada", "D": "tim", "T": "tim"}
    assert "T goes to tim instead of ada, who does S1, which it tests." in approval.reasons


def test_a_test_waits_for_somebody_else_who_may_do_it() -> None:
    tim = member("tim", TESTER, available_from=4, leave=[(5, 9)])
    proposal = placed(TESTED, S1=("ada", 0), D=("tim", 4), T=("ada", 5))
    approval = approval_of(proposal, TESTED, [ADA, tim])
    assert who(approval)["T"] == "tim"
    assert approval.schedule.makespan == 11
    assert any("the end moves from 7 h to 11 h" in one for one in approval.reasons)


def test_who_made_it_tests_it_where_nobody_else_may() -> None:
    plan = Plan(subtasks=[sub("S1", 4), sub("T", 2, "S1", kind=SubtaskKind.TEST)])
    approval = approval_of(placed(plan, S1=("ada", 0), T=("ada", 4)), plan, [ADA])
    assert approval.approved
    assert "ada does S1 and also tests it with T: nobody else may do it." in approval.reasons


def test_who_takes_work_off_the_lead_does_not_test_it_either() -> None:
    plan = Plan(subtasks=[sub("S1", 4), sub("T", 2, "S1", kind=SubtaskKind.TEST)])
    bob = member("bob", available_from=4)
    approval = approval_of(placed(plan, S1=("lea", 0), T=("ada", 4)), plan, [ADA, bob, LEA])
    assert who(approval) == {"S1": "ada", "T": "bob"}


@pytest.mark.parametrize(
    ("ada", "first", "second", "reason"),
    [
        (ADA, 0, 3, "ada takes one subtask at a time, and has more to do 3 h from now."),
        (member("ada", leave=[(5, 6)]), 0, 4.5, "ada is away while it should work on S2."),
        (member("ada", available_from=1), 0, 6, "ada is away while it should work on S1."),
    ],
)
def test_a_schedule_that_asks_too_much_at_once_or_of_somebody_away_is_refused(
    ada: SquadMember, first: float, second: float, reason: str
) -> None:
    approval = approval_of(placed(PAIR, S1=("ada", first), S2=("ada", second)), PAIR, [ada])
    assert (approval.approved, approval.reasons) == (False, [reason])


def test_as_much_at_once_as_a_member_takes_is_approved() -> None:
    plan, two = Plan(subtasks=[*PAIR.subtasks, sub("S3", 1)]), member("ada", capacity=2)
    assert approval_of(placed(plan, S1=("ada", 0), S2=("ada", 0), S3=("ada", 2)), plan, [two]).approved
    refused = approval_of(placed(plan, S1=("ada", 0), S2=("ada", 0), S3=("ada", 1)), plan, [two])
    assert refused.reasons == ["ada takes 2 at once, and has more to do 1 h from now."]


def test_one_who_is_overbooked_elsewhere_may_wait_for_that_to_end() -> None:
    busy = [("ada", 0.0, 3.0), ("ada", 1.0, 4.0)]
    approval = approval_of(DelegationEngine().assign(PAIR, [ADA], busy=busy), PAIR, [ADA])
    assert approval.approved
    assert min(one.start for one in approval.schedule.assignments) == 4
