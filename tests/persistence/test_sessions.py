"""Callers' sessions: what takes ``db`` commits at success, and on an error undoes its own part and nothing else."""

import asyncio
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from delegation import ConfigurationError, DatabaseLocked, InputError, NotFound, Squad, SquadMember, Task
from persistence import (
    Database,
    SquadService,
    TaskExecutionService,
    TaskService,
    database_of,
    hops,
    squad_of,
    task_of,
    unit,
)
from persistence.tables import ExecutionRow, MemberRow, TaskRow

FULL_TASK = Task(
    title="Säule ✓",
    description="many\nlines",
    acceptance_criteria=["a", "b"],
    priority="urgent",  # type: ignore[arg-type]
    labels=["x"],
    deadline="2026-05-01T12:00:00+02:00",  # type: ignore[arg-type]
)


class Boom(Exception):
    """What a caller's own code raises."""


async def titles(database: Database) -> set[str]:
    """Return what is stored, as another session sees it."""
    async with database.session() as db:
        return set(await db.scalars(select(TaskRow.title)))


async def move_elsewhere(database: Database, execution: Any, status: str) -> None:
    statement = text("UPDATE executions SET status = :status WHERE id = :id")
    await database.write(lambda connection: connection.execute(statement, {"status": status, "id": execution.id.hex}))


async def test_a_task_is_stored_whole_and_committed(database: Database) -> None:
    async with database.session() as db:
        row = await TaskService.create_task(db, FULL_TASK)
        assert task_of(row) == FULL_TASK
        assert not db.in_transaction()
    async with database.session() as db:
        for key in (row.id, str(row.id), row):
            assert task_of(await TaskService.get_task(db, key)) == FULL_TASK  # type: ignore[arg-type]


async def test_a_squad_is_stored_with_its_members_in_order(database: Database) -> None:
    members = [
        SquadMember(
            id=str(9 - i),
            name=f"n{i}",
            role="tester",  # type: ignore[arg-type]
            skills={"sql": i},
            capacity=2,
            available_from=1.5,
            leave=((2.0, 3.5), (8.0, 9.0)),
        )
        for i in range(3)
    ]
    squad = Squad(name="three", members=[*members, *Squad.default().members])
    async with database.session() as db:
        row = await SquadService.create_squad(db, squad)
        assert squad_of(row) == squad
    async with database.session() as db:
        assert squad_of(await SquadService.get_squad(db, row.id)) == squad


@pytest.mark.parametrize("get", [TaskService.get_task, SquadService.get_squad, TaskExecutionService.get_task_execution])
async def test_what_is_not_there_is_not_found_and_what_is_no_id_is_bad_input(database: Database, get: Any) -> None:
    async with database.session() as db:
        for key in (missing := uuid4(), str(missing)):
            with pytest.raises(NotFound, match=f"there is no (task|squad|execution) {missing}"):
                await get(db, key)
        for key in ("", "7", 7, None, "x" * 1000):
            with pytest.raises(InputError, match="is not the id of a") as raised:
                await get(db, key)
            assert len(str(raised.value)) < 200
        await TaskService.create_task(db, Task(title="still usable"))


async def test_a_session_of_another_engine_is_refused_with_the_way_to_a_right_one(tmp_path: Path) -> None:
    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path / 'own.db'}")
    try:
        async with AsyncSession(engine) as foreign:
            with pytest.raises(ConfigurationError, match="belongs to no open Database") as raised:
                await TaskService.create_task(foreign, Task(title="x"))
            assert "database.session()" in str(raised.value.hint)
            with pytest.raises(ConfigurationError):
                database_of(foreign)
    finally:
        await engine.dispose()


async def test_success_commits_what_the_caller_had_pending_too(database: Database) -> None:
    async with database.session() as db:
        db.add(TaskRow(**Task(title="the caller's").model_dump()))
        await TaskService.create_task(db, Task(title="ours"))
    assert await titles(database) == {"the caller's", "ours"}


async def fail_in_a_unit(db: AsyncSession, kind: str) -> None:
    async with unit(db):
        db.add(TaskRow(**Task(title="undone").model_dump()))
        await db.flush()
        if kind == "constraint":
            db.add(TaskRow(**Task(title="no title").model_dump() | {"title": None}))
            await db.flush()
        if kind == "at the end":
            db.add(TaskRow(**Task(title="no title").model_dump() | {"title": None}))
        else:
            raise Boom


KINDS = pytest.mark.parametrize("kind", ["boom", "constraint", "at the end"])


