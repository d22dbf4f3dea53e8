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
from fragile import Fragile, Unplugged
from langgraph.errors import EmptyInputError
from scripted import all_roles, done
from sqlalchemy import Connection

from agents import Brief
from delegation import DatabaseError, DatabaseLocked, Outcome, OutcomeStatus, Role, Squad, Task
from graph import VALID_TRANSITIONS, ExecutionBusy, TaskOrchestrator, WorkflowState, build_graph
from persistence import Database, SquadService, TaskService, hops, load_dossier
from persistence.connections import BUSY_TIMEOUT_MS

CONFIG: Any = {"configurable": {"thread_id": "a thread"}}
MAIN_LINE = ["analyzing", "planning", "delegated", "in_progress", "reviewing", "testing", "completed"]
FAULTS = {
    "full": ("PRAGMA max_page_count = 1", "PRAGMA max_page_count = 1000000000", "full"),
    "read-only": ("PRAGMA query_only = 1", "PRAGMA query_only = 0", "read-only"),
}
"""What brings the fault about on the writer's connection, what ends it, and what the error says. A limit below the
present size is set to that size, so that whatever needs a page more fails."""

LONGER_THAN_A_TRY_S = 1.5 * BUSY_TIMEOUT_MS / 1000

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
async def template(migrated: Path, tmp_path: Path) -> tuple[Path, UUID, UUID]:
    """A migrated file with a task and a squad."""
    file = shutil.copy(migrated, tmp_path / "template.db")
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


async def failure_of(run: Awaitable[Any], faulty: Faulty) -> DatabaseError | None:
    """Await a run on a database that becomes faulty; what it raises, if anything, says so clearly."""
    [end] = await asyncio.gather(run, return_exceptions=True)
    if not isinstance(end, BaseException):
        return None
    assert faulty.is_there
    assert type(end) is DatabaseError
    assert faulty.says in str(end)
    assert end.hint
    return end


async def fail_and_go_on(template: tuple[Path, UUID, UUID], fault: str, at: int) -> bool:
    """Run with the fault before that write, then without it; tells whether there was so late a write."""
    async with copied(template, f"{fault}{at}") as database:
        worked = Worked()
        orchestrator = TaskOrchestrator(database=database, agents=worked.agents)
        execution_id = await started(database, orchestrator, template)
        faulty = Faulty(database, fault, at)
        failure = await failure_of(orchestrator.run(execution_id), faulty)
        faulty.heal()
        before = await checked(database, execution_id)
        assert (await orchestrator.run(execution_id))["status"] == "completed"
        await check_end(database, execution_id, worked, before)
        return failure is not None  # and it was kept until now, as a caller may do: nothing hangs on to it


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


async def fail_and_go_on_bare(template: tuple[Path, UUID, UUID], fault: str, at: int, durability: Any) -> bool:
    """The same with a client that drives the bare graph, and goes on with it as soon as it may."""
    async with copied(template, f"{fault}{at}{durability}") as database:
        worked = Worked()
        graph = build_graph(database=database, agents=worked.agents)
        faulty = Faulty(database, fault, at)
        task = {"task": "Implement user login"}
        failure = await failure_of(graph.ainvoke(task, CONFIG, durability=durability), faulty)
        faulty.heal()
        execution_id = await database.read(only_execution)
        if execution_id is None:  # it failed before there was one
            output = await graph.ainvoke(task, CONFIG, durability=durability)
            execution_id = UUID(output["execution_id"])
            before = await checked(database, execution_id)
        else:
            before = await checked(database, execution_id)
            await go_on(graph, durability)
        await check_end(database, execution_id, worked, before)
        return failure is not None


def only_execution(connection: Connection) -> UUID | None:
    found = connection.exec_driver_sql("SELECT id FROM executions").scalar()
    return UUID(found) if found else None


async def go_on(graph: Any, durability: Any) -> None:
    """Go on as soon as the run that failed has let go; where the thread has no checkpoint, give the input again."""
    given: Any = None
    while True:
        try:
            await graph.ainvoke(given, CONFIG, durability=durability)
        except ExecutionBusy:
            await asyncio.sleep(0.01)
        except EmptyInputError:
            given = {"task": "Implement user login"}
        else:
            return


@pytest.mark.slow
@pytest.mark.parametrize("durability", ["sync", "async"])
@pytest.mark.parametrize("fault", FAULTS)
async def test_a_bare_graph_goes_on_after_a_fault_at_any_write(template, fault, durability):
    at = 1
    while await fail_and_go_on_bare(template, fault, at, durability):
        at += 1
    assert at > 15


# The checkpointer alone


