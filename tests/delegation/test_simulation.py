import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plan_checker import may, problems

from delegation import InputError, Plan, PlanError, Role, Squad, SquadMember, Subtask, Task, simulate
from delegation.luck import Luck


def members(*ids, **fields):
    return [SquadMember(id=one, name=one, role=Role.BACKEND_DEVELOPER, **fields) for one in ids]


def sub(id_, effort=1.0, *depends_on, **fields):
    return Subtask(id=id_, title=id_, effort=effort, depends_on=list(depends_on), **fields)


CHAIN = [sub("a", 2), sub("b", 3, "a"), sub("c", 4)]


def test_without_luck_the_hours_are_those_of_the_plan():
    result = simulate([CHAIN], members("x", "y"), error=0)
    assert (result.completed, result.unfinished, result.done, result.stuck) == (1, 0, 3, 0)
    assert result.lead_times == [5]
    assert result.lead_mean == result.lead_median == result.lead_p90 == result.makespan == 5
    assert sum(result.utilisation.values()) == pytest.approx(9 / 5)


def test_arrivals_are_spread_and_lead_times_count_from_them():
    result = simulate([[sub("a", 2)], [sub("a", 2)], [sub("a", 2)]], members("x"), error=0, interval=1)
    assert result.lead_times == [2, 3, 4]
    assert result.lead_median == 3
    assert result.makespan == 6


def test_whoever_comes_later_starts_later():
    result = simulate([[sub("a", 2)]], members("x", available_from=3), error=0)
    assert result.makespan == 5
    assert result.utilisation == {"x": 1}


def test_nobody_starts_before_a_leave_what_ends_after_it():
    away = members("x", leave=[(2, 5)])
    result = simulate([[sub("long", 3), sub("short", 2)]], away, error=0)
    assert [(one.subtask_id, one.start, one.finish) for one in result.worked] == [("short", 0, 2), ("long", 5, 8)]
    assert result.utilisation == {"x": 1}
    later = simulate([[sub("a", 2)], [sub("a", 2)], [sub("a", 2)]], away, error=0, interval=1)
    assert [one.start for one in later.worked] == [0, 5, 7]


def test_tasks_plans_and_lists_are_all_taken():
    seen = []

    def break_down(task):
        seen.append(task.title)
        return Plan(subtasks=CHAIN)

    result = simulate([Task(title="t"), Plan(subtasks=CHAIN), CHAIN], members("x"), break_down=break_down)
    assert seen == ["t"]
    assert result.completed == 3


def test_a_task_is_broken_down_by_the_engine_unless_told_otherwise():
    result = simulate([Task(title="Add an endpoint GET /health")], Squad.default())
    assert result.completed == 1
    assert result.lead_mean > 0


def test_nothing_and_nobody():
    nothing = simulate([], members("x"))
    assert (nothing.completed, nothing.lead_mean, nothing.makespan) == (0, None, 0)
    assert simulate([[]], []).completed == 1
    nobody = simulate([CHAIN], [])
    assert (nobody.unfinished, nobody.stuck, nobody.utilisation) == (1, 3, {})


def test_failures_stop_their_subtree_alone():
    result = simulate([CHAIN], members("x"), failure=1.0)
    assert (result.failures, result.stuck, result.done, result.unfinished) == (2, 3, 0, 1)
    assert result.lead_times == [None]


def test_refusals_are_bounded_and_cost_no_time():
    result = simulate([[sub("a")]], members(*"abcdefgh"), refusal=1.0, max_refusals=3)
    assert (result.refusals, result.stuck, result.makespan) == (4, 1, 0)


def test_what_is_refused_goes_to_somebody_who_is_there():
    work, squad = sub("s", 2), [*members("a"), *members("b", leave=[(0, 9)]), *members("c")]
    luck = (Luck(seed, 0, 0, 0, 0.5) for seed in range(99))
    seed = next(one.seed for one in luck if [one.refuses(0, work, who) for who in "abc"] == [True, False, False])
    result = simulate([[work]], squad, seed=seed, error=0, refusal=0.5)
    assert [(one.member_id, one.start) for one in result.worked] == [("c", 0)]


def test_reworks_add_hours():
    plain, again = (simulate([CHAIN], members("x"), error=0, rework=rate) for rate in (0.0, 1.0))
    assert again.reworks == 9
    assert again.makespan == plain.makespan * 2.5


def test_the_error_has_a_mean_of_one():
    many = [sub(f"s{n}", 10.0) for n in range(2000)]
    result = simulate([many], members("x"), error=0.5)
    assert result.makespan / 20_000 == pytest.approx(1, abs=0.05)