@KINDS
async def test_an_error_undoes_the_unit_alone_and_loaded_rows_stay_usable(database: Database, kind: str) -> None:
    async with database.session() as db:
        task = await TaskService.create_task(db, Task(title="before"))
        squad = await SquadService.create_squad(db, Squad.default())
        with pytest.raises((Boom, IntegrityError)):
            await fail_in_a_unit(db, kind)
        assert (task.title, task.created_at.tzinfo is not None) == ("before", True)  # no lazy load, which would raise
        assert [member.id for member in squad.members]
        assert not db.in_transaction()  # nothing of the caller's is pending, so no lock is kept
        await TaskService.create_task(db, Task(title="after"))
    assert await titles(database) == {"before", "after"}


@KINDS
async def test_an_error_leaves_what_the_caller_had_pending_for_a_later_commit(database: Database, kind: str) -> None:
    async with database.session() as db:
        loaded = await TaskService.create_task(db, Task(title="loaded"))
        loaded.description = "changed"
        mine = TaskRow(**Task(title="mine").model_dump())
        db.add(mine)
        with pytest.raises((Boom, IntegrityError)):
            await fail_in_a_unit(db, kind)
        assert (mine.title, loaded.title, loaded.description) == ("mine", "loaded", "changed")
        assert await titles(database) == {"loaded"}  # nothing was committed behind the caller's back
        await db.commit()
        assert mine.id
    assert await titles(database) == {"loaded", "mine"}
    async with database.session() as db:
        assert (await TaskService.get_task(db, loaded.id)).description == "changed"


@KINDS
async def test_an_error_leaves_what_the_caller_had_pending_for_a_rollback(database: Database, kind: str) -> None:
    async with database.session() as db:
        db.add(TaskRow(**Task(title="mine").model_dump()))
        with pytest.raises((Boom, IntegrityError)):
            await fail_in_a_unit(db, kind)
        await db.rollback()
    assert await titles(database) == set()


async def test_not_found_leaves_the_callers_pending_rows_alone(database: Database) -> None:
    async with database.session() as db:
        db.add(TaskRow(**Task(title="mine").model_dump()))
        with pytest.raises(NotFound):
            await TaskService.get_task(db, uuid4())
        assert await titles(database) == set()
        await db.commit()
    assert await titles(database) == {"mine"}


async def test_reading_a_row_does_not_lose_what_the_caller_changed_in_it(database: Database) -> None:
    async with database.session() as db:
        row = await TaskService.create_task(db, Task(title="before"))
        row.title = "changed"
        assert (await TaskService.get_task(db, row.id)).title == "changed"
        await db.commit()
    assert await titles(database) == {"changed"}


async def outer_that_fails(db: AsyncSession) -> None:
    async with unit(db):
        await TaskService.create_task(db, Task(title="undone"))
        raise Boom


async def test_a_unit_inside_a_unit_is_a_savepoint_of_the_outer_one(database: Database) -> None:
    async with database.session() as db:
        async with unit(db):
            await TaskService.create_task(db, Task(title="outer"))
            with pytest.raises(Boom):
                await fail_in_a_unit(db, "boom")
            await TaskService.create_task(db, Task(title="inner"))
            assert await titles(database) == set()
        assert await titles(database) == {"outer", "inner"}
        with pytest.raises(Boom):
            await outer_that_fails(db)
    assert await titles(database) == {"outer", "inner"}


async def test_a_polling_session_sees_what_others_commit(database: Database, execution: Any) -> None:
    async with database.session() as db:
        row = await TaskExecutionService.get_task_execution(db, execution.id)
        assert row.status == "pending"
        await move_elsewhere(database, execution, "analyzing")
        assert (await TaskExecutionService.get_task_execution(db, execution.id)).status == "analyzing"
        assert row.status == "analyzing"  # the same object, as a session has it
        await move_elsewhere(database, execution, "failed")
        assert (await TaskExecutionService.get_task_execution(db, str(execution.id))).status == "failed"


async def test_a_session_that_polls_the_list_sees_what_others_commit(
    database: Database, execution: Any, new_execution: Any
) -> None:
    async with database.session() as db:
        first = await TaskExecutionService.list_task_executions(db)
        assert [(one.status, task.title) for one, task in first] == [("pending", "Add a login")]
        await move_elsewhere(database, execution, "completed")
        await database.write(lambda connection: new_execution(connection, title="Second"))
        again = await TaskExecutionService.list_task_executions(db)
        assert [(one.status, task.title) for one, task in again] == [
            ("pending", "Second"),
            ("completed", "Add a login"),
        ]


async def test_a_session_in_a_reading_transaction_sees_and_writes_what_came_after(
    database: Database, execution: Any
) -> None:
    async with database.session() as db:
        await db.scalar(select(func.count()).select_from(TaskRow))  # the snapshot is of now
        assert db.in_transaction()
        await move_elsewhere(database, execution, "analyzing")
        await TaskService.create_task(db, Task(title="no stale snapshot"))
        assert (await TaskExecutionService.get_task_execution(db, execution.id)).status == "analyzing"


