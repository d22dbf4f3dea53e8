"""What is weighed beside the end of a plan, and how a plan explains itself."""

import copy
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plan_checker import check_plan, may, problems
from pydantic import ValidationError

from delegation import PlanError, Role, Schedule, SquadMember, Subtask, Weights, schedule


def members(*ids, **fields):
    fields = {"role": Role.BACKEND_DEVELOPER, **fields}
    return [SquadMember(id=one, name=one.upper(), **fields) for one in ids]


def sub(id_, effort=1.0, *depends_on, **fields):
    return Subtask(id=id_, title=f"do {id_}", effort=effort, depends_on=list(depends_on), **fields)


def starts(plan):
    return {one.subtask_id: one.start for one in plan.assignments}


def test_a_deadline_is_kept_where_the_plan_ends_no_later_for_it():
    work = [sub("long", 4), sub("tail", 4, "long"), sub("due", 2, deadline=3)]
    plan = schedule(work, members("x"))
    assert (plan.makespan, starts(plan)["due"], plan.report().late) == (10, 0, [])
    assert schedule(work, members("x"), weights=Weights(lateness=0)).report().late == ["due"]


def test_high_priorities_come_early_where_the_plan_ends_no_later_for_it():
    work = [*(sub(f"s{n}", 3) for n in range(5)), sub("t", 1), sub("hot", 1, "t", priority="urgent")]
    plan = schedule(work, members("x", "y"))
    assert starts(plan)["hot"] == 1
    assert plan.makespan == schedule(work, members("x", "y"), weights=Weights(lateness=0)).makespan


def test_the_makespan_comes_before_all_else():
    work = [sub("a", 10), sub("b", 10, "a"), sub("due", 2, deadline=2)]
    plan = schedule(work, members("x"), max_steps=50)
    assert plan.makespan == 22
    two = [sub("a", 10), sub("due", 2, deadline=2), sub("b", 2, "due", priority="urgent")]
    assert schedule(two, members("x", "y"), max_steps=50).makespan == 10


def test_load_is_balanced_among_plans_that_end_at_the_same_time():
    chain = [sub("s0", 4), *(sub(f"s{n}", 4, f"s{n - 1}") for n in range(1, 6))]
    squad = [*members("x", skills={"go": 1}), *members("y", skills={"go": 1, "sql": 1})]
    work = [*chain, *(sub(f"t{n}", 2, skills={"sql": 1}) for n in range(6))]
    report = schedule(work, squad, max_steps=300).report()
    assert report.makespan == 24
    assert report.balance <= schedule(work, squad).report().balance


def test_the_report_names_each_part():
    work = [sub("a", 3, deadline=1), sub("b", 2, priority="high"), sub("c", 1)]
    report = schedule(work, members("x"), weights=Weights(lateness=0.5, balance=0, stability=0)).report()
    assert report.makespan == report.lower_bound == 6
    assert report.late == ["a"]
    assert (report.balance, report.moved) == (0, 0)
    assert report.cost == pytest.approx(6 * (1 + 0.5 * report.lateness))
    assert 0 < report.lateness < 1
    uneven = schedule([sub("a", 3)], members("x", "y")).report()
    assert uneven.balance == pytest.approx(1)


@pytest.mark.parametrize("value", [-1, float("nan"), float("inf")])
def test_weights_are_finite_and_not_negative(value):
    with pytest.raises(ValidationError):
        Weights(lateness=value)


@settings(deadline=None)
@given(problems(), st.sampled_from(["critical_path", "round_robin"]), st.sampled_from([None, 10]))
def test_every_subtask_is_explained_and_the_figures_are_those_of_the_plan(problem, policy, steps):
    subtasks, squad, busy = problem
    plan = schedule(subtasks, squad, busy=busy, policy=policy, max_steps=steps)
    by_id = {one.id: one for one in subtasks}
    hours = {
        who.id: sum(one.finish - one.start for one in plan.assignments if one.member_id == who.id) for who in squad
    }
    for one in plan.assignments:
        why = plan.explain(one.subtask_id)
        assert why.chosen == one.member_id
        assert {who.member_id for who in why.candidates} == {who.id for who in squad if may(who, by_id[one.subtask_id])}
        assert why.candidates[0].chosen
        assert why.candidates[0].finish <= one.finish
        assert {who.member_id: who.hours for who in why.candidates} == {
            who.member_id: hours[who.member_id] for who in why.candidates
        }
        assert [who.member_id for who in why.alternatives] == [who.member_id for who in why.candidates[1:3]]
        for who in why.candidates:  # moved there, the plan is still one
            moved = [
                a
                if a.subtask_id != one.subtask_id
                else a.model_copy(
                    update={
                        "member_id": who.member_id,
                        "start": who.finish - (one.finish - one.start),
                        "finish": who.finish,
                    }
                )
                for a in plan.assignments
            ]
            alone = {a.subtask_id for a in moved}
            free = [
                by_id[a].model_copy(update={"depends_on": by_id[a].depends_on if a == one.subtask_id else []})
                for a in alone
            ]
            ends = max(a.finish for a in moved)
            check_plan(
                plan.model_copy(update={"assignments": moved, "makespan": ends, "unassigned": []}), free, squad, busy
            )
    for lost in plan.unassigned:
        why = plan.explain(lost.subtask_id)
        assert (why.chosen, why.text) == (None, f"{lost.subtask_id} is unassigned: {lost.reason}.")
    report = plan.report()
    assert report.lower_bound <= report.makespan <= report.cost
    assert 0 <= report.lateness <= 1


