import random
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plan_checker import check_plan, problems
from pydantic import ValidationError

from delegation import PlanError, Priority, Role, Squad, SquadMember, Subtask, improve, schedule

POLICIES = ["critical_path", "round_robin", "least_loaded", "priority_first"]


def members(*ids, **fields):
    fields = {"role": Role.BACKEND_DEVELOPER, **fields}
    return [SquadMember(id=one, name=one, **fields) for one in ids]


def sub(id_, effort=1.0, *depends_on, **fields):
    return Subtask(id=id_, title=id_, effort=effort, depends_on=list(depends_on), **fields)


def spans(plan):
    return {one.subtask_id: (one.member_id, one.start, one.finish) for one in plan.assignments}


@settings(max_examples=300, deadline=None)
@given(problems(), st.sampled_from(POLICIES), st.sampled_from([None, 15]))
def test_every_schedule_is_valid(problem, policy, max_steps):
    subtasks, squad, busy = problem
    plan = schedule(subtasks, squad, policy=policy, busy=busy, max_steps=max_steps)
    check_plan(plan, subtasks, squad, busy)
    assert plan == schedule(subtasks, squad, policy=policy, busy=busy, max_steps=max_steps)


@given(problems(), st.sampled_from(POLICIES), st.randoms(use_true_random=False))
def test_other_names_change_nothing_but_the_names(problem, policy, rnd):
    subtasks, squad, busy = problem
    fresh = rnd.sample(range(1000), len(subtasks) + len(squad))
    name = {one.id: str(fresh.pop()) for one in (*subtasks, *squad)} | {"elsewhere": "x"}
    renamed = schedule(
        [
            one.model_copy(
                update={
                    "id": name[one.id],
                    "depends_on": [name[dep] for dep in one.depends_on],
                    "excluded": [name[who] for who in one.excluded],
                }
            )
            for one in subtasks
        ],
        [one.model_copy(update={"id": name[one.id]}) for one in squad],
        policy=policy,
        busy=[(name[who], start, finish) for who, start, finish in busy],
    )
    plan = schedule(subtasks, squad, policy=policy, busy=busy)
    assert spans(renamed) == {name[key]: (name[who], *when) for key, (who, *when) in spans(plan).items()}
    assert renamed.critical_path == [name[one] for one in plan.critical_path]


@settings(deadline=None)
@given(problems(), st.integers(0, 5))
def test_steps_never_make_it_worse_and_a_seed_settles_the_result(problem, seed):
    subtasks, squad, busy = problem
    first = schedule(subtasks, squad, busy=busy)
    better = schedule(subtasks, squad, busy=busy, max_steps=30, seed=seed)
    assert better.makespan <= first.makespan
    assert better == schedule(subtasks, squad, busy=busy, max_steps=30, seed=seed)
    assert schedule(subtasks, squad, busy=busy, max_steps=0) == first


@settings(deadline=None)
@given(problems(), st.data())
def test_priorities_are_respected_among_otherwise_equal_subtasks(problem, data):
    subtasks, squad, busy = problem
    if subtasks:
        one = data.draw(st.sampled_from(subtasks))
        twins = [one.model_copy(update={"id": f"twin{n}", "priority": level}) for n, level in enumerate(Priority)]
        subtasks = data.draw(st.permutations([*subtasks, *twins]))
    for steps in (None, 20):
        plan = schedule(subtasks, squad, busy=busy, max_steps=steps)
        check_plan(plan, subtasks, squad, busy)
        begins = [
            one.start for one in sorted(plan.assignments, key=lambda one: one.subtask_id) if "twin" in one.subtask_id
        ]
        assert begins == sorted(begins, reverse=True)


