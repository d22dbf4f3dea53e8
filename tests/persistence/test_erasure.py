"""Erasing a squad: everything of it goes, nothing of another's, and not while anything of its is open."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from agents import ContextManager
from delegation import ExecutionBusy, NotFound, Squad, Task
from graph import TaskOrchestrator
from persistence import Database, DatabasePastTasks, SquadService, TaskService
from persistence.base import Base

WORD = "Zanzibar"


async def worked(database: Database, squad_id: UUID, manager: ContextManager, *, drive: bool = True) -> UUID:
    """Have a squad work a task with a word in it that is nowhere else."""
    orchestrator = TaskOrchestrator(None, manager, database=database)
    async with database.session() as db:
        task = await TaskService.create_task(db, Task(title=f"Export to {WORD}", description=f"By {WORD}.csv"))
        execution_id = await orchestrator.execute_task(db=db, task=task, squad_id=squad_id)
        await orchestrator.handle_blocker(db=db, execution_id=execution_id, blocker_description=f"Where is {WORD}?")
    await manager.remember(execution_id, "place", WORD)
    await manager.remember_lesson(execution_id, f"{WORD} is an island")
    if drive:
        async with database.session() as db:
            await orchestrator.resolve_blocker(
                db=db, execution_id=execution_id, resolution=f"{WORD} is far", next_state="analyzing"
            )
        async with asyncio.timeout(30):
            await orchestrator.run(execution_id)
    past = DatabasePastTasks(database)
    found = await past.find(squad_id, WORD)
    await past.keep_vectors(squad_id, "m", dict.fromkeys(found, b"1234"))
    return execution_id


async def new_squad(database: Database, name: str) -> UUID:
    async with database.session() as db:
        return (await SquadService.create_squad(db, Squad.default().model_copy(update={"name": name}))).id


async def counts(database: Database) -> dict[str, int]:
    """Return how many rows each table has, the checkpointer's included."""
    names = [*Base.metadata.tables, "checkpoints", "writes"]

    def count(connection: Connection) -> dict[str, int]:
        return {name: connection.execute(text(f"SELECT count(*) FROM {name}")).scalar_one() for name in names}  # noqa: S608 - our tables' names

    return await database.read(count)


async def holding(database: Database, words: str) -> set[str]:
    """Return the tables in which any column of any row holds the words."""

    def look(connection: Connection) -> set[str]:
        found = set()
        names = connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'table'")).scalars().all()
        for name in names:
            rows = connection.execute(text(f"SELECT * FROM {name}")).all()  # noqa: S608 - names out of the schema
            if any(words.lower().encode() in _bytes(value).lower() for row in rows for value in row):
                found.add(name)
        return found

    return await database.read(look)


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")


async def test_everything_of_a_squad_goes_and_nothing_of_another(database: Database) -> None:
    manager = ContextManager()
    kept = await new_squad(database, "Kept")
    others = await worked(database, kept, manager)
    before = await counts(database)
    squad_id = await new_squad(database, "Erased")
    execution_id = await worked(database, squad_id, manager)
    assert all(before[name] < after for name, after in (await counts(database)).items() if before[name])
    async with database.session() as db:
        await SquadService.delete_squad(db, squad_id)
    assert await counts(database) == before | {"erasures": 1}
    for id_ in (squad_id, execution_id):
        assert await holding(database, id_.hex) <= {"erasures"}
        assert await holding(database, str(id_)) == set()
    past = DatabasePastTasks(database)
    assert len(await past.get(kept, await past.find(kept, WORD))) == 1
    assert await past.find(squad_id, WORD) == []
    assert await manager.lessons(kept, WORD) == [f"{WORD} is an island"]
    assert await manager.lessons(squad_id, WORD) == []
    assert await manager.recall(others) == {"place": WORD}
    with pytest.raises(NotFound, match="no squad"):
        async with database.session() as db:
            await SquadService.delete_squad(db, str(squad_id))


async def test_the_last_squad_leaves_no_word_behind(database: Database) -> None:
    squad_id = await new_squad(database, "Erased")
    await worked(database, squad_id, ContextManager())
    assert {"tasks", "past_tasks", "messages", "transitions", "memories", "facts", "checkpoints", "gates"} <= (
        await holding(database, WORD)
    )
    assert await holding(database, "zanzibar") != set()
    async with database.session() as db:
        await SquadService.delete_squad(db, squad_id)
    assert await holding(database, WORD) == set()


async def test_a_squad_with_an_open_execution_stays_whole(database: Database) -> None:
    squad_id = await new_squad(database, "Busy")
    execution_id = await worked(database, squad_id, ContextManager(), drive=False)
    before = await counts(database)
    with pytest.raises(ExecutionBusy, match=f"{execution_id} .* still open: nothing was erased"):
        async with database.session() as db:
            await SquadService.delete_squad(db, squad_id)
    assert await counts(database) == before


async def test_the_log_of_other_squads_is_as_guarded_as_before(database: Database) -> None:
    squad_id = await new_squad(database, "Erased")
    other = await new_squad(database, "Kept")
    for one in (squad_id, other):
        await worked(database, one, ContextManager())
    async with database.session() as db:
        await SquadService.delete_squad(db, squad_id)
    with pytest.raises(IntegrityError, match="never removed"):
        await database.write(lambda connection: connection.execute(text("DELETE FROM transitions")))


async def test_numbers_of_an_erased_squads_tasks_are_never_given_again(database: Database) -> None:
    first = await new_squad(database, "First")
    await worked(database, first, ContextManager())
    past = DatabasePastTasks(database)
    numbers = await past.find(first, WORD)
    async with database.session() as db:
        await SquadService.delete_squad(db, first)
    second = await new_squad(database, "Second")
    await worked(database, second, ContextManager())
    assert not set(numbers) & set(await past.find(second, WORD))
    assert await past.get(uuid4(), numbers) == []


async def test_a_squad_without_work_and_a_task_that_another_squad_works_on(database: Database) -> None:
    idle, first, second = [await new_squad(database, name) for name in ("Idle", "First", "Second")]
    orchestrator = TaskOrchestrator(database=database)
    async with database.session() as db:
        task = await TaskService.create_task(db, Task(title="Shared"))
        one = await orchestrator.execute_task(db=db, task=task, squad_id=first)
        await orchestrator.cancel(db=db, execution_id=one)
        await orchestrator.execute_task(db=db, task=task, squad_id=second)
    async with database.session() as db:
        for squad_id in (idle, first):
            await SquadService.delete_squad(db, squad_id)
        assert (await TaskService.get_task(db, task.id)).title == "Shared"
        assert (await SquadService.get_squad(db, second)).name == "Second"
