"""Many at once: processes that start the same task, executions in one process, processes on one file."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from processes import at_once

from delegation import Squad, Task
from graph import TaskOrchestrator
from persistence import Database, SquadService, TaskService

PROCESSES = 16

OPEN = """
async def work(file):
    async with await Database.open(file) as database:
        await database.read(lambda connection: connection.exec_driver_sql("SELECT count(*) FROM executions"))
    return "opened"
"""

START = """
async def work(file, task_id, squad_id):
    async with await Database.open(file) as database, database.session() as db:
        task = await TaskService.get_task(db, task_id)
        try:
            return str(await TaskOrchestrator().execute_task(db=db, task=task, squad_id=squad_id))
        except ExecutionExists as error:
            return {"exists": str(error.execution_id)}
"""

RUN = """
async def work(file, count, squad_id):
    async with await Database.open(file) as database:
        orchestrator = TaskOrchestrator(database=database)
        async def one(number):
            async with database.session() as db:
                task = await TaskService.create_task(db, Task(title=f"Implement user login {number}"))
                execution_id = await orchestrator.execute_task(db=db, task=task, squad_id=squad_id)
            return (await orchestrator.run(execution_id))["status"]
        return await asyncio.gather(*(one(number) for number in range(int(count))))
"""


async def stored_squad(database: Database) -> str:
    async with database.session() as db:
        return str((await SquadService.create_squad(db, Squad.default())).id)


@pytest.mark.slow
async def test_sixteen_processes_open_a_fresh_file_at_once(tmp_path: Path) -> None:
    file = tmp_path / "fresh.db"
    assert at_once(PROCESSES, OPEN, str(file)) == ["opened"] * PROCESSES
    async with await Database.open(str(file)) as database:
        rows = await database.read(
            lambda connection: connection.exec_driver_sql("SELECT count(*) FROM alembic_version").scalar_one()
        )
    assert rows == 1


@pytest.mark.slow
async def test_sixteen_processes_start_the_same_task_and_one_does(
    database: Database, store: Callable[..., Awaitable[Any]], tmp_path: Path
) -> None:
    task, squad = await store(database)
    said = at_once(PROCESSES, START, str(tmp_path / "squad.db"), str(task.id), str(squad.id))
    (started,) = [one for one in said if isinstance(one, str)]
    assert [one for one in said if not isinstance(one, str)] == [{"exists": started}] * (PROCESSES - 1)
    count = await database.read(
        lambda connection: connection.exec_driver_sql("SELECT count(*) FROM executions").scalar_one()
    )
    assert count == 1
    assert (await TaskOrchestrator(database=database).run(started))["status"] == "completed"


@pytest.mark.slow
async def test_two_hundred_executions_at_once_in_one_process(database: Database) -> None:
    orchestrator, squad_id = TaskOrchestrator(database=database), await stored_squad(database)

    async def one(number: int) -> dict[str, Any]:
        async with database.session() as db:
            task = await TaskService.create_task(db, Task(title=f"Implement user login {number}"))
            execution_id = await orchestrator.execute_task(db=db, task=task, squad_id=squad_id)
        return await orchestrator.run(execution_id)

    summaries = await asyncio.gather(*(one(number) for number in range(200)))
    assert Counter(summary["status"] for summary in summaries) == {"completed": 200}
    for summary in summaries:
        assert [move["seq"] for move in summary["transitions"]] == [1, 2, 3, 4, 5, 6, 7]
        assert {subtask["status"] for subtask in summary["subtasks"]} == {"done"}


@pytest.mark.slow
async def test_four_processes_with_fifty_executions_each(database: Database, tmp_path: Path) -> None:
    squad_id = await stored_squad(database)
    ends = at_once(4, RUN, str(tmp_path / "squad.db"), "50", squad_id)
    assert Counter(status for statuses in ends for status in statuses) == {"completed": 200}
