"""What is left of one schedule binds members in the next one."""

from collections import defaultdict
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plan_checker import check_plan, problems

from delegation import DelegationEngine, Plan, Role, SquadMember, Subtask
from delegation.workload import Claim, taken_by


def test_what_is_planned_keeps_its_hours_while_the_schedule_is_kept():
    claims = [Claim("ada", 0, 4, worked=0), Claim("ada", 4, 6), Claim("bob", 2, 3)]
    assert taken_by(claims) == [("ada", 0, 4), ("ada", 4, 6), ("bob", 2, 3)]


def test_work_that_was_begun_takes_what_is_left_of_it():
    assert taken_by([Claim("ada", -1, 3, worked=1)]) == [("ada", 0, 3)]
    assert taken_by([Claim("ada", -3, 1, worked=1)]) == [("ada", 0, 3)]


def test_work_that_overran_its_estimate_takes_a_tenth_of_it_more():
    assert taken_by([Claim("ada", -9, -5, worked=9)]) == [("ada", 0, pytest.approx(0.4))]


def test_a_late_schedule_is_put_off_as_a_whole_and_keeps_its_order():
    claims = [Claim("ada", -2, 1), Claim("ada", 1, 2), Claim("bob", 1, 3)]
    assert taken_by(claims) == [("ada", 0, 3), ("ada", 3, 4), ("bob", 3, 5)]


def test_what_waits_is_put_off_behind_work_that_overran():
    claims = [Claim("ada", -6, -2, worked=6), Claim("ada", -2, 1)]
    assert taken_by(claims) == [("ada", 0, pytest.approx(0.4)), ("ada", pytest.approx(0.4), pytest.approx(3.4))]


def test_a_schedule_that_nobody_drives_binds_in_its_planned_hours_and_no_longer():
    claims = [Claim("ada", -5, -1, worked=3), Claim("ada", -1, 2), Claim("bob", 2, 3)]
    assert taken_by(claims, is_driven=False) == [("ada", 0, 2), ("bob", 2, 3)]
    later = [Claim(one.member_id, one.start - 3, one.finish - 3) for one in claims]
    assert taken_by(later, is_driven=False) == []


def test_work_without_hours_takes_nobody():
    assert taken_by([Claim("ada", 1, 1), Claim("bob", 0, 0, worked=2)]) == []


hours = st.integers(-8, 8)
one_hand = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 4)), max_size=5)


@given(hours, one_hand, st.integers(0, 9))
def test_nobody_gets_more_at_once_than_was_planned(began, gaps, worked):
    """One member's work, one piece after another, of which the first may have begun."""
    claims, at = [], float(began)
    for gap, length in gaps:
        claims.append(Claim("ada", at + gap, at + gap + length))
        at += gap + length
    if claims and claims[0].start <= 0:
        claims[0] = Claim("ada", claims[0].start, claims[0].finish, worked=min(worked, -claims[0].start))
    spans = sorted(taken_by(claims))
    assert len(spans) == len(claims)
    assert all(start >= 0 for _, start, _ in spans)
    assert all(one[2] <= following[1] + 1e-9 for one, following in pairwise(spans))


@given(problems(), problems(6))
def test_a_second_plan_is_valid_around_the_first(first, second):
    subtasks, members, busy = first
    engine = DelegationEngine()
    earlier = engine.assign(subtasks, members, busy=busy)
    taken = [*busy, *taken_by(Claim(one.member_id, one.start, one.finish) for one in earlier.assignments)]
    others = [one.model_copy(update={"excluded": []}) for one in second[0]]
    check_plan(engine.assign(others, members, busy=taken), others, members, taken)


def test_fifty_plans_made_one_after_another_load_nobody_beyond_capacity_and_everybody_alike():
    squad = [SquadMember(id=f"m{n}", name="m", role=Role.BACKEND_DEVELOPER, capacity=1 + (n == 9)) for n in range(10)]
    engine, taken = DelegationEngine(), []
    for number in range(50):
        plan = Plan(
            subtasks=[
                Subtask(id="a", title="a", effort=1 + number % 4),
                Subtask(id="b", title="b", effort=2, depends_on=["a"]),
                Subtask(id="c", title="c", effort=3),
            ]
        )
        made = engine.assign(plan, squad, busy=taken)
        taken += taken_by(Claim(one.member_id, one.start, one.finish) for one in made.assignments)
    hours, hands = defaultdict(float), {one.id: one.capacity for one in squad}
    for who, start, finish in taken:
        hours[who] += finish - start
        assert sum(one == who and begin <= start < end for one, begin, end in taken) <= hands[who]
    each = [hours[one.id] / one.capacity for one in squad]
    assert max(each) - min(each) <= 8
    assert max(finish for *_, finish in taken) <= sum(hours.values()) / 11 + 8
