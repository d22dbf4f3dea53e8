"""The schema: migrations make what the models say, and constraints know the states that the lifecycle knows."""

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import CheckConstraint, Connection, insert, inspect, select, text
from sqlalchemy.exc import IntegrityError

from delegation import GateStatus
from graph.lifecycle import FINAL_STATES, WorkflowState
from persistence import Database, base, tables
from persistence.base import Base, table
from persistence.migrate import alembic_config
from persistence.migrations import HEAD
from persistence.tables import ExecutionRow, LogRow, TaskRow, TransitionRow

CHECKPOINTER = {"checkpoints", "writes"}


def is_ours(name: str) -> bool:
    """Tell whether a table is a model's: neither the checkpointer's nor one that SQLite's index of words makes."""
    return name not in CHECKPOINTER and not name.startswith("past_tasks_text")


def test_head_is_the_newest_migration_and_there_is_one_line_of_them() -> None:
    assert ScriptDirectory.from_config(alembic_config()).get_heads() == [HEAD]


async def test_the_migrations_make_exactly_the_models_tables(database: Database) -> None:
    def differences(connection: Connection) -> list[Any]:
        options = {
            "compare_type": True,
            "compare_server_default": True,
            "include_name": lambda name, kind, _parents: kind != "table" or is_ours(name),
        }
        return compare_metadata(MigrationContext.configure(connection, opts=options), Base.metadata)

    assert await database.read(differences) == []


async def test_the_migrations_make_exactly_the_models_check_constraints(database: Database) -> None:
    """Alembic does not compare these."""

    def stored(connection: Connection) -> dict[str, set[tuple[Any, Any]]]:
        inspector = inspect(connection)
        return {
            name: {(one["name"], one["sqltext"]) for one in inspector.get_check_constraints(name)}
            for name in Base.metadata.tables
        }

    expected = {
        name: {(one.name, str(one.sqltext)) for one in model.constraints if isinstance(one, CheckConstraint)}
        for name, model in Base.metadata.tables.items()
    }
    assert await database.read(stored) == expected


def test_the_states_that_constraints_let_in_are_the_lifecycles() -> None:
    assert set(base.STATES) == set(WorkflowState)
    assert len(base.STATES) == len(WorkflowState)
    assert set(base.FINAL_STATES) == FINAL_STATES


@pytest.mark.parametrize("state", WorkflowState)
async def test_each_state_fits_in_every_column_that_holds_one(database: Database, execution: Any, state: str) -> None:
    def store(connection: Connection) -> None:
        connection.execute(table(ExecutionRow).update().values(status=state, origin_state=state))
        log(connection, execution.id, (state, state))

    await database.write(store)
    row = await database.read(lambda connection: connection.execute(select(table(ExecutionRow))).one())
    assert (row.status, row.origin_state) == (state, state)


@pytest.mark.parametrize("column", ["status", "from_state", "to_state"])
async def test_no_other_state_fits(database: Database, execution: Any, column: str) -> None:
    def store(connection: Connection) -> None:
        if column == "status":
            connection.execute(table(ExecutionRow).update().values(status="resting"))
        values = {"from_state": "pending", "to_state": "pending", column: "resting"}
        values = {key: value for key, value in values.items() if key != "status"}
        ids = {"execution_id": execution.id, "seq": 1, "metadata": {}, "delta": {}}
        connection.execute(insert(table(TransitionRow)), ids | values)

    with pytest.raises(IntegrityError, match="CHECK constraint failed"):
        await database.write(store)


LINE = [("pending", "analyzing"), ("analyzing", "planning"), ("planning", "failed")]


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("UPDATE transitions SET reason = 'another'", "a logged transition is never changed"),
        ("DELETE FROM transitions WHERE seq = 3", "a logged transition is never removed"),
        ("UPDATE logs SET text = 'another'", "a logged line is never changed"),
        ("DELETE FROM logs", "a logged line is never removed"),
    ],
)
async def test_the_database_itself_guards_what_is_logged(
    database: Database, execution: Any, statement: str, why: str
) -> None:
    def store(connection: Connection) -> None:
        log(connection, execution.id, *LINE)
        values = {"execution_id": execution.id, "event": "e", "text": "t", "data": {}}
        connection.execute(insert(table(LogRow)), values)

    await database.write(store)
    with pytest.raises(IntegrityError, match=why):
        await database.write(lambda connection: connection.execute(text(statement)))


