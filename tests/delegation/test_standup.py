"""A standup's facts: who did what, who is behind, what stands in the way, what is at risk, all from the board."""

from collections.abc import Mapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from delegation import (
    Assignment,
    Board,
    BoardStatus,
    OutcomeStatus,
    Plan,
    Role,
    Schedule,
    SquadMember,
    Subtask,
    board_status,
)

DEV = Role.BACKEND_DEVELOPER
ADA, BOB = (SquadMember(id=one, name=one, role=DEV) for one in ("ada", "bob"))
LEA = SquadMember(id="lea", name="lea", role=Role.TECH_LEAD)
CHAIN = Plan(
    subtasks=[
        Subtask(id="S1", title="first", role=DEV, effort=2.0),
        Subtask(id="S2", title="second", role=DEV, effort=1.0, depends_on=["S1"]),
        Subtask(id="S3", title="third", role=DEV, effort=1.0),
        Subtask(id="S4", title="fourth", role=DEV, effort=0.5),
    ]
)


def board_of(plan: Plan, owners: Mapping[str, str], members: list[SquadMember], **more: Any) -> Board:
    given_ = [Assignment(subtask_id=one, member_id=member, start=0, finish=1) for one, member in owners.items()]
    return Board(plan, Schedule(assignments=given_, makespan=0, critical_path=[]), members, **more)


def of(status: BoardStatus, member_id: str) -> Any:
    return next(one for one in status.members if one.member_id == member_id)


def test_each_member_has_what_it_did_does_and_does_next() -> None:
    board = board_of(CHAIN, {"S1": "ada", "S2": "ada", "S3": "bob", "S4": "ada"}, [ADA, BOB, LEA])
    assert board.take("bob")
    board.finish("S3", OutcomeStatus.DONE, by="bob")
    assert board.take("ada")
    status = board_status(board, CHAIN, [ADA, BOB, LEA], running={"S1": 1.5}, elapsed=2.0)
    assert [one.member_id for one in status.members] == ["ada", "bob"]
    ada = of(status, "ada")
    assert [(one.subtask_id, one.elapsed, one.estimate, one.is_behind) for one in ada.doing] == [
        ("S1", 1.5, 2.0, False)
    ]
    assert (ada.done, ada.next, ada.blocked) == ([], ["S2", "S4"], [])
    assert of(status, "bob").done == ["S3"]
    velocity = status.velocity
    assert (velocity.subtasks_done, velocity.subtasks, velocity.hours_done, velocity.hours_left) == (1, 4, 1.0, 3.5)
    assert velocity.pace == 0.5
    assert (status.blockers, status.needs_help, status.at_risk, status.takers) == ([], {}, [], {})


def test_behind_is_more_than_half_over_and_what_waits_there_may_be_taken_by_others() -> None:
    board = board_of(CHAIN, dict.fromkeys(["S1", "S2", "S3", "S4"], "ada"), [ADA, BOB, LEA])
    assert board.take("ada")
    on_time = board_status(board, CHAIN, [ADA, BOB, LEA], running={"S1": 3.0}, elapsed=3.0)
    assert on_time.needs_help == {}
    status = board_status(board, CHAIN, [ADA, BOB, LEA], running={"S1": 3.1}, elapsed=3.1, because=["behind: S1"])
    assert status.because == ["behind: S1"]
    assert status.needs_help == {"ada": "is behind on S1"}
    assert [(one.subtask_id, one.reason) for one in status.at_risk] == [
        ("S1", "it is behind, and on the critical path")
    ]
    assert status.takers == {one: ["bob", "lea"] for one in ("S2", "S3", "S4")}
    as_begun = board_status(board, CHAIN, [ADA, BOB, LEA], running={"S1": 3.0}, estimates={"S1": 1.0}, elapsed=3.0)
    assert [(one.estimate, one.is_behind) for one in of(as_begun, "ada").doing] == [(1.0, True)]


