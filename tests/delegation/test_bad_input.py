"""What is no plan, no squad and no setting at all: a line that says what is wrong, and never a hang."""

import itertools

import pytest

from delegation import PlanError, Progress, Role, SquadError, SquadMember, Subtask, replan, schedule, simulate
from delegation.windows import presence


def member(**fields):
    return SquadMember(**{"id": "x", "name": "x", "role": Role.TESTER, **fields})


def sub(id_, **fields):
    return Subtask(id=id_, title="t", **fields)


class Misbehaving:
    def __init__(self, answer):
        self.answer = answer

    def order(self, subtasks, members):
        return self.answer() if callable(self.answer) else self.answer


@pytest.mark.parametrize(
    ("subtasks", "members", "arguments", "message"),
    [
        (None, [], {}, "None is no list of Subtasks"),
        (3, [], {}, "3 is no list of Subtasks"),
        ("abc", [], {}, "a str stands where a Subtask should"),
        ([None], [], {}, "a NoneType stands where a Subtask should"),
        ([{"id": "a", "title": "a"}], [], {}, "a dict stands where a Subtask should"),
        ([member()], [sub("a")], {}, "a SquadMember stands where a Subtask should"),
        ([], None, {}, "None is no list of SquadMembers"),
        ([], [sub("a")], {}, "a Subtask stands where a SquadMember should"),
        ([], [], {"busy": None}, "None is no list"),
        ([], [], {"busy": [3]}, "3 is no time that a member is busy"),
        ([], [], {"busy": [("x", 3)]}, r"\('x', 3\) is no time that a member is busy"),
        ([], [], {"busy": [("x", "from", "to")]}, "is no time that a member is busy"),
        ([], [], {"budget_s": None}, "a budget of None seconds is none"),
        ([], [], {"budget_s": "1"}, "a budget of 1 seconds is none"),
        ([], [], {"max_steps": 1.5}, "1.5 steps are none"),
        ([], [], {"max_steps": 1, "seed": [1]}, r"\[1\] is no seed"),
        ([], [], {"weights": {}}, "{} are no weights"),
        ([], [], {"policy": Misbehaving(None)}, "the policy gave no order: TypeError"),
        ([], [], {"policy": Misbehaving(lambda: 1 / 0)}, "the policy gave no order: ZeroDivisionError"),
        ([], [], {"policy": Misbehaving}, "the policy gave no order: TypeError"),
        ([sub("a")], [member()], {"policy": Misbehaving(lambda: itertools.repeat("a"))}, "'a' comes twice"),
        ([sub("a" * 10**6)] * 2, [], {}, "subtask id 'a{80}…' is given twice"),
        ([sub("a", depends_on=["b" * 10**6])], [], {}, "subtask 'a' depends on 'b{80}…', which is not in the plan"),
    ],
)
def test_what_is_handed_over_in_the_wrong_place_is_named(subtasks, members, arguments, message):
    with pytest.raises(PlanError, match=message) as caught:
        schedule(subtasks, members, **arguments)
    assert caught.value.hint


@pytest.mark.parametrize(
    "call",
    [
        lambda: simulate(None, None),
        lambda: simulate([None], [member()]),
        lambda: simulate([[{"id": "a"}]], [member()]),
        lambda: simulate([], [member()], error="much"),
        lambda: replan(None, [], schedule([], [])),
        lambda: replan([], [], None),
        lambda: replan([], [], schedule([], []), {}),
        lambda: replan([], [], schedule([], []), Progress(), weights=None),
    ],
)
def test_simulation_and_new_plans_refuse_it_alike(call):
    with pytest.raises(SquadError):
        call()


def test_a_policy_may_raise_an_error_of_the_project():
    def refuse():
        raise PlanError("not today")

    with pytest.raises(PlanError, match=r"^not today$"):
        schedule([], [], policy=Misbehaving(refuse))


def test_more_hands_than_work_cost_nothing():
    plan = schedule([sub("a"), sub("b"), sub("c", effort=3)], [member(capacity=10**9)], busy=[("x", 0, 1)])
    assert plan.makespan == 3


def test_leaves_may_overlap_touch_and_come_in_any_order():
    leave = ((7, 8), (1, 5), (0, 2), (8, 9), (20, 20), (7.5, 7.6))
    assert presence(member(available_from=0.5, leave=leave)) == ((5, 7), (9, float("inf")))


def test_a_hundred_thousand_leaves_are_taken_out_in_one_go():
    leave = tuple((2.0 * n + 1, 2.0 * n + 2) for n in range(100_000))
    assert len(presence(member(leave=leave))) == 100_001
    assert schedule([sub("a", effort=1), sub("b", effort=2)], [member(leave=leave)]).makespan == 200_002