@pytest.mark.parametrize(
    ("kept", "seq", "move", "why"),
    [
        (2, 4, ("planning", "delegated"), "the log has a gap"),
        (2, 2, ("planning", "delegated"), "the log has a gap"),
        (0, 2, ("pending", "analyzing"), "the log has a gap"),
        (3, 4, ("failed", "failed"), "the log has ended"),
        (3, 4, ("planning", "completed"), "the log has ended"),
        (3, 4, ("planning", "delegated"), "the log has ended"),
    ],
)
async def test_the_database_itself_refuses_a_gap_and_a_second_end(
    database: Database, execution: Any, kept: int, seq: int, move: tuple[str, str], why: str
) -> None:
    await database.write(lambda connection: log(connection, execution.id, *LINE[:kept]))
    with pytest.raises(IntegrityError, match=why):
        await database.write(lambda connection: log(connection, execution.id, move, start=seq))


def log(connection: Connection, execution_id: Any, *moves: tuple[str, str], start: int = 1) -> None:
    """Insert transitions past everything that checks them but the database."""
    for seq, (from_state, to_state) in enumerate(moves, start=start):
        values = {"execution_id": execution_id, "seq": seq, "metadata": {}, "delta": {}}
        connection.execute(insert(table(TransitionRow)), values | {"from_state": from_state, "to_state": to_state})


def test_the_statuses_of_gates_are_the_vocabularys() -> None:
    (constraint,) = (one for one in Base.metadata.tables["gates"].constraints if isinstance(one, CheckConstraint))
    for status in GateStatus:
        assert f"'{status}'" in str(constraint.sqltext)
    assert str(constraint.sqltext).count("'") == 2 * len(GateStatus)


async def test_a_reference_to_nothing_is_refused(database: Database) -> None:
    values = {"id": uuid4(), "task_id": uuid4(), "squad_id": uuid4(), "thread_id": "t", "status": "pending"}
    with pytest.raises(IntegrityError, match="FOREIGN KEY"):
        await database.write(
            lambda connection: connection.execute(insert(table(ExecutionRow)), values | {"seq": 0, "lease_epoch": 0})
        )


async def test_one_execution_of_a_task_is_open_and_any_number_has_ended(database: Database, execution: Any) -> None:
    def another(connection: Connection) -> None:
        values = {"id": uuid4(), "task_id": execution.task_id, "squad_id": execution.squad_id, "status": "pending"}
        values |= {"thread_id": str(uuid4()), "seq": 0, "lease_epoch": 0}
        connection.execute(insert(table(ExecutionRow)), values)

    with pytest.raises(IntegrityError, match=r"UNIQUE constraint failed: executions\.task_id"):
        await database.write(another)
    end = text("UPDATE executions SET status = :status WHERE status = 'pending'")
    for status in FINAL_STATES:
        await database.write(lambda connection, values={"status": status}: connection.execute(end, values))
        await database.write(another)


async def test_times_are_stored_in_utc_and_come_back_with_their_zone(database: Database) -> None:
    given = datetime(2026, 5, 1, 1, 30, 0, 123456, tzinfo=timezone(timedelta(hours=2)))
    values = {"id": uuid4(), "title": "t", "description": "", "acceptance_criteria": [], "priority": "low"}
    values |= {"labels": [], "deadline": given}
    await database.write(lambda connection: connection.execute(insert(table(TaskRow)), values))
    query = select(table(TaskRow).c.deadline)
    found = await database.read(lambda connection: connection.execute(query).scalar_one())
    assert found == given
    assert found.tzinfo is UTC


def test_there_is_a_migration_file_for_head() -> None:
    versions = Path(tables.__file__).parent / "migrations" / "versions"
    assert [one.name for one in versions.glob(f"{HEAD}_*.py")]
