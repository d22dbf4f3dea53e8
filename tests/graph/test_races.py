"""Several processes want the same: one of them gets it, and the others hear so and leave nothing behind."""

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from langgraph.types import Command
from processes import AGENTS, ROOT, at_once, worked
from programs import wait_until
from scripted import ScriptedAgent, all_roles, does_it, done

from agents import Brief
from delegation import GateStatus, Outcome, OutcomeStatus, Role
from graph import GateError, Request, TaskOrchestrator, build_graph
from persistence import Database, load_dossier, load_logs, utc_now
from persistence.base import table
from persistence.tables import ExecutionRow

ANSWER = (
    AGENTS
    + """
async def work(file, execution_id, gate_id, folder):
    async with await Database.open(file) as database:
        orchestrator = TaskOrchestrator(database=database, agents=agents(folder))
        try:
            went = await orchestrator.answer(execution_id, gate_id, text=f"says {os.getpid()}")
            if isinstance(went, Request):  # the winner drives already
                await went.wait()
        except GateError as error:
            return [os.getpid(), "GateError"]
        return [os.getpid(), (await orchestrator.run(execution_id))["status"]]
"""
)

RESUME = (
    AGENTS
    + """
async def work(file, thread_id, gate_id, folder):
    async with await Database.open(file) as database:
        graph = build_graph(database=database, agents=agents(folder))
        command = Command(resume={gate_id: f"says {os.getpid()}"})
        try:
            output = await graph.ainvoke(command, {"configurable": {"thread_id": thread_id}})
        except ExecutionBusy:
            return [os.getpid(), "ExecutionBusy"]
        [*interrupts] = output.get("__interrupt__", [])
        return [os.getpid(), interrupts[0].value["error"] if interrupts else output["status"]]
"""
)

# The one that drives works until all the others have been turned away.
RUN = (
    AGENTS
    + """
async def work(file, execution_id, folder, others):
    async with await Database.open(file) as database:
        try:
            summary = await TaskOrchestrator(database=database, agents=agents(folder)).run(execution_id)
        except ExecutionBusy:
            with (Path(folder) / "busy").open("a") as turned_away:
                turned_away.write("x")
            if (Path(folder) / "busy").stat().st_size == int(others):
                (Path(folder) / "go").touch()
            return [os.getpid(), "ExecutionBusy"]
        return [os.getpid(), summary["status"]]
"""
)