def test_an_explanation_tells_why_the_best_two_others_lost():
    squad = [
        *members("plain", skills={"fastapi": 2}),
        *members("special", skills={"fastapi": 2}, specialisation="python_fastapi"),
        *members("lead", skills={"fastapi": 3}, role=Role.TECH_LEAD),
        *members("novice", skills={"fastapi": 1}),
        *members("late", skills={"fastapi": 2}, available_from=9),
    ]
    plan = schedule([sub("a", 2, role=Role.BACKEND_DEVELOPER, skills={"fastapi": 2})], squad)
    why = plan.explain("a")
    assert why.chosen == "special"
    nearer = "and special is nearer to that role"
    assert [(one.member_id, one.reason) for one in why.alternatives] == [
        ("plain", "special is a specialist for it"),
        ("lead", f"it would stand in for the backend_developer, {nearer}; special is a specialist for it"),
    ]
    assert why.text == (
        "a goes to special, from 0 h to 2 h. 4 members may do it: special, plain, lead, late. "
        + " ".join(f"Not {one.member_id}: {one.reason}." for one in why.alternatives)
    )
    late = next(one for one in why.candidates if one.member_id == "late")
    assert (late.finish, late.stand_in, late.specialist, late.skills) == (11, 0, False, {"fastapi": 2})


def test_whoever_would_be_later_is_told_by_how_much():
    plan = schedule([sub("a", 4), sub("b", 3)], members("x", "y"))
    (reason,) = (one.reason for one in plan.explain("b").alternatives)
    assert reason.startswith("it could finish at 7 h at best, 4 h later")


def test_alone_is_alone():
    assert (
        schedule([sub("a")], members("x")).explain("a").text == "a goes to x, from 0 h to 1 h: nobody else may do it."
    )


def test_an_unknown_subtask_is_named():
    with pytest.raises(PlanError, match="subtask 'z' is not in this schedule"):
        schedule([sub("a")], members("x")).explain("z")


def test_a_schedule_from_elsewhere_says_that_it_cannot_explain_itself():
    plan = schedule([sub("a", 1, priority="high")], members("x"))
    stored = Schedule.model_validate_json(plan.model_dump_json())
    assert stored == plan
    assert plan.model_copy(update={"makespan": 9.0}) != plan
    for ask in (stored.report, lambda: stored.explain("a")):
        with pytest.raises(PlanError, match="does not know what it was made from"):
            ask()
    (bare,) = stored.to_gantt()
    (full,) = plan.to_gantt()
    assert full == {
        "subtask_id": "a",
        "title": "do a",
        "member_id": "x",
        "member": "X",
        "role": "backend_developer",
        "start": 0,
        "finish": 1,
        "is_critical": True,
        "priority": "high",
    }
    assert bare == full | {"title": "a", "member": "x", "role": None, "priority": None}


def test_copies_of_a_schedule_explain_themselves_too():
    plan = schedule([sub("a")], members("x", "y"))
    for again in (copy.copy(plan), copy.deepcopy(plan), pickle.loads(pickle.dumps(plan))):  # noqa: S301 - our own
        assert again == plan
        assert again.explain("a") == plan.explain("a")


class ByLength:
    def order(self, subtasks, members):
        return [one.id for one in sorted(subtasks, key=lambda one: -len(one.title))]


class Fixed:
    def __init__(self, *ids):
        self.ids = ids

    def order(self, subtasks, members):
        return self.ids


def test_a_policy_of_ones_own_says_what_is_more_urgent():
    work = [sub("a", 1), sub("bbb", 1), sub("cc", 1)]
    plan = schedule(work, members("x"), policy=ByLength())
    assert starts(plan) == {"bbb": 0, "cc": 1, "a": 2}
    part = schedule(work, members("x"), policy=Fixed("cc"))
    assert starts(part) == {"cc": 0, "a": 1, "bbb": 2}


@settings(deadline=None)
@given(problems(), st.randoms(use_true_random=False))
def test_any_order_makes_a_valid_plan(problem, rnd):
    subtasks, squad, busy = problem
    ids = [one.id for one in subtasks]
    plan = schedule(subtasks, squad, busy=busy, policy=Fixed(*rnd.sample(ids, rnd.randint(0, len(ids)))))
    check_plan(plan, subtasks, squad, busy)


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        (Fixed("a", "z"), "the policy's order is wrong: 'z' is not in the plan"),
        (Fixed("a", "a"), "the policy's order is wrong: 'a' comes twice"),
        (object(), "there is no policy <object"),
        (None, "there is no policy None"),
    ],
)
def test_a_policy_that_is_none_is_named(policy, message):
    with pytest.raises(PlanError, match=message):
        schedule([sub("a")], members("x"), policy=policy)
