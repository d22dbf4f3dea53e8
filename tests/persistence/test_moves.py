"""Moves: one compare-and-swap with all of a step's effects, or nothing."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from delegation import Answer, Deliverable, GateKind, GateStatus, Message, MessageType, NewGate, Outcome, OutcomeStatus
from persistence import (
    Database,
    Done,
    Effects,
    Handover,
    Move,
    MovedOn,
    Record,
    apply_move,
    claim_gate,
    guard,
    load_assignments,
    load_execution,
    load_gates,
    load_logs,
    load_move,
    load_progress,
    load_record,
    load_transition,
    load_transitions,
    load_work,
    mark_started,
    store_effects,
    utc_now,
    withdraw_gates,
)

TABLES = ("transitions", "logs", "messages", "assignments", "outcomes", "gates", "journal")


def counts(connection: Connection) -> dict[str, int]:
    return {one: connection.execute(text(f"SELECT count(*) FROM {one}")).scalar_one() for one in TABLES}  # noqa: S608


def whole_effects(execution_id: UUID) -> Effects:
    """Return effects of every kind."""
    now = utc_now()
    deliverable = Deliverable(kind="work_order", title="t", body="b", criteria=["c"])
    effects = Effects(
        messages=[Message(execution_id=execution_id, sender="pm", type=MessageType.APPROVAL, content="go")],
        handovers=[Handover("s1", "dev", 0.0, 1.5, "best fit"), Handover("s2", "tester", 1.5, 2.0)],
        work=[Done("s1", "dev", 1, 1, Outcome(status=OutcomeStatus.DONE, note="n", deliverable=deliverable), now, now)],
        gates=[NewGate(kind=GateKind.APPROVAL, question="ok?"), NewGate(kind=GateKind.BLOCKER, question="why?")],
        columns={"error_message": "told"},
        record=Record("task-1", "answer", {"a": [1]}),
    )
    effects.log("analysed", "It is small", areas=["backend"])
    return effects


def move_of(execution_id: UUID, /, **changed: Any) -> Move:
    move = Move(execution_id=execution_id, from_state="pending", to_state="analyzing")
    return replace(move, **changed)


async def test_a_move_stores_the_transition_and_every_effect_once(database: Database, execution: Any) -> None:
    effects = whole_effects(execution.id)
    move = move_of(
        execution.id,
        reason="picked up",
        metadata={"by": "me"},
        delta={"plan": {"subtasks": [1]}, "requirements": {"x": 1}, "round": 1},
        task_id="task-0",
        checkpoint_id="cp",
        seq=0,
        epoch=0,
    )
    assert await database.write(lambda connection: apply_move(connection, move, effects)) == 1

    def look(connection: Connection) -> None:
        row = load_execution(connection, execution.id)
        assert (row.status, row.seq, row.error_message) == ("analyzing", 1, "told")
        assert (row.plan, row.requirements, row.ended_at) == ({"subtasks": [1]}, {"x": 1}, None)
        (one,) = load_transitions(connection, execution.id)
        assert (one.seq, one.from_state, one.to_state, one.reason) == (1, "pending", "analyzing", "picked up")
        assert (one.metadata, one.delta, one.checkpoint_id) == ({"by": "me"}, move.delta, "cp")
        assert load_move(connection, "task-0") == one == load_transition(connection, execution.id, 1)
        assert load_move(connection, "task-1") is None
        assert load_record(connection, "task-1", "answer") == {"a": [1]}
        assert load_record(connection, "task-1", "other") is None
        (line,) = load_logs(connection, execution.id)
        assert (line.event, line.text, line.data) == ("analysed", "It is small", {"areas": ["backend"]})
        assert {
            key: (a.member_id, a.start, a.finish) for key, a in load_assignments(connection, execution.id).items()
        } == {
            "s1": ("dev", 0.0, 1.5),
            "s2": ("tester", 1.5, 2.0),
        }
        (work,) = load_work(connection, execution.id)
        assert work == effects.work[0]
        gates = load_gates(connection, execution.id)
        assert [(gate.question, gate.origin_state, gate.status) for gate in gates] == [
            ("ok?", "pending", GateStatus.OPEN),
            ("why?", "pending", GateStatus.OPEN),
        ]
        assert counts(connection) == {
            "transitions": 1,
            "logs": 1,
            "messages": 2,
            "assignments": 2,
            "outcomes": 1,
            "gates": 2,
            "journal": 1,
        }
        progress = load_progress(connection, execution.id)
        assert (progress["message_count"], progress["subtasks_done"], progress["subtasks_total"]) == (2, 1, 1)

    await database.read(look)
    assert effects.messages[-1].type is MessageType.STATE_TRANSITION  # for the caller to deliver
    assert effects.messages[-1].content == "pending -> analyzing: picked up"
    assert effects.messages[-1].metadata == {"seq": 1, "from_state": "pending", "to_state": "analyzing"}


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"from_state": "analyzing", "to_state": "planning"}, "pending"),
        ({"seq": 1}, "pending"),
        ({"seq": -1}, "pending"),
        ({"epoch": 1}, "pending"),
        ({"execution_id": uuid4()}, None),
    ],
    ids=["state", "seq-ahead", "seq-behind", "epoch", "missing"],
)
async def test_a_move_from_elsewhere_stores_nothing_and_says_where_the_execution_is(
    database: Database, execution: Any, changed: dict[str, Any], status: str | None
) -> None:
    move = move_of(execution.id, **changed)
    before = await database.read(lambda connection: load_execution(connection, execution.id))
    with pytest.raises(MovedOn) as raised:
        await database.write(lambda connection: apply_move(connection, move, whole_effects(move.execution_id)))
    assert raised.value.status == status
    assert set((await database.read(counts)).values()) == {0}
    assert await database.read(lambda connection: load_execution(connection, execution.id)) == before


async def test_an_effect_that_cannot_be_stored_undoes_the_move(database: Database, execution: Any) -> None:
    effects = whole_effects(execution.id)
    effects.messages.append(effects.messages[0])  # the same id twice
    with pytest.raises(IntegrityError):
        await database.write(lambda connection: apply_move(connection, move_of(execution.id), effects))
    assert set((await database.read(counts)).values()) == {0}
    assert (await database.read(lambda connection: load_execution(connection, execution.id))).status == "pending"


async def test_of_many_that_make_the_same_move_one_wins(tmp_path: Any, new_execution: Any) -> None:
    file = str(tmp_path / "squad.db")
    async with await Database.open(file) as one, await Database.open(file) as other:
        execution = await one.write(new_execution)

        async def attempt(database: Database) -> bool:
            try:
                await database.write(lambda connection: apply_move(connection, move_of(execution.id), Effects()))
            except MovedOn:
                return False
            return True

        won = await asyncio.gather(*(attempt(database) for database in [one, other] * 10))
        assert won.count(True) == 1
        assert len(await one.read(lambda connection: load_transitions(connection, execution.id))) == 1


async def test_guard_lets_through_what_is_in_place_and_under_its_lease(database: Database, execution: Any) -> None:
    await database.write(lambda connection: guard(connection, execution.id, "pending", None))
    await database.write(lambda connection: guard(connection, execution.id, "pending", 0))
    for state, epoch in (("analyzing", None), ("pending", 1)):
        with pytest.raises(MovedOn, match="pending"):
            await database.write(lambda connection, at=(state, epoch): guard(connection, execution.id, *at))
    row = await database.read(lambda connection: load_execution(connection, execution.id))
    assert (row.seq, row.status) == (0, "pending")


async def test_blocking_keeps_the_origin_and_leaving_it_withdraws_open_gates(
    database: Database, execution: Any
) -> None:
    def block(connection: Connection) -> None:
        apply_move(connection, move_of(execution.id, to_state="blocked"), whole_effects(execution.id))
        row = load_execution(connection, execution.id)
        assert (row.origin_state, row.blocked_at is not None, row.ended_at) == ("pending", True, None)
        first, _ = load_gates(connection, execution.id)
        assert claim_gate(connection, execution.id, first.id, Answer(text="yes"))
        assert not claim_gate(connection, execution.id, first.id, Answer(text="again"))
        assert not claim_gate(connection, uuid4(), first.id, Answer(text="another's"))

    def leave(connection: Connection) -> None:
        apply_move(connection, move_of(execution.id, from_state="blocked"), Effects())

    await database.write(block)
    await database.write(leave)
    gates = await database.read(lambda connection: load_gates(connection, execution.id))
    assert [gate.status for gate in gates] == [GateStatus.ANSWERED, GateStatus.WITHDRAWN]
    assert gates[0].answer == {"decision": "respond", "text": "yes"}
    assert all(gate.closed_at for gate in gates)


@pytest.mark.parametrize("final", ["completed", "failed"])
async def test_ending_withdraws_open_gates_and_notes_the_time(database: Database, execution: Any, final: str) -> None:
    effects = whole_effects(execution.id)
    await database.write(lambda connection: store_effects(connection, execution.id, effects, origin_state="pending"))
    await database.write(lambda connection: apply_move(connection, move_of(execution.id, to_state=final), Effects()))
    gates = await database.read(lambda connection: load_gates(connection, execution.id))
    assert {gate.status for gate in gates} == {GateStatus.WITHDRAWN}
    assert (await database.read(lambda connection: load_execution(connection, execution.id))).ended_at


async def test_a_move_between_other_states_leaves_gates_open(database: Database, execution: Any) -> None:
    effects = whole_effects(execution.id)
    await database.write(lambda connection: apply_move(connection, move_of(execution.id), effects))
    gates = await database.read(lambda connection: load_gates(connection, execution.id))
    assert {gate.status for gate in gates} == {GateStatus.OPEN}
    await database.write(lambda connection: withdraw_gates(connection, execution.id))
    gates = await database.read(lambda connection: load_gates(connection, execution.id))
    assert {gate.status for gate in gates} == {GateStatus.WITHDRAWN}


async def test_effects_without_a_move_are_stored_with_their_columns(database: Database, execution: Any) -> None:
    effects = whole_effects(execution.id)
    before = await database.read(lambda connection: load_execution(connection, execution.id))
    await database.write(lambda connection: store_effects(connection, execution.id, effects, origin_state="testing"))
    row = await database.read(lambda connection: load_execution(connection, execution.id))
    assert (row.status, row.seq, row.error_message) == ("pending", 0, "told")
    assert row.updated_at >= before.updated_at
    assert (await database.read(counts))["transitions"] == 0
    gates = await database.read(lambda connection: load_gates(connection, execution.id))
    assert {gate.origin_state for gate in gates} == {"testing"}


async def test_a_record_is_stored_once(database: Database, execution: Any) -> None:
    effects = Effects(record=Record("task", "key", {}))
    await database.write(lambda connection: store_effects(connection, execution.id, effects))
    with pytest.raises(IntegrityError):
        await database.write(lambda connection: store_effects(connection, execution.id, effects))


async def test_the_newest_turn_of_assignments_and_outcomes_counts(database: Database, execution: Any) -> None:
    now = utc_now()

    def store(connection: Connection) -> None:
        for turn, (member, status) in enumerate([("a", OutcomeStatus.REFUSED), ("b", OutcomeStatus.DONE)]):
            done = Done("s", member, turn + 1, turn + 1, Outcome(status=status), now, now + timedelta(seconds=turn))
            effects = Effects(handovers=[Handover("s", member, 0, 1), Handover("t", member, 0, 1)], work=[done])
            store_effects(connection, execution.id, effects)
        mark_started(connection, execution.id, "s", now)

    await database.write(store)
    assigned = await database.read(lambda connection: load_assignments(connection, execution.id))
    assert (assigned["s"].member_id, assigned["s"].started_at, assigned["t"].started_at) == ("b", now, None)
    work = await database.read(lambda connection: load_work(connection, execution.id))
    assert [(one.member_id, one.outcome.status.value) for one in work] == [("a", "refused"), ("b", "done")]
    assert await done_of(database, execution) == 1


async def test_what_was_done_for_an_earlier_plan_is_no_progress(database: Database, execution: Any) -> None:
    now = utc_now()
    done = Done("s", "a", 1, 1, Outcome(status=OutcomeStatus.DONE), now, now)
    await database.write(lambda connection: store_effects(connection, execution.id, Effects(work=[done])))
    assert await done_of(database, execution) == 1
    move = move_of(execution.id, delta={"since": 2, "round": 2})
    await database.write(lambda connection: apply_move(connection, move, Effects()))
    assert await done_of(database, execution) == 0


async def done_of(database: Database, execution: Any) -> int:
    found = await database.read(lambda connection: load_progress(connection, execution.id))
    return int(found["subtasks_done"])


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["a", "b"]), st.integers(-1, 1) | st.none(), st.integers(0, 1) | st.none()),
        max_size=12,
    )
)
async def test_the_log_is_free_of_gaps_whatever_is_tried(
    database: Database, new_execution: Any, steps: list[tuple[str, int | None, int | None]]
) -> None:
    """Each move counts if and only if state, number and lease are the row's; the log's numbers are then 1, 2, 3, …"""
    states = {"a": "analyzing", "b": "planning"}
    execution = await database.write(lambda connection: new_execution(connection, "analyzing"))
    at, done = "a", 0
    for start, off, epoch in steps:
        seq = None if off is None else done + off
        to = "b" if start == "a" else "a"
        move = move_of(execution.id, from_state=states[start], to_state=states[to], seq=seq, epoch=epoch)
        fits = start == at and off in {None, 0} and epoch in {None, 0}
        attempt = database.write(lambda connection, move=move: apply_move(connection, move, Effects()))
        if not fits:
            with pytest.raises(MovedOn) as raised:
                await attempt
            assert raised.value.status == states[at]
        else:
            at, done = to, done + 1
            assert await attempt == done
    log = await database.read(lambda connection: load_transitions(connection, execution.id))
    assert [one.seq for one in log] == list(range(1, done + 1))
    row = await database.read(lambda connection: load_execution(connection, execution.id))
    assert (row.seq, row.status) == (done, states[at])