def test_a_blocker_weighs_by_what_waits_for_it() -> None:
    board = board_of(CHAIN, {"S1": "ada", "S2": "bob", "S3": "bob", "S4": "ada"}, [ADA, BOB])
    assert board.take("ada")
    board.finish("S1", OutcomeStatus.BLOCKED, by="ada")
    status = board_status(board, CHAIN, [ADA, BOB])
    assert [(one.subtask_id, one.member_id, one.severity, one.waiting) for one in status.blockers] == [
        ("S1", "ada", "medium", 1)
    ]
    assert status.needs_help == {"ada": "cannot go on with S1"}
    assert of(status, "ada").blocked == ["S1"]
    assert [one.subtask_id for one in status.at_risk] == ["S1", "S2"]
    for done in ("S3", "S4"):
        board.finish(done, OutcomeStatus.DONE, by="bob")
    assert board_status(board, CHAIN, [ADA, BOB]).blockers[0].severity == "high"


def test_deadlines_that_cannot_be_kept_are_at_risk() -> None:
    plan = Plan(subtasks=[Subtask(id="S1", title="x", role=DEV, effort=2.0, deadline=2.5)])
    board = board_of(plan, {"S1": "ada"}, [ADA])
    assert board_status(board, plan, [ADA], elapsed=0.5, hours_to_deadline=2.0).at_risk == []
    status = board_status(board, plan, [ADA], elapsed=0.6, hours_to_deadline=1.9)
    assert [(one.subtask_id, one.reason) for one in status.at_risk] == [
        ("S1", "due after 2.5 h; 0.60 h are over, and it takes 2 h"),
        (None, "at least 2 h are left, and the deadline is in 1.90 h"),
    ]
    board.finish("S1", OutcomeStatus.DONE, by="ada")
    assert board_status(board, plan, [ADA], elapsed=9.0, hours_to_deadline=-1.0).at_risk == []


def test_a_pace_is_told_once_there_is_time_to_measure_it_by() -> None:
    board = board_of(CHAIN, dict.fromkeys(["S1", "S2", "S3", "S4"], "ada"), [ADA])
    velocity = board_status(board, CHAIN, [ADA], elapsed=0.004).velocity
    assert (velocity.elapsed, velocity.pace) == (0.0, None)


def test_who_may_take_over_is_there_fits_and_what_is_begun_stays() -> None:
    owners = dict.fromkeys(["S1", "S2", "S3", "S4"], "ada")
    board = board_of(CHAIN, owners, [ADA, BOB, LEA], present={"ada", "bob"}, refusals={"S4": {"bob"}})
    assert board.takers("S3") == ["bob"]
    assert board.takers("S4") == []
    taken = board.take("ada")
    assert taken is not None
    assert board.takers(taken.id) == []
    board.finish(taken.id, OutcomeStatus.DONE, by="ada")
    assert board.takers(taken.id) == []
    away = board_of(CHAIN, owners, [ADA, BOB, LEA], away=lambda: {"bob"})
    assert away.takers("S3") == ["lea"]


@given(st.data())
def test_whoever_may_take_over_has_not_left(data: st.DataObject) -> None:
    members = [ADA, BOB, LEA]
    subtasks: list[Subtask] = []
    for at in range(data.draw(st.integers(1, 6))):
        before = [one.id for one in subtasks]
        on = data.draw(st.lists(st.sampled_from(before), unique=True)) if before else []
        subtasks.append(Subtask(id=f"S{at}", title="x", role=DEV, depends_on=on))
    owners = {one.id: data.draw(st.sampled_from(["ada", "bob"])) for one in subtasks}
    board = board_of(Plan(subtasks=subtasks), owners, members, max_refusals=data.draw(st.integers(0, 2)))
    here = {one.id for one in members}
    while not board.is_over:
        for one in subtasks:
            assert set(board.takers(one.id)) <= here - {board.owner(one.id)}
        for who, got in [(one, got) for one in sorted(here) if (got := board.take(one))]:
            refuses = data.draw(st.booleans())
            board.finish(got.id, OutcomeStatus.REFUSED if refuses else OutcomeStatus.DONE, by=who)
        here -= {one for one in here if board.may_leave(one)}
