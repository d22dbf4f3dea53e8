import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delegation import Assignment, OutcomeStatus, Plan, PlanError, Role, Schedule, SquadMember, Subtask, Unassigned
from delegation.board import Board
from delegation.eligibility import fits

DONE, REFUSED, BLOCKED, FAILED = OutcomeStatus.DONE, OutcomeStatus.REFUSED, OutcomeStatus.BLOCKED, OutcomeStatus.FAILED


def members(*ids, **fields):
    return [SquadMember(id=one, name=one, role=Role.BACKEND_DEVELOPER, **fields) for one in ids]


def board(subtasks, owners, squad=None, *, unassigned=(), **settings_):
    """Build a board where ``owners`` maps subtask id to member id."""
    squad = squad if squad is not None else members(*sorted(set(owners.values())))
    schedule = Schedule(
        assignments=[Assignment(subtask_id=k, member_id=v, start=0, finish=1) for k, v in owners.items()],
        makespan=1,
        critical_path=[],
        unassigned=list(unassigned),
    )
    return Board(Plan(subtasks=subtasks), schedule, squad, **settings_)


def sub(id_, *depends_on, **fields):
    return Subtask(id=id_, title=id_, depends_on=list(depends_on), **fields)


def test_a_chain_between_two_members():
    it = board([sub("S1"), sub("S2", "S1")], {"S1": "a", "S2": "b"})
    assert it.take("b") is None
    assert not it.may_leave("b")
    assert it.take("a").id == "S1"
    assert it.take("a") is None
    assert it.taken == {"S1": "a"}
    assert it.status("S1") is None
    assert it.finish("S1", DONE, by="a") is None
    assert it.remaining == ["S2"]
    assert it.take("b").id == "S2"
    it.finish("S2", DONE, by="b")
    assert it.is_done
    assert it.may_leave("a")
    assert it.may_leave("b")
    assert (it.remaining, it.stuck, it.taken) == ([], {}, {})
    assert it.status("S2") is DONE


def test_priority_then_path_then_plan_order():
    subtasks = [
        sub("low", priority="low", effort=50),
        sub("first"),
        sub("second"),
        sub("long"),
        sub("tail", "long", effort=9),
        sub("urgent", priority="urgent", effort=0.1),
    ]
    it = board(subtasks, {one.id: "a" for one in subtasks})
    assert [it.take("a").id for _ in range(5)] == ["urgent", "long", "first", "second", "low"]
    assert it.take("a") is None


def test_a_release_makes_it_ready_again_for_the_same_member():
    it = board([sub("S1")], {"S1": "a"})
    it.take("a")
    it.release("S1")
    assert it.taken == {}
    it.release("S1")  # a second release changes nothing
    assert it.take("a").id == "S1"
    assert it.take("a") is None


def test_a_refusal_goes_to_the_exact_role_then_the_least_load_then_the_id():
    squad = [
        *members("a", "b", "c", "d"),
        SquadMember(id="lead", name="lead", role=Role.TECH_LEAD),
        SquadMember(id="tester", name="tester", role=Role.TESTER),
    ]
    subtasks = [sub("S1", role="backend_developer"), sub("S2", effort=3)]
    it = board(subtasks, {"S1": "a", "S2": "b"}, squad, max_refusals=9)
    handed = []
    who = "a"
    while who:
        assert it.take(who).id in {"S1", "S2"}
        handed.append(who)
        who = it.finish("S1", REFUSED, by=who)
    # b holds S2 and comes after those with nothing to do; a tester never gets it.
    assert handed == ["a", "c", "d", "b", "lead"]
    assert it.status("S1") is BLOCKED
    assert it.stuck == {"S1": "blocked: refused by a, b, c, d, lead, and nobody else may do it"}
    assert it.owner("S1") == "lead"


def test_who_is_on_leave_is_handed_work_only_where_nobody_else_may_do_it():
    away = {"b", "c"}
    squad = [*members("a", "b", "c"), SquadMember(id="lead", name="lead", role=Role.TECH_LEAD)]
    it = board([sub("S1", role="backend_developer")], {"S1": "a"}, squad, away=lambda: away)
    assert it.take("a").id == "S1"
    assert it.finish("S1", REFUSED, by="a") == "lead"
    assert it.take("lead").id == "S1"
    away.discard("c")
    assert it.finish("S1", REFUSED, by="lead") == "c"
    assert it.take("c").id == "S1"
    assert it.finish("S1", REFUSED, by="c") == "b"