def test_two_policies_meet_the_same_luck():
    plans = [[*CHAIN, sub("d", 1, "b"), sub("e", 2)] for _ in range(20)]
    results = [
        simulate(plans, members("x", "y"), policy, 3, rework=0.2, failure=0.1)
        for policy in ("critical_path", "round_robin")
    ]
    hours = [sum(one.utilisation.values()) * one.makespan for one in results]
    assert hours[0] == pytest.approx(hours[1])
    assert results[0].failures == results[1].failures


@pytest.mark.parametrize("interval", [0, 0.25])
@pytest.mark.parametrize("policy", ["critical_path", "least_loaded"])
def test_fifty_open_tasks_on_a_squad_of_ten_end_by_priority_and_overload_nobody(policy, interval):
    levels = ["low", "normal", "high", "urgent"]
    plans = [
        [one.model_copy(update={"priority": levels[number % 4]}) for one in (*CHAIN, sub("d", 1 + number % 5, "c"))]
        for number in range(50)
    ]
    squad = [*members(*(f"m{n}" for n in range(8))), *members("wide", capacity=2), *members("away", leave=[(5, 20)])]
    result = simulate(plans, squad, policy, 2, rework=0.1, refusal=0.05, interval=interval)
    assert result.completed == 50
    ends = [interval * number + hours for number, hours in enumerate(result.lead_times)]
    last = [max(ends[number::4]) for number in range(4)]
    assert last == sorted(last, reverse=True)
    means = [statistics.fmean(result.lead_times[number::4]) for number in range(4)]
    assert means == sorted(means, reverse=True)
    assert means[3] < means[0] / 2
    capacity = {one.id: one.capacity for one in squad}
    for one in result.worked:
        at_once = sum(
            other.member_id == one.member_id and other.start <= one.start < other.finish for other in result.worked
        )
        assert at_once <= capacity[one.member_id]
    assert len(result.worked) == 200
    assert max(one.finish for one in result.worked) == result.makespan


def test_urgent_tasks_finish_before_others_on_a_busy_squad():
    plans = [
        [one.model_copy(update={"priority": "urgent" if number % 5 == 0 else "low"}) for one in CHAIN]
        for number in range(50)
    ]
    result = simulate(plans, members(*(f"m{n}" for n in range(10))), seed=1)
    urgent = statistics.fmean(result.lead_times[::5])
    rest = statistics.fmean(time for number, time in enumerate(result.lead_times) if number % 5)
    assert urgent < rest / 2
    assert all(0.3 < share <= 1 for share in result.utilisation.values())


@pytest.mark.parametrize(
    ("settings_", "message"),
    [
        ({"failure": -0.1}, "failure is a probability from 0 to 1, not -0.1"),
        ({"rework": 1.5}, "rework is a probability"),
        ({"refusal": float("nan")}, "refusal is a probability"),
        ({"error": -1}, "error is a finite number, 0 or more, not -1"),
        ({"interval": float("inf")}, "interval is a finite number"),
    ],
)
def test_settings_out_of_range_are_named(settings_, message):
    with pytest.raises(InputError, match=message):
        simulate([CHAIN], members("x"), **settings_)


def test_an_unknown_policy_and_a_contradictory_plan_are_refused():
    with pytest.raises(PlanError, match="there is no policy 'magic'"):
        simulate([CHAIN], members("x"), "magic")
    with pytest.raises(PlanError, match="circle"):
        simulate([[sub("a", 1, "a")]], members("x"))


@settings(max_examples=100)
@given(st.lists(problems(6), max_size=4), st.integers(0, 3), st.sampled_from([0.0, 0.3]), st.sampled_from([0.0, 1.5]))
def test_every_subtask_ends_somewhere_and_nobody_works_more_than_there_is_time(drawn, seed, rate, interval):
    squad = drawn[0][1] if drawn else []
    plans = [[one.model_copy(update={"excluded": []}) for one in subtasks] for subtasks, _, _ in drawn]
    fields = {"failure": rate, "rework": rate, "refusal": rate, "interval": interval}
    result = simulate(plans, squad, seed=seed, **fields)
    assert result.completed + result.unfinished == len(plans) == len(result.lead_times)
    assert result.done + result.stuck == sum(map(len, plans))
    assert all(0 <= result.utilisation[one.id] <= 1 + 1e-9 for one in squad if not one.leave)
    assert result == simulate(plans, squad, seed=seed, **fields)
    if rate == 0:
        possible = [all(any(may(member, one) for member in squad) for one in plan) for plan in plans]
        assert [time is not None for time in result.lead_times] == possible


@pytest.mark.timeout(60)  # a second in truth
def test_ten_thousand_subtasks_are_simulated():
    plan = [sub(f"s{n}", 1 + n % 7, *([f"s{n - 150}"] if n >= 150 else [])) for n in range(10_000)]
    assert simulate([plan], members(*(f"m{n}" for n in range(100)))).completed == 1