@pytest.mark.parametrize("steps", [None, 30])
def test_more_hands_make_no_plan_longer_by_more_than_noise(steps):
    ratios = []
    for seed in range(150):
        rnd = random.Random(seed)  # noqa: S311 - test data, no secrets
        squad = [somebody(rnd, f"m{n}") for n in range(rnd.randint(2, 5))]
        more = [*squad, *(somebody(rnd, f"new{n}") for n in range(rnd.randint(1, 3)))]
        subtasks = []
        for n in range(rnd.randint(5, 40)):
            able = rnd.choice(squad)
            fields = {
                "role": rnd.choice([None, able.role]),
                "skills": dict([*able.skills.items()][: rnd.randint(0, 2)]),
            }
            before = {f"s{rnd.randrange(max(0, n - 10), n)}" for _ in range(rnd.randint(0, 2))} if n else set()
            subtasks.append(sub(f"s{n}", rnd.randint(1, 9), *sorted(before), **fields))
        few = schedule(subtasks, squad, max_steps=steps).makespan
        ratios.append(schedule(subtasks, more, max_steps=steps).makespan / few)
    assert max(ratios) < 1.15
    assert sum(one > 1 for one in ratios) <= 4
    assert sum(ratios) / len(ratios) < 0.95


def somebody(rnd, id_):
    return SquadMember(
        id=id_,
        name="m",
        role=rnd.choice(list(Role)[1:5]),
        skills={skill: rnd.randint(0, 2) for skill in ("go", "sql") if rnd.random() < 0.6},
        capacity=rnd.randint(1, 2),
        available_from=rnd.choice([0, 0, 1, 3]),
        leave=[(5, 7)] if rnd.random() < 0.2 else [],
    )


def test_a_chain_and_the_rest_beside_it():
    plan = schedule([sub("a", 2), sub("b", 3, "a"), sub("c", 4)], members("x", "y"))
    assert plan.makespan == 5
    assert plan.critical_path == ["a", "b"]
    assert spans(plan)["b"][1:] == (2, 5)
    assert plan.of("c").finish == 4


def test_exact_role_comes_before_a_stand_in_and_a_specialist_before_others():
    squad = [
        *members("lead", role=Role.TECH_LEAD),
        *members("plain"),
        *members("special", specialisation="python_fastapi", skills={"go": 1}),
    ]
    assert spans(schedule([sub("a", role=Role.BACKEND_DEVELOPER)], squad))["a"][0] == "plain"
    wanted = [member.model_copy(update={"skills": {"fastapi": 1, "go": 1}}) for member in squad]
    assert spans(schedule([sub("a", skills={"fastapi": 1})], wanted))["a"][0] == "special"
    assert spans(schedule([sub("a", area="python")], squad))["a"][0] == "special"


def test_scarce_skills_are_spared():
    squad = [*members("rare", skills={"go": 1, "cobol": 1}), *members("common", skills={"go": 1})]
    plan = schedule([sub("a", 5, skills={"go": 1}), sub("b", 5, skills={"cobol": 1})], squad)
    assert plan.makespan == 5
    assert spans(plan)["a"][0] == "common"


def test_load_is_shared_among_equals():
    squad = members("x", "y", "z")
    plan = schedule([sub("s0"), *(sub(f"s{n}", 1.0, f"s{n - 1}") for n in range(1, 9))], squad)
    hours = {one.id: sum(a.finish - a.start for a in plan.assignments if a.member_id == one.id) for one in squad}
    assert set(hours.values()) == {3.0}


def test_priority_decides_among_otherwise_equal_subtasks():
    names = ["low", "normal", "high", "urgent"]
    plan = schedule([sub(one, priority=one) for one in names], members("x"))
    assert [one.subtask_id for one in plan.assignments] == names[::-1]


def test_priority_first_puts_urgent_work_and_what_it_waits_for_before_longer_paths():
    subtasks = [sub("long", 9), sub("base", 1, priority="low"), sub("hot", 1, "base", priority="urgent")]
    plan = schedule(subtasks, members("x"), policy="priority_first")
    assert [one.subtask_id for one in plan.assignments] == ["base", "hot", "long"]


