"""Copies of an execution as it stood at one of its transitions."""

from datetime import timedelta
from itertools import pairwise
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Connection, text

from delegation import Answer, GateKind, GateStatus, NewGate, Outcome, OutcomeStatus
from persistence import (
    Database,
    Done,
    Effects,
    Handover,
    Move,
    apply_move,
    claim_gate,
    copy_execution,
    load_assignments,
    load_dossier,
    load_execution,
    load_facts,
    load_gates,
    load_transition,
    load_transitions,
    load_work,
    mark_started,
    store_effects,
    utc_now,
)

LINE = ("pending", "analyzing", "planning", "delegated", "in_progress", "reviewing", "blocked", "testing", "completed")


def live(connection: Connection, execution: Any) -> None:
    """Take the execution along the line to its end, with something stored at each step."""
    for seq, (start, end) in enumerate(pairwise(LINE), start=1):
        effects, delta = Effects(), {}
        effects.log("step", end)
        if end == "planning":
            delta = {"requirements": {"complexity": 3}}
        if end == "delegated":
            delta = {"plan": {"subtasks": [{"id": "s", "title": "t"}]}}
        if end == "in_progress":
            effects.handovers.append(Handover("s", "dev", 0, 1))
        if end == "blocked":
            effects.gates += [NewGate(kind=GateKind.BLOCKER, question=text) for text in ("one?", "two?")]
        if end == "completed":
            effects.columns = {"result": {"ok": True}, "error_message": None}
        move = Move(
            execution_id=execution.id,
            from_state=start,
            to_state=end,
            delta=delta,
            metadata={"n": seq},
            task_id=f"task-{seq}",
            checkpoint_id=f"cp-{seq}",
        )
        apply_move(connection, move, effects)
        if end == "in_progress":
            now = utc_now()
            mark_started(connection, execution.id, "s", now)
            done = Done("s", "dev", 1, 1, Outcome(status=OutcomeStatus.DONE), now, now + timedelta(microseconds=1))
            store_effects(connection, execution.id, Effects(work=[done]))
        if end == "blocked":
            first, _ = load_gates(connection, execution.id)
            assert claim_gate(connection, execution.id, first.id, Answer(text="yes"))


@pytest.fixture
async def lived(database: Database, execution: Any) -> Any:
    """An execution that has ended."""
    await database.write(lambda connection: live(connection, execution))
    return execution


async def copied(database: Database, execution: Any, seq: int) -> Any:
    new_id = uuid4()

    def copy(connection: Connection) -> None:
        transition = load_transition(connection, execution.id, seq)
        assert transition is not None
        copy_execution(connection, load_execution(connection, execution.id), transition, new_id)

    await database.write(copy)
    return new_id


@pytest.mark.parametrize("seq", range(1, 8))
async def test_a_copy_stands_where_the_original_stood(database: Database, lived: Any, seq: int) -> None:
    before = await database.read(lambda connection: load_dossier(connection, lived.id))
    new_id = await copied(database, lived, seq)

    def look(connection: Connection) -> None:
        row, original = load_execution(connection, new_id), load_execution(connection, lived.id)
        assert (row.status, row.seq, row.forked_from, row.forked_at) == (LINE[seq], seq, lived.id, seq)
        assert (row.result, row.ended_at, row.error_message) == (None, None, None)
        assert (row.lease_owner, row.lease_epoch) == (None, 0)
        assert row.thread_id == str(new_id) != original.thread_id
        assert row.requirements == (original.requirements if seq >= 2 else None)
        assert row.plan == (original.plan if seq >= 3 else None)
        assert row.task_id != original.task_id
        assert load_facts(connection, row).task == load_facts(connection, original).task
        assert load_facts(connection, row).squad == load_facts(connection, original).squad
        log, theirs = load_transitions(connection, new_id), load_transitions(connection, lived.id)
        assert [(one.seq, one.from_state, one.to_state, one.metadata, one.delta, one.at) for one in log] == [
            (one.seq, one.from_state, one.to_state, one.metadata, one.delta, one.at) for one in theirs[:seq]
        ]
        assert {(one.task_id, one.checkpoint_id) for one in log} == {(None, None)}  # those are the original's thread's
        assert [one.subtask_id for one in load_work(connection, new_id)] == (["s"] if seq >= 5 else [])
        assert list(load_assignments(connection, new_id)) == (["s"] if seq >= 4 else [])

    await database.read(look)
    assert await database.read(lambda connection: load_dossier(connection, lived.id)) == before


async def test_a_copy_from_before_the_work_has_nothing_started(database: Database, lived: Any) -> None:
    new_id = await copied(database, lived, 4)
    assigned = await database.read(lambda connection: load_assignments(connection, new_id))
    assert (assigned["s"].member_id, assigned["s"].started_at) == ("dev", None)
    later = await copied(database, lived, 5)
    assigned = await database.read(lambda connection: load_assignments(connection, later))
    assert assigned["s"].started_at is not None


async def test_a_copy_that_is_blocked_asks_again_and_knows_its_origin(database: Database, lived: Any) -> None:
    new_id = await copied(database, lived, 6)
    row = await database.read(lambda connection: load_execution(connection, new_id))
    assert (row.status, row.origin_state, row.blocked_at is not None) == ("blocked", "reviewing", True)
    gates = await database.read(lambda connection: load_gates(connection, new_id))
    originals = await database.read(lambda connection: load_gates(connection, lived.id))
    assert [(gate.question, gate.status, gate.answer) for gate in gates] == [
        ("one?", GateStatus.OPEN, None),
        ("two?", GateStatus.OPEN, None),
    ]
    assert [gate.status for gate in originals] == [GateStatus.ANSWERED, GateStatus.WITHDRAWN]
    assert {gate.id for gate in gates}.isdisjoint(gate.id for gate in originals)
    for seq, kept in ((5, []), (7, [gate.status for gate in originals])):  # what was answered stays answered
        other = await copied(database, lived, seq)
        gates = await database.read(lambda connection, other=other: load_gates(connection, other))
        assert [gate.status for gate in gates] == kept


async def test_a_copy_can_be_copied_and_moved_on(database: Database, lived: Any) -> None:
    first = await copied(database, lived, 5)
    move = Move(execution_id=first, from_state="reviewing", to_state="testing", seq=5, epoch=0)
    assert await database.write(lambda connection: apply_move(connection, move, Effects())) == 6
    row = await database.read(lambda connection: load_execution(connection, first))
    assert row.status == "testing"
    count = text("SELECT count(*) FROM tasks")
    assert await database.read(lambda connection: connection.execute(count).scalar()) == 2
