"""Changes of a plan: whatever is changed, what is left can be worked, and nothing that waited begins too early."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delegation import (
    AddSubtask,
    Board,
    CancelSubtask,
    MemberAvailable,
    MemberUnavailable,
    OutcomeStatus,
    Plan,
    PlanError,
    Reassign,
    ReviseEstimate,
    Role,
    SquadMember,
    Subtask,
    TestCase,
    change_plan,
    check_plan,
    schedule,
    work_digest,
)
from delegation.dependencies import check

MEMBERS = [SquadMember(id=name, name=name, role=Role.BACKEND_DEVELOPER) for name in ("ada", "bob")]


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    count = draw(st.integers(2, 9))
    subtasks = []
    for number in range(count):
        before = draw(st.sets(st.integers(0, number - 1), max_size=3)) if number else set()
        subtasks.append(Subtask(id=f"S{number}", title="t", depends_on=[f"S{one}" for one in sorted(before)]))
    case = TestCase(id="T1", criterion="c", then="t", subtask_ids=[one.id for one in subtasks])
    return Plan(subtasks=subtasks, test_cases=[case])


def behind(plan: Plan, subtask_id: str) -> set[str]:
    """Return everything that a subtask waits for, directly or not."""
    known, todo = set[str](), [subtask_id]
    of = {one.id: one.depends_on for one in plan.subtasks}
    while todo:
        for one in of[todo.pop()]:
            if one not in known:
                known.add(one)
                todo.append(one)
    return known


def changed(plan: Plan, *changes: Any, **more: Any) -> Plan:
    found = change_plan(plan, changes, MEMBERS, **more).plan
    assert found is not None
    return found


@given(plans(), st.data())
def test_what_waited_for_cancelled_work_still_waits_for_what_that_waited_for(plan: Plan, data: st.DataObject) -> None:
    ids = [one.id for one in plan.subtasks]
    gone = data.draw(st.lists(st.sampled_from(ids), min_size=1, max_size=len(ids) - 1, unique=True))
    after = changed(plan, *(CancelSubtask(subtask_id=one) for one in gone))
    check_plan(after)
    assert [one.id for one in after.subtasks] == [one for one in ids if one not in gone]
    assert [one.subtask.id for one in after.cancelled] == gone
    for subtask in after.subtasks:
        assert behind(after, subtask.id) == behind(plan, subtask.id) - set(gone)
    assert after.amends == work_digest(plan.subtasks)


@given(plans(), st.data())
def test_a_board_of_a_changed_plan_keeps_what_is_at_work_and_comes_to_its_end(plan: Plan, data: st.DataObject) -> None:
    board = Board(plan, schedule(plan.subtasks, MEMBERS), MEMBERS)
    ends: dict[str, OutcomeStatus] = {}
    at_work: dict[str, str] = {}
    for _ in range(data.draw(st.integers(0, len(plan.subtasks)))):
        who = data.draw(st.sampled_from(["ada", "bob"]))
        if (subtask := board.take(who)) is None:
            continue
        if data.draw(st.booleans()):
            board.finish(subtask.id, OutcomeStatus.DONE, by=who)
            ends[subtask.id] = OutcomeStatus.DONE
        else:
            at_work[subtask.id] = who
    new = Subtask(
        id="new", title="t", depends_on=data.draw(st.lists(st.sampled_from([one.id for one in plan.subtasks])))
    )
    after = changed(plan, AddSubtask(subtask=new), done=list(ends))
    again = Board(after, schedule(after.subtasks, MEMBERS), MEMBERS, outcomes=ends, taken=at_work)
    assert again.taken == at_work
    order = list(ends)
    while not again.is_over:
        for who in ("ada", "bob"):
            if (subtask := again.take(who)) is not None:
                assert subtask.id not in at_work
                assert set(subtask.depends_on) <= ends.keys()
                again.finish(subtask.id, OutcomeStatus.DONE, by=who)
                ends[subtask.id] = OutcomeStatus.DONE
        for name in [one for one in at_work if one not in ends]:
            again.finish(name, OutcomeStatus.DONE, by=at_work[name])
            ends[name] = OutcomeStatus.DONE
    assert again.is_done
    assert order == list(ends)[: len(order)]


@given(plans(), st.data())
def test_the_hash_of_what_was_approved_outlives_any_number_of_changes(plan: Plan, data: st.DataObject) -> None:
    hours = data.draw(st.lists(st.floats(0.5, 9), min_size=1, max_size=4))
    after = plan
    for one in hours:
        after = changed(after, ReviseEstimate(subtask_id="S0", hours=one))
    is_another = hours[0] != 1.0 or len({1.0, *hours}) > 1
    assert (after.amends == work_digest(plan.subtasks)) == is_another
    assert after.subtask("S0").effort == hours[-1]


@given(plans(), st.data())
def test_new_work_that_others_need_comes_before_them_or_is_a_circle(plan: Plan, data: st.DataObject) -> None:
    ids = st.sampled_from([one.id for one in plan.subtasks])
    after, needed_by = data.draw(st.sets(ids, max_size=2)), data.draw(st.sets(ids, max_size=2))
    new = AddSubtask(subtask=Subtask(id="new", title="t", depends_on=sorted(after)), needed_by=tuple(needed_by))
    round_trip = any(later in {early, *behind(plan, early)} for early in after for later in needed_by)
    if round_trip:
        with pytest.raises(PlanError, match="circle"):
            changed(plan, new)
        return
    found = changed(plan, new)
    check(found.subtasks)
    assert all("new" in behind(found, one) for one in needed_by)


def test_members_come_and_go_and_the_reasons_are_kept() -> None:
    gone = change_plan(None, [MemberUnavailable(member_id="ada", reason="ill")], MEMBERS)
    assert (gone.plan, gone.away, gone.told) == (None, {"ada": "ill"}, ["ada is not available (ill)"])
    back = change_plan(None, [MemberAvailable(member_id="ada")], MEMBERS, away=gone.away)
    assert back.away == {}
    with pytest.raises(PlanError, match="has not dropped out"):
        change_plan(None, [MemberAvailable(member_id="bob")], MEMBERS, away=gone.away)


def test_work_goes_to_nobody_who_may_not_do_it_or_is_not_there() -> None:
    plan = Plan(subtasks=[Subtask(id="S1", title="t", role=Role.TESTER)])
    with pytest.raises(PlanError, match="is a backend_developer, needs tester"):
        change_plan(plan, [Reassign(subtask_id="S1", member_id="ada")], MEMBERS)
    plan = Plan(subtasks=[Subtask(id="S1", title="t")])
    with pytest.raises(PlanError, match="has dropped out"):
        change_plan(plan, [Reassign(subtask_id="S1", member_id="ada")], MEMBERS, away={"ada": ""})
    assert change_plan(plan, [Reassign(subtask_id="S1", member_id="ada")], MEMBERS).given == {"S1": "ada"}
    both = [Reassign(subtask_id="S1", member_id="ada"), MemberUnavailable(member_id="ada")]
    with pytest.raises(PlanError, match="'S1' was given to 'ada', who drops out"):
        change_plan(plan, both, MEMBERS)
    assert change_plan(plan, [*both, MemberAvailable(member_id="ada")], MEMBERS).given == {"S1": "ada"}


def test_criteria_must_still_be_served_by_what_is_left() -> None:
    first, second = (Subtask(id=name, title="t", criteria=["it works"]) for name in ("S1", "S2"))
    plan = Plan(subtasks=[first, second])
    once = changed(plan, CancelSubtask(subtask_id="S1"), criteria=["it works"])
    with pytest.raises(PlanError, match=r"subtasks|served by no subtask"):
        changed(once, CancelSubtask(subtask_id="S2"), criteria=["it works"])
    other = Subtask(id="S3", title="t", criteria=["it works"])
    assert changed(once, CancelSubtask(subtask_id="S2"), AddSubtask(subtask=other), criteria=["it works"])


def test_an_estimates_range_is_widened_to_hold_what_it_takes() -> None:
    plan = Plan(subtasks=[Subtask(id="S1", title="t", effort=2, estimate=(1, 2, 3))])
    assert changed(plan, ReviseEstimate(subtask_id="S1", hours=8)).subtask("S1").estimate == (1, 8, 8)


def test_changes_that_change_nothing_leave_the_plan_as_it_is() -> None:
    plan = Plan(subtasks=[Subtask(id="S1", title="t")])
    assert changed(plan, MemberUnavailable(member_id="ada")) is plan