def test_round_robin_takes_turns_and_least_loaded_fills_up():
    subtasks = [sub("a", 5), sub("b", 1), sub("c", 1), sub("d", 1)]
    turns = spans(schedule(subtasks, members("x", "y"), policy="round_robin"))
    assert [turns[one][0] for one in "abcd"] == ["x", "y", "x", "y"]
    filled = spans(schedule(subtasks, members("x", "y"), policy="least_loaded"))
    assert [filled[one][0] for one in "abcd"] == ["x", "y", "y", "y"]


def test_capacity_availability_and_time_taken_elsewhere():
    two_hands = schedule([sub("a", 2), sub("b", 2)], members("x", capacity=2))
    assert two_hands.makespan == 2
    late = schedule([sub("a", 2)], members("x", available_from=3.5))
    assert spans(late)["a"] == ("x", 3.5, 5.5)
    busy = [("x", 1.0, 4.0)]
    gap = spans(schedule([sub("a", 2), sub("b", 1)], members("x"), busy=busy))
    assert gap == {"a": ("x", 4.0, 6.0), "b": ("x", 0.0, 1.0)}
    overbooked = schedule([sub("a", 1)], members("x"), busy=[("x", 0, 3), ("x", 1, 5), ("stranger", 0, 9)])
    assert overbooked.of("a").start == 5


def test_a_leave_is_worked_around_by_every_policy():
    away = members("x", leave=[(1, 3), (2, 4), (9, 9), (20, 30)])
    for policy in POLICIES:
        plan = spans(schedule([sub("a", 2), sub("b", 1)], away, policy=policy))
        assert (plan["a"][1], plan["b"][1]) == ((4, 0) if policy in POLICIES[::3] else (4, 6))
    hands = members("x", leave=[(2, 4)], capacity=2)
    assert schedule([sub("a", 2), sub("b", 3)], hands, busy=[("x", 0, 1)]).makespan == 7
    assert spans(schedule([sub("a", 50)], away))["a"] == ("x", 30, 80)  # no window but the last is long enough
    there = [*away, *members("y", available_from=3)]
    assert spans(schedule([sub("a", 2)], there))["a"] == ("y", 3, 5)


@pytest.mark.parametrize("leave", [(3, 1), (0, float("inf")), (float("nan"), 1)])
def test_a_leave_that_is_none_is_refused(leave):
    with pytest.raises(ValidationError, match="is none: give finite hours"):
        members("x", leave=[leave])


def test_what_nobody_may_do_is_unassigned_with_its_dependants():
    subtasks = [sub("a", skills={"kubernetes": 2}), sub("b", 1, "a"), sub("c", 1, "b"), sub("d")]
    plan = schedule(subtasks, [*members("m1"), *members("m2", skills={"kubernetes": 1})])
    assert [one.subtask_id for one in plan.assignments] == ["d"]
    assert {one.subtask_id: one.reason for one in plan.unassigned} == {
        "a": "needs kubernetes 2; the closest is m2 with 1",
        "b": "depends on 'a', which is unassigned",
        "c": "depends on 'b', which is unassigned",
    }