@pytest.mark.slow
@pytest.mark.parametrize("how", ["orchestrator", "sync", "async"])
async def test_a_checkpoint_that_cannot_be_stored_fails_the_run(template, how):
    """It is never only logged, whichever it is."""
    for at in itertools.count(1):
        async with copied(template, f"{how}{at}") as database:
            orchestrator, graph = TaskOrchestrator(database=database), build_graph(database=database)
            execution_id = await started(database, orchestrator, template)
            fragile = Fragile(database, at)
            durability: Any = how
            try:
                if how == "orchestrator":
                    await orchestrator.run(execution_id)
                else:
                    await graph.ainvoke({"task": "Implement user login"}, CONFIG, durability=durability)
            except Unplugged:
                assert fragile.failed
                continue
            assert not fragile.failed, f"write {at} failed and nobody heard of it"
            break
    assert at > 12


def next_by_hand(status: str) -> str:
    """The move that a human makes after the failure: on along the main line where there is one, else back to work."""
    return {"in_progress": "reviewing", "reviewing": "in_progress"}.get(status) or MAIN_LINE[
        MAIN_LINE.index(status) + 1
    ]


@pytest.mark.slow
async def test_a_manual_move_after_a_failed_checkpoint_keeps_what_the_step_made(template):
    """The thread lags behind the log then; what is missing in it is made up from the log, and not by asking again."""
    kept = Counter[str]()
    for at in itertools.count(1):
        async with copied(template, at) as database:
            worked = Worked()
            orchestrator = TaskOrchestrator(database=database, agents=worked.agents)
            execution_id = await started(database, orchestrator, template)
            fragile = Fragile(database, at)
            try:
                await orchestrator.run(execution_id)
                break
            except Unplugged:
                assert fragile.failed
            before = await checked(database, execution_id)
            row = before.execution
            if row.status != "completed":
                async with database.session() as db:
                    await orchestrator.workflow_engine.transition_state(
                        db=db, execution_id=execution_id, from_state=row.status, to_state=next_by_hand(row.status)
                    )
            summary = await orchestrator.run(execution_id)
            assert summary["status"] == "completed"
            after = await checked(database, execution_id)
            made_up = [made for move in after.transitions for made in move.metadata.get("made_up_for", [])]
            for name in ("plan", "requirements"):
                if getattr(row, name) is not None:
                    assert getattr(after.execution, name) == getattr(row, name)
                    assert name not in made_up
                    kept[name] += 1
            assert {worked.calls[done.subtask_id] for done in before.outcomes} <= {1}
    assert kept["plan"] > 3


# Checkpoints that are gone


async def stopped_in(orchestrator: TaskOrchestrator, execution_id: UUID, state: str) -> None:
    """Drive until the execution is in that state, and stop there."""
    if state in {"analyzing", "completed", "blocked"}:
        if state != "analyzing":
            await orchestrator.run(execution_id)
        return
    async with orchestrator.stream(execution_id) as stream:
        async for event in stream:
            if event.kind == "transition" and event.data["to_state"] == state:
                break


@pytest.mark.parametrize("state", [*MAIN_LINE, "blocked"])
async def test_an_execution_whose_checkpoints_were_deleted_goes_on_from_its_row(template, state):
    asked = state == "blocked"
    async with copied(template, state) as database:
        worked = Worked()
        agents = worked.agents | ({Role.TESTER: all_roles(asks_first)[Role.TESTER]} if asked else {})
        orchestrator = TaskOrchestrator(database=database, agents=agents)
        execution_id = await started(database, orchestrator, template)
        await stopped_in(orchestrator, execution_id, state)
        before = await checked(database, execution_id)
        assert before.execution.status == state or state not in {"completed", "blocked", "analyzing"}
        await database.checkpointer.adelete_thread(str(execution_id))
        if asked:
            assert (await orchestrator.run(execution_id))["status"] == "blocked"
            await database.checkpointer.adelete_thread(str(execution_id))
            for gate in before.gates:
                await orchestrator.answer(execution_id, gate.id, text="so")
        summary = await orchestrator.run(execution_id)
        assert summary["status"] == "completed"
        after = await checked(database, execution_id)
        assert list(after.transitions)[: len(before.transitions)] == list(before.transitions)
        assert list(after.outcomes)[: len(before.outcomes)] == list(before.outcomes)
        assert set(worked.calls.values()) == {1}
        found = await database.checkpointer.aget_tuple({"configurable": {"thread_id": str(execution_id)}})
        assert found is not None
        assert found.checkpoint["channel_values"]["seq"] == after.execution.seq


async def asks_first(brief: Brief) -> Outcome:
    """Ask a human about each piece of work."""
    if brief.answers:
        return done(brief)
    return Outcome(status=OutcomeStatus.BLOCKED, question=f"How about {brief.subtask.id}?")


# A foreign process that holds the write lock