def test_refusals_are_bounded():
    it = board([sub("S1")], {"S1": "a"}, members("a", "b", "c"), max_refusals=1)
    assert it.finish("S1", REFUSED, by="a") == "b"
    assert it.may_leave("c")  # one more refusal ends it, so it cannot come to c
    assert it.finish("S1", REFUSED, by="b") is None
    assert it.stuck == {"S1": "blocked: refused 2 times, by a, b"}
    assert it.status("S1") is BLOCKED


def test_what_waits_for_a_failed_or_blocked_one_is_stuck_and_the_rest_goes_on():
    subtasks = [sub("S1"), sub("S2", "S1"), sub("S3", "S2"), sub("S4"), sub("S5", "S4"), sub("S6")]
    it = board(subtasks, {one.id: "a" for one in subtasks})
    it.take("a")
    it.finish("S1", FAILED, by="a")
    it.finish("S4", BLOCKED, by="a")
    assert it.stuck == {
        "S1": "failed",
        "S2": "waits for S1, which failed",
        "S3": "waits for S1, which failed",
        "S4": "blocked: it waits for an answer",
        "S5": "waits for S4, which is blocked",
    }
    assert it.remaining == ["S6"]
    assert it.take("a").id == "S6"
    it.finish("S6", DONE, by="a")
    assert not it.is_done
    assert it.may_leave("a")


def test_unassigned_ones_are_stuck_with_the_schedules_reason():
    reason = "needs kubernetes 2; the closest is a with 1"
    it = board(
        [sub("S1"), sub("S2", "S1"), sub("S3"), sub("S4")],
        {"S3": "a"},
        unassigned=[Unassigned(subtask_id="S1", reason=reason)],
    )
    assert it.stuck == {
        "S1": f"unassigned: {reason}",
        "S2": "waits for S1, which is unassigned",
        "S4": "unassigned: the schedule does not name it",
    }
    assert it.owner("S1") is None


def test_an_owner_who_is_not_there_or_has_refused_is_replaced_at_once():
    it = board([sub("S1"), sub("S2")], {"S1": "gone", "S2": "a"}, members("a", "b"), refusals={"S2": ["a"]})
    assert it.owner("S1") == "b"
    assert it.owner("S2") in {"a", "b"}
    assert it.owner("S2") != "a"
    alone = board([sub("S1")], {"S1": "gone"}, [])
    assert alone.stuck == {"S1": "blocked: gone is not there, and nobody else may do it: there are no members"}


def test_stored_outcomes_are_restored():
    subtasks = [sub("S1"), sub("S2", "S1"), sub("S3"), sub("S4", "S3"), sub("S5", "S3")]
    it = board(
        subtasks,
        {"S1": "a", "S2": "a", "S3": "a", "S4": "a", "S5": "a"},
        members("a", "b"),
        outcomes={"S1": DONE, "S2": REFUSED, "S3": FAILED, "S5": DONE, "elsewhere": DONE},
        refusals={"S2": {"b"}},
    )
    assert it.stuck == {"S3": "failed", "S4": "waits for S3, which failed"}
    assert it.remaining == ["S2"]
    assert it.status("S2") is None
    assert it.finish("S2", REFUSED, by="a") is None
    worn_out = board([sub("S1")], {"S1": "c"}, members(*"abc"), refusals={"S1": {"a", "b"}}, max_refusals=1)
    assert worn_out.stuck == {"S1": "blocked: refused 2 times, by a, b"}


def test_nobody_waits_for_a_member_that_is_not_present():
    it = board([sub("S1"), sub("S2")], {"S1": "a", "S2": "b"}, present=["a"])
    assert it.take("a").id == "S1"
    assert it.finish("S1", DONE, by="a") is None
    assert it.may_leave("a")
    assert it.remaining == ["S2"]


def test_finishing_twice():
    it = board([sub("S1")], {"S1": "a"})
    it.finish("S1", DONE, by="a")
    assert it.finish("S1", DONE, by="a") is None
    with pytest.raises(PlanError, match="subtask 'S1' has ended already: done"):
        it.finish("S1", FAILED, by="a")
    with pytest.raises(PlanError, match="subtask 'S9' is not in the plan"):
        it.finish("S9", DONE, by="a")
    assert it.take("nobody") is None
    assert it.may_leave("nobody")