@pytest.mark.parametrize("policy", POLICIES)
def test_nothing_and_nobody_make_no_crash(policy):
    empty = schedule([], members("x"), policy=policy, max_steps=3)
    assert (empty.assignments, empty.makespan, empty.critical_path, empty.unassigned) == ([], 0.0, [], [])
    nobody = schedule([sub("a"), sub("b", 1, "a")], [], policy=policy, max_steps=3)
    assert [one.reason for one in nobody.unassigned] == ["there are no members"] * 2
    excluded = schedule([sub("a", excluded=["x"])], members("x"), policy=policy)
    assert excluded.unassigned[0].reason == "nobody is left: x would fit, but is excluded"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"policy": "magic"}, "there is no policy 'magic'"),
        ({"budget_s": -1}, "a budget of -1 seconds is none"),
        ({"budget_s": float("nan")}, "a budget of nan seconds is none"),
        ({"budget_s": float("inf")}, "a budget of inf seconds is none"),
        ({"max_steps": -1}, "-1 steps are none"),
        ({"busy": [("x", 3, 1)]}, "member 'x' cannot be busy from 3 to 1"),
        ({"busy": [("x", 0, float("inf"))]}, "member 'x' cannot be busy from 0 to inf"),
        ({"members": members("x", "x")}, "member id 'x' is given twice"),
        ({"subtasks": [sub("a", 1, "b"), sub("b", 1, "a")]}, "the dependencies run in a circle: a -> b -> a"),
        ({"subtasks": [sub("a", 1, "z")]}, "subtask 'a' depends on 'z', which is not in the plan"),
        ({"subtasks": [sub("a"), sub("a")]}, "subtask id 'a' is given twice"),
        ({"subtasks": [sub("a", -1)]}, "subtask 'a' has an effort of -1.0 hours"),
        ({"subtasks": [sub("a", float("nan"))]}, "subtask 'a' has an effort of nan hours"),
        ({"subtasks": [sub("a", deadline=float("inf"))]}, "subtask 'a' has a deadline of inf hours"),
    ],
)
def test_bad_input_is_named(arguments, message):
    arguments = {"subtasks": [sub("a")], "members": members("x"), **arguments}
    with pytest.raises(PlanError, match=message) as caught:
        schedule(arguments.pop("subtasks"), arguments.pop("members"), **arguments)
    assert caught.value.hint


def test_an_unknown_policy_is_told_the_known_ones():
    with pytest.raises(PlanError) as caught:
        schedule([], [], policy="magic")
    assert caught.value.hint == f"known policies: {', '.join(POLICIES)}; or an object with order(subtasks, members)"


@pytest.mark.parametrize("policy", POLICIES)
def test_fifty_thousand_in_one_chain(policy):
    chain = [sub(f"s{n}", 1.0, *([f"s{n - 1}"] if n else [])) for n in range(50_000)]
    assert schedule(chain, Squad.default().members, policy=policy).makespan == 50_000


def test_ten_thousand_subtasks_on_a_thousand_members_come_close_to_the_bound():
    rnd = random.Random(4)  # noqa: S311 - test data, no secrets
    squad = [
        SquadMember(id=f"m{n}", name="m", role=rnd.choice(list(Role)), skills={f"k{rnd.randrange(9)}": 2, "all": 1})
        for n in range(1000)
    ]
    subtasks = []
    for n in range(10_000):
        skill = rnd.choice(list(rnd.choice(squad).skills))
        before = {f"s{rnd.randrange(max(0, n - 300), n)}" for _ in range(rnd.randrange(3))} if n else set()
        subtasks.append(sub(f"s{n}", rnd.randint(1, 20), *sorted(before), skills={skill: 1}))
    plan = schedule(subtasks, squad)
    check_plan(plan, subtasks, squad)
    longest = sum(one.finish - one.start for one in map(plan.of, plan.critical_path))
    bound = max(longest, sum(one.effort for one in subtasks) / len(squad))
    assert plan.makespan <= 1.03 * bound


def test_a_budget_is_kept_and_makes_use_of_its_time(monkeypatch):
    looks = count()
    monkeypatch.setattr(improve.time, "perf_counter", lambda: next(looks) / 100)  # each look takes a hundredth
    rnd = random.Random(1)  # noqa: S311 - test data, no secrets
    squad = [*members("a", "b", "c", skills={"x": 1}), *members("d", "e", skills={"x": 1, "y": 1})]
    subtasks = [
        sub(
            f"s{n}",
            rnd.randint(1, 30),
            *(f"s{rnd.randrange(n)}" for _ in range(min(n, 1))),
            skills={rnd.choice("xy"): 1},
        )
        for n in range(60)
    ]
    first = schedule(subtasks, squad)
    better = schedule(subtasks, squad, budget_s=0.2)
    assert 3 < next(looks) < 25
    check_plan(better, subtasks, squad)
    assert better.makespan <= first.makespan