@pytest.fixture
def hold_lock() -> Iterator[Callable[[Database, float], Awaitable[subprocess.Popen[str]]]]:
    """``await hold_lock(database, seconds)`` has another process hold the write lock for that long, from now on."""
    holders: list[subprocess.Popen[str]] = []

    async def hold(database: Database, seconds: float) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", HOLD_LOCK, file_of(database), str(seconds)]
        pipe = subprocess.PIPE
        holder = await asyncio.to_thread(lambda: subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True))
        holders.append(holder)
        assert holder.stdout is not None
        assert await asyncio.to_thread(holder.stdout.readline) == "held\n"
        return holder

    yield hold
    for holder in holders:
        with holder:
            holder.kill()


async def run_under_a_lock(template: Any, hold_lock: Any, seconds: float) -> None:
    async with copied(template, "locked") as database:
        worked = Worked()
        orchestrator = TaskOrchestrator(database=database, agents=worked.agents)
        execution_id = await started(database, orchestrator, template)
        await hold_lock(database, seconds)
        assert (await orchestrator.run(execution_id))["status"] == "completed"
        before = await checked(database, execution_id)
        await check_end(database, execution_id, worked, before)


async def test_a_run_waits_for_a_foreign_writer(template, hold_lock):
    await run_under_a_lock(template, hold_lock, 2)


@pytest.mark.slow
async def test_a_run_waits_for_a_foreign_writer_that_holds_on_for_longer_than_a_single_try(template, hold_lock):
    await run_under_a_lock(template, hold_lock, LONGER_THAN_A_TRY_S)


async def ask_under_a_lock(template: Any, hold_lock: Any, seconds: float) -> None:
    """Everything that a caller does on a session of its own, one whose transaction is open too."""
    async with copied(template, "asked") as database:
        orchestrator = TaskOrchestrator(database=database)
        orchestrator.workflow_engine.register_state_action("blocked", nothing)  # so that the move needs the session
        execution_id = await started(database, orchestrator, template)
        await hold_lock(database, seconds)
        async with database.session() as db, database.session() as other:
            task = await TaskService.get_task(other, template[1])
            _, gate = await asyncio.gather(
                TaskService.create_task(other, Task(title=f"after {task.title}")),
                orchestrator.handle_blocker(db=db, execution_id=execution_id, blocker_description="?"),
            )
        assert (await checked(database, execution_id)).execution.status == "blocked"
        await hold_lock(database, seconds)
        assert await orchestrator.answer(execution_id, gate.id, text="so") == "analyzing"


async def nothing(*_: Any) -> None:
    """Take part in the move, without doing anything."""


async def test_a_callers_session_waits_for_a_foreign_writer(template, hold_lock, monkeypatch):
    monkeypatch.setattr("persistence.connections.BUSY_TIMEOUT_MS", 100)  # a single try; many of them are made
    await ask_under_a_lock(template, hold_lock, 1)


@pytest.mark.slow
async def test_a_callers_session_waits_for_a_foreign_writer_that_holds_on_for_longer_than_a_single_try(
    template, hold_lock
):
    await ask_under_a_lock(template, hold_lock, LONGER_THAN_A_TRY_S)


async def test_beyond_the_patience_everybody_hears_that_the_database_is_locked(template, hold_lock, monkeypatch):
    monkeypatch.setattr("persistence.connections.BUSY_TIMEOUT_MS", 50)
    monkeypatch.setattr("persistence.hops.PATIENCE_S", 0.2)
    async with copied(template, "patience") as database:
        worked = Worked()
        orchestrator = TaskOrchestrator(database=database, agents=worked.agents)
        execution_id = await started(database, orchestrator, template)
        before = await checked(database, execution_id)
        holder = await hold_lock(database, 60)
        with pytest.raises(DatabaseLocked, match="another process holds the database's write lock") as caught:
            await orchestrator.run(execution_id)
        assert caught.value.hint
        async with database.session() as db:
            with pytest.raises(DatabaseLocked):
                await orchestrator.cancel(db=db, execution_id=execution_id)
            with pytest.raises(DatabaseLocked):
                await TaskService.create_task(db, Task(title="too early"))
            assert (await orchestrator.monitor_progress(db=db, execution_id=execution_id))["is_terminal"] is False
            holder.kill()
            holder.wait()
            await TaskService.create_task(db, Task(title="in time"))
        assert (await orchestrator.run(execution_id))["status"] == "completed"
        await check_end(database, execution_id, worked, before)


async def test_a_database_is_opened_while_somebody_else_writes(template, hold_lock):
    async with copied(template, "opened") as database:
        holder = await hold_lock(database, 60)
        async with await Database.open(file_of(database)) as again:
            assert await again.read(only_execution) is None
        assert holder.poll() is None