def test_an_empty_plan_is_done():
    it = board([], {}, [])
    assert it.is_done
    assert it.remaining == []


@pytest.mark.timeout(60)  # less than a second in truth; a look at all of them for each one takes minutes
def test_ten_thousand_subtasks_are_taken_and_finished():
    subtasks = [sub(f"s{n}", *([f"s{n - 100}"] if n >= 100 else [])) for n in range(10_000)]
    squad = members(*(f"m{n}" for n in range(50)))
    it = board(subtasks, {one.id: f"m{n % 50}" for n, one in enumerate(subtasks)}, squad)
    while not it.is_done:
        for member in squad:
            while subtask := it.take(member.id):
                it.finish(subtask.id, DONE, by=member.id)
            it.may_leave(member.id)


@st.composite
def games(draw):
    squad = [
        SquadMember(
            id=f"m{n}",
            name="m",
            role=draw(st.sampled_from([Role.BACKEND_DEVELOPER, Role.TECH_LEAD, Role.TESTER])),
            skills={"go": draw(st.integers(0, 2))},
        )
        for n in range(draw(st.integers(1, 4)))
    ]
    subtasks = [
        sub(
            str(n),
            *(str(one) for one in (draw(st.sets(st.integers(0, n - 1), max_size=3)) if n else ())),
            role=draw(st.sampled_from([None, Role.BACKEND_DEVELOPER, Role.TESTER])),
            skills=draw(st.sampled_from([{}, {"go": 1}, {"go": 2}])),
            priority=draw(st.sampled_from(["low", "normal", "high"])),
            effort=draw(st.integers(0, 5)),
        )
        for n in range(draw(st.integers(0, 9)))
    ]
    able = {one.id: [member.id for member in squad if fits(member, one)] for one in subtasks}
    owners = {one: draw(st.sampled_from(who)) for one, who in able.items() if who}
    present = draw(st.one_of(st.none(), st.sets(st.sampled_from([member.id for member in squad]), min_size=1)))
    return squad, subtasks, owners, present


@settings(max_examples=300)
@given(games(), st.data())
def test_whatever_happens_on_the_board_its_promises_hold(game, data):
    squad, subtasks, owners, present = game
    it = board(subtasks, owners, squad, present=present, max_refusals=2)
    here = sorted(present) if present is not None else [member.id for member in squad]
    by_id = {one.id: one for one in subtasks}
    working: dict[str, str] = {}
    refused: dict[str, set[str]] = {one: set() for one in by_id}
    inside = set(here)
    for _ in range(500):
        waiting = {who: None for who in here if who in inside and not it.may_leave(who)}
        inside = set(waiting)
        if not waiting and not working:
            break
        progressed = False
        for who in waiting:
            if (subtask := it.take(who)) is not None:
                progressed = True
                assert subtask.id not in working
                assert all(it.status(one) is DONE for one in subtask.depends_on)
                assert who not in refused[subtask.id]
                assert it.owner(subtask.id) == who
                working[subtask.id] = who
        assert it.taken == working
        # Somebody waits only where something is at work.
        assert working or progressed or not inside
        if working:
            one = data.draw(st.sampled_from(sorted(working)))
            who = working.pop(one)
            if (end := data.draw(st.sampled_from([*OutcomeStatus, None]))) is None:
                it.release(one)
                continue
            heir = it.finish(one, end, by=who)
            if end is REFUSED:
                refused[one].add(who)
                assert len(refused[one]) <= 3
                assert (heir is None) == (it.status(one) is BLOCKED)
                assert heir is None or (heir not in refused[one] and heir == it.owner(one))
        done = {one for one in by_id if it.status(one) is DONE}
        parts = [done, set(it.remaining), set(it.stuck)]
        assert sum(map(len, parts)) == len(by_id)
        assert set.union(*parts) == set(by_id)
        assert it.is_over == (not it.remaining)
    else:
        # Only endless releases can keep a board going for that long.
        assert working or inside
    if present is None and not working and not inside:
        assert it.remaining == []