async def test_a_session_that_read_and_then_added_can_write_though_others_wrote_between(
    database: Database, execution: Any
) -> None:
    async with database.session() as db:
        row = await db.get_one(ExecutionRow, execution.id)
        await move_elsewhere(database, execution, "analyzing")
        db.add(TaskRow(**Task(title="mine").model_dump()))
        await TaskService.create_task(db, Task(title="ours"))
        assert row.status == "pending"  # as the caller read it, until it asks again
        assert (await TaskExecutionService.get_task_execution(db, execution.id)).status == "analyzing"
    assert await titles(database) >= {"mine", "ours"}


async def test_a_caller_that_holds_uncommitted_writes_is_not_deadlocked(database: Database) -> None:
    async with database.session() as db:
        db.add(TaskRow(**Task(title="mine").model_dump()))
        await db.flush()  # the session holds the write lock
        others = asyncio.create_task(database.write(lambda connection: connection.execute(text("DELETE FROM logs"))))
        while not database._hops._turn.locked():  # noqa: ASYNC110 - a lock tells nobody that it was taken
            await asyncio.sleep(0)
        assert database._hops._turn.locked()  # that writer has this process's turn, and waits for the lock
        async with asyncio.timeout(20):
            await TaskService.create_task(db, Task(title="ours"))
            await others
    assert await titles(database) == {"mine", "ours"}


async def test_a_caller_that_wrote_by_statement_is_not_deadlocked_either(database: Database, execution: Any) -> None:
    async with database.session() as db:
        await db.execute(text("UPDATE executions SET error_message = 'x'"))
        async with asyncio.timeout(20):
            assert (await TaskExecutionService.get_task_execution(db, execution.id)).error_message == "x"
            await TaskService.create_task(db, Task(title="ours"))
        async with database.session() as other:  # and what the caller wrote was committed with ours
            assert (await TaskExecutionService.get_task_execution(other, execution.id)).error_message == "x"


async def test_many_sessions_write_at_once(database: Database) -> None:
    async def one(number: int) -> None:
        async with database.session() as db:
            await TaskService.create_task(db, Task(title=str(number)))

    await asyncio.gather(*(one(number) for number in range(50)))
    assert len(await titles(database)) == 50


async def test_what_a_caller_does_not_commit_is_rolled_back(database: Database) -> None:
    async with database.session() as db:
        db.add(TaskRow(**Task(title="never").model_dump()))
        await db.flush()
    assert await titles(database) == set()


async def test_a_locked_database_is_named_and_the_session_works_again_once_it_is_free(
    database: Database, process: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hops, "PATIENCE_S", 0.2)
    holder = process(HOLD_LOCK, database._url.database)
    assert holder.stdout.readline() == "held\n"
    async with database.session() as db:
        await db.execute(text("PRAGMA busy_timeout = 50"))
        with pytest.raises(DatabaseLocked, match=r"squad\.db: another process holds the database's write lock"):
            await TaskService.create_task(db, Task(title="too early"))
        holder.stdin.close()
        holder.wait()
        await TaskService.create_task(db, Task(title="in time"))
    assert await titles(database) == {"in time"}


async def test_a_cancelled_unit_leaves_nothing_and_its_session_works_on(database: Database) -> None:
    started = asyncio.Event()

    async def endless(db: AsyncSession) -> None:
        async with unit(db):
            db.add(TaskRow(**Task(title="undone").model_dump()))
            while True:
                started.set()
                await db.execute(select(func.count()).select_from(TaskRow))

    async with database.session() as db:
        kept = await TaskService.create_task(db, Task(title="kept"))
        running = asyncio.create_task(endless(db))
        await started.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert kept.title == "kept"
        await TaskService.create_task(db, Task(title="after"))
    assert await titles(database) == {"kept", "after"}


async def test_members_go_with_their_squad(database: Database) -> None:
    async with database.session() as db:
        row = await SquadService.create_squad(db, Squad.default())
        await db.execute(text("DELETE FROM squads WHERE id = :id"), {"id": row.id.hex})
        await db.commit()
        assert await db.scalar(select(func.count()).select_from(MemberRow)) == 0


HOLD_LOCK = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
connection.execute("COMMIT")
"""


async def test_a_transaction_that_is_the_callers_to_commit_is_refused_in_one_line_and_may_be_read_in(
    database: Database, execution: Any
) -> None:
    async with database.session() as db, db.begin():
        with pytest.raises(ConfigurationError, match="another's to commit"):
            await TaskService.create_task(db, Task(title="ours"))
        assert (await TaskExecutionService.get_task_execution(db, execution.id)).status == "pending"
        db.add(TaskRow(**Task(title="mine").model_dump()))
    assert "mine" in await titles(database)
    assert "ours" not in await titles(database)
