"""A task's deadline becomes the latest end of each subtask, and a schedule says which it misses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plan_checker import problems

from delegation import DelegationEngine, Plan, PlanError, Role, Schedule, SquadMember, Subtask
from delegation.deadlines import lateness_told, with_deadlines


def sub(id_, effort=1.0, *depends_on, **fields):
    return Subtask(id=id_, title=id_, effort=effort, depends_on=list(depends_on), **fields)


def planned(plan, *ids):
    return DelegationEngine().assign(plan, [SquadMember(id=one, name=one, role=Role.BACKEND_DEVELOPER) for one in ids])


def due(plan):
    return [one.deadline for one in plan.subtasks]


FORK = Plan(subtasks=[sub("a", 2), sub("b", 3, "a"), sub("c", 1, "a"), sub("d", 4, "b", "c"), sub("e", 9)])


def test_each_subtask_has_to_end_before_the_longest_path_behind_it():
    assert due(with_deadlines(FORK, 20)) == [13, 16, 16, 20, 20]


def test_a_deadline_of_its_own_counts_where_it_is_earlier_and_for_what_leads_to_it():
    own = [one.model_copy(update={"deadline": {"b": 7.0, "e": 99.0}.get(one.id)}) for one in FORK.subtasks]
    assert due(with_deadlines(Plan(subtasks=own), 20)) == [4, 7, 16, 20, 20]


def test_without_a_deadline_the_plan_stays_as_it_is():
    assert with_deadlines(FORK, None) is FORK


def test_a_deadline_that_has_passed_is_below_zero_and_the_plan_is_scheduled_all_the_same():
    plan = with_deadlines(FORK, -5)
    assert due(plan) == [-12, -9, -9, -5, -5]
    schedule = planned(plan, "x", "y")
    assert schedule.makespan == planned(FORK, "x", "y").makespan
    assert lateness_told(schedule, plan) == (
        "Done after 10 h, 15 h after the deadline, which has passed: a, e, b, c and d are late."
    )


def test_a_schedule_that_keeps_every_deadline_says_nothing():
    plan = with_deadlines(FORK, 19)
    assert lateness_told(planned(plan, "x"), plan) is None
    assert lateness_told(planned(FORK, "x"), FORK) is None


def test_a_schedule_says_what_it_ends_too_late_and_by_how_much():
    plan = with_deadlines(FORK, 16.5)
    schedule = planned(plan, "x")
    assert schedule.makespan == 19
    assert lateness_told(schedule, plan) == "Done after 19 h, 2.5 h after the deadline: b, c and d are late."
    alone = with_deadlines(Plan(subtasks=[sub("a", 3)]), 1)
    assert lateness_told(planned(alone, "x"), alone) == "Done after 3 h, 2 h after the deadline: a is late."
    own = Plan(subtasks=[sub("a", 2, deadline=1), sub("b", 3)])
    assert lateness_told(planned(own, "x", "y"), own) == "After their deadlines: a by 1 h."


def test_of_many_that_are_late_some_are_named():
    plan = with_deadlines(Plan(subtasks=[sub(f"s{n}") for n in range(40)]), -1)
    assert "s11 and 28 more are late" in (lateness_told(planned(plan, "x"), plan) or "")


def test_nothing_planned_is_never_late():
    assert lateness_told(Schedule(assignments=[], makespan=0, critical_path=[]), with_deadlines(FORK, -5)) is None


def test_a_plan_that_contradicts_itself_is_named():
    with pytest.raises(PlanError, match="circle"):
        with_deadlines(Plan(subtasks=[sub("a", 1, "a")]), 5)


@given(problems(), st.integers(-5, 30))
def test_whoever_keeps_the_latest_end_leaves_time_for_all_behind_it(drawn, hours):
    subtasks, members, _ = drawn
    plan = with_deadlines(Plan(subtasks=subtasks), hours)
    by_id, given_ = {one.id: one for one in plan.subtasks}, {one.id: one for one in subtasks}
    for one in plan.subtasks:
        own = given_[one.id].deadline
        assert one.deadline <= min(hours, hours if own is None else own)
        assert all(by_id[earlier].deadline <= one.deadline - one.effort for earlier in one.depends_on)
    schedule = DelegationEngine().assign(plan, members)
    late = [one.subtask_id for one in schedule.assignments if one.finish > by_id[one.subtask_id].deadline]
    assert (lateness_told(schedule, plan) is not None) == bool(late)
