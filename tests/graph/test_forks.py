"""``orchestrator.fork``: from every transition, of an execution that has ended and of one that is open."""

from typing import Any
from uuid import UUID

import pytest
from scripted import all_roles
from sqlalchemy import select
from test_client_forks import asks_once

from graph import TaskOrchestrator
from persistence import Database, load_execution, load_gates, load_transition
from persistence.base import table
from persistence.tables import AssignmentRow, OutcomeRow

STATES = ["analyzing", "planning", "delegated", "in_progress", "blocked", "in_progress", "reviewing", "testing"]


@pytest.fixture
def crew(database: Database) -> TaskOrchestrator:
    """An orchestrator whose members ask one question."""
    return TaskOrchestrator(database=database, agents=all_roles(asks_once))


async def blocked(crew: TaskOrchestrator, database: Database, store: Any) -> UUID:
    stored = await store(database)
    async with database.session() as db:
        execution_id = await crew.execute_task(db=db, task=stored.task, squad_id=stored.squad.id)
    assert (await crew.run(execution_id))["status"] == "blocked"
    return execution_id


async def answered(crew: TaskOrchestrator, database: Database, execution_id: UUID) -> dict[str, Any]:
    """Go on to the end, answering the question where it is asked; returns the summary."""
    summary = await crew.run(execution_id)
    for gate in await database.read(lambda connection: load_gates(connection, execution_id)):
        if gate.status == "open":
            await crew.answer(execution_id, gate.id, text="the old API")
            summary = await crew.run(execution_id)
    return summary


async def check_fork(crew: TaskOrchestrator, database: Database, origin: UUID, seq: int) -> None:
    before = await crew.get_execution_summary(origin)
    fork = await crew.fork(origin, seq)

    def look(connection: Any) -> None:
        row, moved = load_execution(connection, fork), load_transition(connection, origin, seq)
        assert moved is not None
        assert (row.status, row.seq, row.forked_from, row.forked_at) == (STATES[seq - 1], seq, origin, seq)
        assert row.thread_id == str(fork)
        given = {}
        for model in (AssignmentRow, OutcomeRow):
            rows = table(model)
            both = [connection.execute(select(rows).where(rows.c.execution_id == one)).all() for one in (origin, fork)]
            assert {(one.subtask_id, one.turn) for one in both[1]} == {
                (one.subtask_id, one.turn) for one in both[0] if one.at <= moved.at
            }
            given[model] = len(both[1])
        assert bool(given[AssignmentRow]) == (seq >= 4)
        assert bool(given[OutcomeRow]) == (seq >= 5)

    await database.read(look)
    summary = await answered(crew, database, fork)
    assert summary["status"] == "completed"
    assert {one["status"] for one in summary["subtasks"]} == {"done"}
    asked = [gate["status"] for gate in summary["gates"]]
    assert asked == ["answered"]  # once: before the fork, or in it
    assert await crew.get_execution_summary(origin) == before


@pytest.mark.parametrize("seq", range(1, 9))
async def test_a_fork_of_an_ended_execution_completes_and_leaves_it_alone(crew, database, store, seq):
    origin = await blocked(crew, database, store)
    assert (await answered(crew, database, origin))["status"] == "completed"
    await check_fork(crew, database, origin, seq)


@pytest.mark.parametrize("seq", range(1, 6))
async def test_a_fork_of_an_open_execution_completes_and_leaves_it_alone(crew, database, store, seq):
    origin = await blocked(crew, database, store)
    await check_fork(crew, database, origin, seq)
    assert (await answered(crew, database, origin))["status"] == "completed"
