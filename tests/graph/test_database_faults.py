"""A database that is full, read-only or locked, at any moment of a run: a clear error or a wait, and nothing torn.

Afterwards the same execution goes on to its end, and no work whose outcome was stored is done again.
"""

import asyncio
import itertools
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from langgraph.errors import EmptyInputError
from scripted import all_roles, does_it, done
from sqlalchemy import Connection

from agents import Brief
from delegation import DatabaseError, DatabaseLocked, Outcome, OutcomeStatus, Role, Squad, Task
from graph import VALID_TRANSITIONS, ExecutionBusy, TaskOrchestrator, WorkflowState, build_graph
from persistence import Database, SquadService, TaskService, hops, load_dossier, load_work

CONFIG: Any = {"configurable": {"thread_id": "a thread"}}
MAIN_LINE = ["analyzing", "planning", "delegated", "in_progress", "reviewing", "testing", "completed"]
FAULTS = {
    "full": ("PRAGMA max_page_count = 1", "PRAGMA max_page_count = 1000000000", "full"),
    "read-only": ("PRAGMA query_only = 1", "PRAGMA query_only = 0", "read-only"),
}
"""What brings the fault about on the writer's connection, what ends it, and what the error says. A limit below the
present size is set to that size, so that whatever needs a page more fails."""

# Takes the write lock, says so, and lets go after so many seconds, or when its input ends.
HOLD_LOCK = """
import select, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
select.select([sys.stdin], [], [], float(sys.argv[2]))
connection.execute("COMMIT")
"""


def file_of(database: Database) -> str:
    return str(database._url.database)


def driver_of(database: Database) -> sqlite3.Connection:
    """The writer's own connection: on a database that cannot be written no transaction begins."""
    driver: sqlite3.Connection = hops.driver_of(database._hops._connections["write"])
    return driver


class Faulty:
    """Brings a fault about before the ``at``-th write from now on."""

    def __init__(self, database: Database, fault: str, at: int) -> None:
        self.begin, self.end, self.says = FAULTS[fault]
        self.database, self.at, self.writes, self.is_there = database, at, 0, False
        self._write = database._hops.write
        database._hops.write = self.write  # type: ignore[method-assign] # the only way to be in between

    async def write(self, work: Any) -> Any:
        self.writes += 1
        if self.writes >= self.at and not self.is_there:
            self.is_there = True
            await self._write(lambda connection: connection.exec_driver_sql(self.begin))
        return await self._write(work)

    def heal(self) -> None:
        self.database._hops.write = self._write  # type: ignore[method-assign]
        driver_of(self.database).execute(self.end)


class Worked:
    """Agents that do their work, and what was worked."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.agents = all_roles(self.work)

    async def work(self, brief: Brief) -> Outcome:
        self.calls[brief.subtask.id] += 1
        return done(brief)


@pytest.fixture
async def template(tmp_path: Path) -> tuple[Path, UUID, UUID]:
    """A migrated file with a task and a squad."""
    file = tmp_path / "template.db"
    async with await Database.open(str(file)) as database, database.session() as db:
        squad = await SquadService.create_squad(db, Squad.default())
        task = await TaskService.create_task(db, Task(title="Implement user login"))
    return file, task.id, squad.id


@asynccontextmanager
async def copied(template: tuple[Path, UUID, UUID], name: object) -> AsyncIterator[Database]:
    file = template[0].with_name(f"{name}.db")
    shutil.copyfile(template[0], file)
    async with await Database.open(str(file)) as database:
        yield database


async def started(database: Database, orchestrator: TaskOrchestrator, template: tuple[Path, UUID, UUID]) -> UUID:
    async with database.session() as db:
        return await orchestrator.execute_task(db=db, task=template[1], squad_id=template[2])


async def checked(database: Database, execution_id: UUID) -> Any:
    """Look at an execution: row and log agree, the log is a legal path, and each outcome is there once."""
    dossier = await database.read(lambda connection: load_dossier(connection, execution_id))
    moves = dossier.transitions
    assert [move.seq for move in moves] == list(range(1, dossier.execution.seq + 1))
    states = ["pending", *(move.to_state for move in moves)]
    assert [move.from_state for move in moves] == states[:-1]
    assert dossier.execution.status == states[-1]
    for one, other in itertools.pairwise(states):
        assert other in VALID_TRANSITIONS[WorkflowState(one)]
    assert set(Counter((row.subtask_id, row.turn) for row in dossier.outcomes).values()) <= {1}
    return dossier


async def check_end(database: Database, execution_id: UUID, worked: Worked, before: Any) -> None:
    """Check that the execution was completed, and that nothing which was stored at the fault was worked again."""
    dossier = await checked(database, execution_id)
    assert [move.to_state for move in dossier.transitions] == MAIN_LINE
    assert list(dossier.transitions)[: len(before.transitions)] == list(before.transitions)
    assert list(dossier.outcomes)[: len(before.outcomes)] == list(before.outcomes)
    assert set(Counter(row.subtask_id for row in dossier.outcomes).values()) == {1}
    assert {row.subtask_id for row in dossier.outcomes} == {one["id"] for one in dossier.execution.plan["subtasks"]}
    stored = {row.subtask_id for row in before.outcomes}
    assert {worked.calls[one] for one in stored} <= {1}
    assert set(worked.calls.values()) <= {1, 2}  # what was at work at the fault had to be done again


async def fail_and_go_on(template: tuple[Path, UUID, UUID], fault: str, at: int) -> bool:
    """Run with the fault before that write, then without it; tells whether there was so late a write."""
    async with copied(template, f"{fault}{at}") as database:
        worked = Worked()
        orchestrator = TaskOrchestrator(database=database, agents=worked.agents)
        execution_id = await started(database, orchestrator, template)
        faulty = Faulty(database, fault, at)
        try:
            await orchestrator.run(execution_id)
        except DatabaseError as error:
            assert type(error) is DatabaseError
            assert faulty.says in str(error)
            assert error.hint
            failed = True
        else:
            failed = False
        assert faulty.is_there or not failed
        faulty.heal()
        before = await checked(database, execution_id)
        assert (await orchestrator.run(execution_id))["status"] == "completed"
        await check_end(database, execution_id, worked, before)
        return failed


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_run_fails_clearly_on_a_faulty_database_and_goes_on_afterwards(template, fault):
    assert [await fail_and_go_on(template, fault, at) for at in (1, 5, 9, 14)] == [True] * 4


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
async def test_a_run_goes_on_after_a_fault_at_any_write(template, fault):
    at = 1
    while await fail_and_go_on(template, fault, at):
        at += 1
    assert at > 15