# Drives, and waits where somebody else does; says how it ended.
DRIVE = (
    """
import asyncio, json, os, sys
from pathlib import Path
from delegation import Deliverable, Outcome, OutcomeStatus, Role, SquadError
from graph import ExecutionBusy, TaskOrchestrator
from persistence import Database
"""
    + AGENTS
    + """
async def main(file, execution_id, folder, patience):
    async with await Database.open(file) as database:
        orchestrator = TaskOrchestrator(database=database, agents=agents(folder))
        while True:
            try:
                return {"status": (await orchestrator.run(execution_id))["status"]}
            except ExecutionBusy as error:
                if patience == "none":
                    return {"error": type(error).__name__, "message": error.message, "hint": error.hint}
                (Path(folder) / f"waits-{os.getpid()}").touch()
                await asyncio.sleep(0.02)
            except SquadError as error:
                return {"error": type(error).__name__, "message": error.message, "hint": error.hint}

print(json.dumps(asyncio.run(main(*sys.argv[1:]))), flush=True)
"""
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where agents in other processes write down what they work on, and look whether they may go on."""
    made = tmp_path / "folder"
    made.mkdir()
    return made


@pytest.fixture
def drive(database: Database, folder: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """``drive(execution_id)`` has another process drive the execution; whatever still runs at the end is killed."""
    with ExitStack() as stack:

        def start(execution_id: UUID, patience: str = "none") -> subprocess.Popen[str]:
            command = [sys.executable, "-c", DRIVE, file_of(database), str(execution_id), str(folder), patience]
            started = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
            stack.enter_context(started)
            stack.callback(started.kill)
            return started

        yield start


def file_of(database: Database) -> str:
    return str(database._url.database)


def said(process: subprocess.Popen[str]) -> Any:
    output, _ = process.communicate(timeout=60)
    return json.loads(output)


def stop(process: subprocess.Popen[str], database: Database) -> None:
    """Stop a process, though not where it holds the write lock: everybody else would wait for it then."""
    while True:
        os.kill(process.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
        try:
            with closing(sqlite3.connect(file_of(database), timeout=0.1, isolation_level=None)) as connection:
                connection.execute("BEGIN IMMEDIATE")
                return
        except sqlite3.OperationalError:
            os.kill(process.pid, signal.SIGCONT)
            time.sleep(0.01)


async def started(orchestrator: TaskOrchestrator, database: Database, store: Any) -> UUID:
    stored = await store(database)
    async with database.session() as db:
        return await orchestrator.execute_task(db=db, task=stored.task, squad_id=stored.squad.id)


async def everything(database: Database, execution_id: UUID) -> Any:
    return await database.read(lambda c: (load_dossier(c, execution_id), load_logs(c, execution_id)))


async def set_lease(database: Database, until: timedelta) -> None:
    values = table(ExecutionRow).update().values(lease_until=utc_now() + until)
    await database.write(lambda connection: connection.execute(values))


async def check_once(database: Database, execution_id: UUID) -> Any:
    """Check that the execution was completed, each transition and each outcome once."""
    dossier, _ = await everything(database, execution_id)
    assert dossier.execution.status == "completed"
    assert [move.seq for move in dossier.transitions] == list(range(1, dossier.execution.seq + 1))
    assert set(Counter(row.subtask_id for row in dossier.outcomes).values()) == {1}
    return dossier


# Answers


@pytest.mark.slow
async def test_of_ten_answers_from_ten_processes_one_counts_and_no_loser_works(database, store, folder):
    orchestrator = TaskOrchestrator(database=database)
    execution_id = await started(orchestrator, database, store)
    async with database.session() as db:
        gate = await orchestrator.handle_blocker(db=db, execution_id=execution_id, blocker_description="Which hash?")
    (folder / "go").touch()
    ends = at_once(10, ANSWER, file_of(database), execution_id, gate.id, folder)
    [winner] = [pid for pid, end in ends if end == "completed"]
    assert sorted(end for _, end in ends) == ["GateError"] * 9 + ["completed"]
    dossier = await check_once(database, execution_id)
    [kept] = dossier.gates
    assert kept.status == GateStatus.ANSWERED
    assert kept.answer["text"] == f"says {winner}"
    assert [move.from_state for move in dossier.transitions].count("blocked") == 1
    done_by = worked(folder)
    assert {pid for pid, _ in done_by} == {winner}
    assert len(done_by) == len(dossier.outcomes)


@pytest.mark.slow
async def test_of_ten_clients_that_resume_the_graph_at_once_one_counts_and_no_loser_works(database, store, folder):
    agents = all_roles(does_it)
    agents[Role.BACKEND_DEVELOPER] = ScriptedAgent(Role.BACKEND_DEVELOPER, asks_times(1))
    orchestrator = TaskOrchestrator(database=database, agents=agents)
    execution_id = await started(orchestrator, database, store)
    summary = await orchestrator.run(execution_id)
    [gate] = summary["gates"]
    before, _ = await everything(database, execution_id)
    (folder / "go").touch()
    ends = at_once(10, RESUME, file_of(database), execution_id, gate["id"], folder)
    dossier, _ = await everything(database, execution_id)
    [kept] = dossier.gates
    winner = int(kept.answer["text"].removeprefix("says "))
    assert winner in {pid for pid, _ in ends}
    assert {pid for pid, _ in worked(folder)} <= {winner}  # who comes after the end is shown it, and does nothing
    assert [move.from_state for move in dossier.transitions].count("blocked") == 1
    summary = await TaskOrchestrator(database=database, agents=all_roles(does_it)).run(execution_id)
    assert summary["status"] == "completed"
    dossier, _ = await everything(database, execution_id)
    assert list(dossier.outcomes)[: len(before.outcomes)] == list(before.outcomes)
    once = Counter(row.subtask_id for row in dossier.outcomes)
    assert once[gate["subtask_id"]] == 2  # its question, and its work
    assert {count for subtask, count in once.items() if subtask != gate["subtask_id"]} == {1}


def asks_times(count: int) -> Any:
    """A script that asks so many questions, one after another, before it works."""

    async def script(brief: Brief) -> Outcome:
        if len(brief.answers) < count:
            return Outcome(status=OutcomeStatus.BLOCKED, question=f"Question {len(brief.answers)}?")
        return done(brief)

    return script


@pytest.mark.parametrize("how", ["orchestrator", "bare graph"])
async def test_gates_one_after_another_run_nobodys_work_again(database, store, how):
    """The one who asks is asked to work once more after each answer; whoever else has worked is not."""
    times, agents = 4, all_roles(does_it)
    agents[Role.BACKEND_DEVELOPER] = ScriptedAgent(Role.BACKEND_DEVELOPER, asks_times(times))
    orchestrator = TaskOrchestrator(database=database, agents=agents)
    execution_id = await started(orchestrator, database, store)
    graph, config = build_graph(database=database, agents=agents), {"configurable": {"thread_id": str(execution_id)}}
    status = (await orchestrator.run(execution_id))["status"]
    answered = 0
    while status == "blocked":
        dossier, _ = await everything(database, execution_id)
        [gate] = [gate for gate in dossier.gates if gate.status == GateStatus.OPEN]
        if how == "orchestrator":
            await orchestrator.answer(execution_id, gate.id, text=f"answer {answered}")
            status = (await orchestrator.run(execution_id))["status"]
        else:
            output = await graph.ainvoke(Command(resume={str(gate.id): f"answer {answered}"}), config)
            status = output["status"]
        answered += 1
    dossier, _ = await everything(database, execution_id)
    asking = {gate.subtask_id for gate in dossier.gates}
    assert (status, answered) == ("completed", times * len(asking))
    calls = Counter(brief.subtask.id for agent in agents.values() for brief in agent.briefs)
    assert calls == {row["id"]: times + 1 if row["id"] in asking else 1 for row in dossier.execution.plan["subtasks"]}


@pytest.mark.parametrize("how", ["orchestrator", "bare graph"])
async def test_gates_of_one_interrupt_answered_one_by_one_run_nobodys_work_again(database, store, how):
    agents = all_roles(asks_times(1))
    orchestrator = TaskOrchestrator(database=database, agents=agents)
    execution_id = await started(orchestrator, database, store)
    graph, config = build_graph(database=database, agents=agents), {"configurable": {"thread_id": str(execution_id)}}
    async with database.session() as db:
        await orchestrator.run(execution_id)
        for number in range(3):
            await orchestrator.escalate_to_human(db=db, execution_id=execution_id, reason=f"And {number}?", details="")
    await graph.ainvoke(None, config)
    dossier, _ = await everything(database, execution_id)
    *first, last = [gate.id for gate in dossier.gates if gate.status == GateStatus.OPEN]
    assert len(first) >= 3
    before = Counter(brief.subtask.id for agent in agents.values() for brief in agent.briefs)
    for gate_id in first:
        if how == "orchestrator":
            assert await orchestrator.answer(execution_id, gate_id, text="so", next_state="in_progress") == "blocked"
            assert (await orchestrator.run(execution_id))["status"] == "blocked"
        else:
            output = await graph.ainvoke(Command(resume={str(gate_id): f"so, {gate_id}"}), config)
            assert output["__interrupt__"]
        assert Counter(brief.subtask.id for agent in agents.values() for brief in agent.briefs) == before
    await orchestrator.answer(execution_id, last, text="so", next_state="in_progress")
    while (summary := await orchestrator.run(execution_id))["status"] == "blocked":
        for gate in summary["gates"]:
            if gate["status"] == "open":
                await orchestrator.answer(execution_id, gate["id"], text="so")
    assert summary["status"] == "completed"
    calls = Counter(brief.subtask.id for agent in agents.values() for brief in agent.briefs)
    assert set(calls.values()) == {2}  # its question, and its work


# Drivers


@pytest.mark.slow
async def test_of_five_processes_that_run_an_execution_one_drives(database, store, folder):
    execution_id = await started(TaskOrchestrator(database=database), database, store)
    ends = at_once(5, RUN, file_of(database), execution_id, folder, 4)
    assert sorted(end for _, end in ends) == ["ExecutionBusy"] * 4 + ["completed"]
    [driver] = [pid for pid, end in ends if end == "completed"]
    dossier = await check_once(database, execution_id)
    assert Counter(worked(folder)) == {(driver, row.subtask_id): 1 for row in dossier.outcomes}


@pytest.mark.slow
async def test_a_driver_that_is_killed_amid_a_subtask_is_taken_over_at_once(database, store, folder, drive):
    execution_id = await started(TaskOrchestrator(database=database), database, store)
    first = drive(execution_id)
    wait_until(lambda: worked(folder))
    others = [drive(execution_id, "waits") for _ in range(2)]
    wait_until(lambda: len(list(folder.glob("waits-*"))) == 2)
    at_work = {subtask for pid, subtask in worked(folder) if pid == first.pid}
    await set_lease(database, timedelta(hours=1))  # so that nobody takes it because it ran out
    first.kill()
    first.wait()
    (folder / "go").touch()
    assert [said(other) for other in others] == [{"status": "completed"}] * 2
    dossier = await check_once(database, execution_id)
    again = [subtask for pid, subtask in worked(folder) if pid != first.pid]
    assert sorted(again) == sorted(row.subtask_id for row in dossier.outcomes)  # nothing of the first one's had ended
    assert at_work <= set(again)
    assert len({pid for pid, _ in worked(folder)} - {first.pid}) == 1


@pytest.mark.slow
async def test_nothing_of_a_driver_that_lost_its_lease_is_stored_and_it_says_why(database, store, folder, drive):
    orchestrator = TaskOrchestrator(database=database, agents=all_roles(does_it))
    execution_id = await started(orchestrator, database, store)
    old = drive(execution_id)
    wait_until(lambda: worked(folder))
    stop(old, database)
    try:
        await set_lease(database, timedelta(seconds=-1))
        assert (await orchestrator.run(execution_id))["status"] == "completed"
        before = await everything(database, execution_id)
        (folder / "go").touch()
    finally:
        os.kill(old.pid, signal.SIGCONT)
    end = said(old)
    assert end["error"] in {"ExecutionBusy", "StaleTransition"}
    assert end["message"]
    assert end["hint"]
    assert await everything(database, execution_id) == before
    await check_once(database, execution_id)


@pytest.mark.slow
async def test_a_driver_that_lost_its_lease_to_another_that_still_drives_stores_nothing(database, store, folder, drive):
    held, release = asyncio.Event(), asyncio.Event()

    async def holds(brief: Brief) -> Outcome:
        held.set()
        await release.wait()
        return done(brief)

    orchestrator = TaskOrchestrator(database=database, agents=all_roles(holds))
    execution_id = await started(orchestrator, database, store)
    old = drive(execution_id)
    wait_until(lambda: worked(folder))
    stop(old, database)
    try:
        await set_lease(database, timedelta(seconds=-1))
        driving = asyncio.create_task(orchestrator.run(execution_id))
        await held.wait()
        before, logs = await everything(database, execution_id)
        (folder / "go").touch()
    finally:
        os.kill(old.pid, signal.SIGCONT)
    end = await asyncio.to_thread(said, old)
    assert end["error"] in {"ExecutionBusy", "StaleTransition"}
    after, logs_after = await everything(database, execution_id)
    assert (after.transitions, after.outcomes, logs_after) == (before.transitions, before.outcomes, logs)
    release.set()
    assert (await driving)["status"] == "completed"
    await check_once(database, execution_id)


# Requests


async def ask(orchestrator: TaskOrchestrator, database: Database, execution_id: UUID) -> list[Request]:
    """Ask an execution that another process drives for two questions and an answer that comes too early."""
    requests: list[Any] = []
    async with database.session() as db:
        to: Any = {"db": db, "execution_id": execution_id}
        requests.append(await orchestrator.resolve_blocker(**to, resolution="so", next_state="testing"))
        requests.append(await orchestrator.handle_blocker(**to, blocker_description="First?"))
        requests.append(await orchestrator.escalate_to_human(**to, reason="Second?", details=""))
    assert all(isinstance(request, Request) for request in requests)
    return requests


async def check_asked(database: Database, execution_id: UUID, requests: list[Request]) -> None:
    """Check that they were honoured in their order, once, and that each caller got its outcome."""
    early, *rest = requests
    async with asyncio.timeout(30):
        with pytest.raises(GateError, match="waits for no answer"):
            await early.wait()
        outcomes = [await request.wait() for request in rest]
        assert outcomes == [await request.wait() for request in rest]  # however often it is asked for
    dossier, logs = await everything(database, execution_id)
    assert [(str(gate.id), gate.question) for gate in dossier.gates] == [
        (outcomes[0], "First?"),
        (outcomes[1], "Second?"),
    ]
    assert [line.text for line in logs if line.event == "gate"] == ["First?", "Second?"]
    assert [move.to_state for move in dossier.transitions].count("blocked") == 1
    assert dossier.execution.status == "blocked"


@pytest.mark.slow
async def test_requests_to_another_processs_execution_are_honoured_in_order_and_once(database, store, folder, drive):
    orchestrator = TaskOrchestrator(database=database)
    execution_id = await started(orchestrator, database, store)
    driver = drive(execution_id)
    wait_until(lambda: worked(folder))
    requests = await ask(orchestrator, database, execution_id)
    waiting = asyncio.create_task(check_asked(database, execution_id, requests))
    (folder / "go").touch()
    assert await asyncio.to_thread(said, driver) == {"status": "blocked"}
    await waiting


@pytest.mark.slow
async def test_requests_whose_driver_is_killed_are_honoured_by_whoever_waits(database, store, folder, drive):
    orchestrator = TaskOrchestrator(database=database, agents=all_roles(does_it))
    execution_id = await started(orchestrator, database, store)
    driver = drive(execution_id)
    wait_until(lambda: worked(folder))
    stop(driver, database)  # it lives, and does not get round to them
    requests = await ask(orchestrator, database, execution_id)
    waiting = asyncio.create_task(check_asked(database, execution_id, requests))
    driver.kill()
    driver.wait()
    await waiting
    for gate in (await orchestrator.get_execution_summary(execution_id))["gates"]:
        await orchestrator.answer(execution_id, gate["id"], text="so")
    assert (await orchestrator.run(execution_id))["status"] == "completed"
