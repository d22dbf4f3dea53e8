"""The lease while driving: kept alive, and what a driver stores that has lost its own."""

import asyncio
import subprocess
import threading
import time
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from cli_process import command, environment
from scripted import all_roles, done
from sqlalchemy import select

from agents import rule_based_agents
from delegation import Role
from graph import ExecutionBusy, TaskOrchestrator
from graph.fingerprint import BUILT_IN
from persistence import Database, lease, utc_now
from persistence.base import table
from persistence.tables import ExecutionRow

LEASE_S = 1.0


@pytest.fixture(autouse=True)
def _short_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leases that run out while a test waits for it."""
    monkeypatch.setattr(lease, "LEASE_S", LEASE_S)


async def made(database, store, orchestrator) -> UUID:
    stored = await store(database)
    async with database.session() as db:
        return await orchestrator.execute_task(db=db, task=stored.task, squad_id=stored.squad.id)


async def lease_end(database: Database) -> datetime:
    query = select(table(ExecutionRow).c.lease_until)
    return await database.read(lambda connection: connection.execute(query).scalar_one())


async def outcomes(database: Database) -> Counter[str]:
    query = "SELECT subtask_id FROM outcomes"
    found = await database.read(lambda connection: connection.exec_driver_sql(query).scalars().all())
    return Counter(found)


async def test_a_lease_is_renewed_while_one_subtask_takes_longer_than_it_lasts(tmp_path, database, store):
    held, go_on = asyncio.Event(), asyncio.Event()

    async def script(brief):
        held.set()
        await go_on.wait()
        return done(brief)

    orchestrator = TaskOrchestrator(database=database, agents=all_roles(script))
    execution_id = await made(database, store, orchestrator)
    running = asyncio.create_task(orchestrator.run(execution_id))
    await held.wait()
    first = await lease_end(database)
    async with await Database.open(str(tmp_path / "squad.db")) as other:  # which is another owner
        for number in range(1, 3):
            later = first + number * timedelta(seconds=LEASE_S)  # which it reaches by renewals alone
            while await lease_end(database) < later:  # noqa: ASYNC110 - a row sets no event
                await asyncio.sleep(0.01)
            with pytest.raises(ExecutionBusy):
                await TaskOrchestrator(database=other, agents=all_roles(script)).run(execution_id)
    go_on.set()
    assert (await running)["status"] == "completed"


async def test_a_loop_that_was_blocked_for_longer_than_the_lease_goes_on_where_nobody_took_over(database, store):
    async def script(brief):
        if not brief.subtask.depends_on:
            time.sleep(1.5 * LEASE_S)  # noqa: ASYNC251 - an agent that does what no agent should
        return done(brief)

    orchestrator = TaskOrchestrator(database=database, agents=all_roles(script))
    execution_id = await made(database, store, orchestrator)
    assert (await orchestrator.run(execution_id))["status"] == "completed"
    assert set((await outcomes(database)).values()) == {1}


async def test_a_driver_that_was_stuck_while_another_process_took_over_stores_nothing(tmp_path: Path, database, store):
    """The other process finds a living owner whose lease has run out, and does all of the work."""
    calls = Counter[str]()

    async def script(brief):
        calls[brief.subtask.id] += 1
        if calls.total() == 1:
            words = command("resume", brief.execution_id, "--migrate", "roles", "--db", tmp_path / "squad.db")
            ended = subprocess.run(  # noqa: ASYNC221 - the loop is to be blocked
                words, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=50, check=False
            )
            assert ended.returncode == 0, ended.stderr
        return done(brief)

    orchestrator = TaskOrchestrator(database=database, agents=all_roles(script))
    execution_id = await made(database, store, orchestrator)
    with pytest.raises(ExecutionBusy, match="taken over by another driver"):
        await orchestrator.run(execution_id)
    summary = await orchestrator.get_execution_summary(execution_id)
    assert summary["status"] == "completed"
    assert [move["seq"] for move in summary["transitions"]] == list(range(1, 8))
    assert set((await outcomes(database)).values()) == {1}
    assert {one["deliverable"]["body"] for one in summary["subtasks"]}.isdisjoint({"As asked."})
    assert calls.total() <= len([one for one in summary["subtasks"] if not one["depends_on"]])
    assert await orchestrator.run(execution_id) == summary


async def test_members_at_work_stop_once_the_lease_is_lost_and_none_works_on(
    tmp_path: Path, database, store, monkeypatch
):
    """Another driver holds the execution and is still at work on the same board."""
    monkeypatch.setattr(lease, "renew", lambda *_: None)  # what was due meanwhile would else race with the successor
    calls, other_calls, held, go_on = Counter[str](), Counter[str](), asyncio.Event(), asyncio.Event()

    async def slow(brief):
        other_calls[brief.subtask.id] += 1
        held.set()
        await go_on.wait()
        return done(brief)

    async with await Database.open(str(tmp_path / "squad.db")) as other:
        successor = TaskOrchestrator(database=other, agents=all_roles(slow))
        taking: list[asyncio.Task[Any]] = []

        async def script(brief):
            calls[brief.subtask.id] += 1
            if not taking:
                time.sleep(1.2 * LEASE_S)  # noqa: ASYNC251 - the loop is to be blocked
                taking.append(asyncio.create_task(successor.run(brief.execution_id)))
            await held.wait()
            return done(brief)

        orchestrator = TaskOrchestrator(database=database, agents=all_roles(script))
        execution_id = await made(database, store, orchestrator)
        async with asyncio.timeout(30):
            with pytest.raises(ExecutionBusy, match=r"is being driven by process|was taken over by another driver"):
                await orchestrator.run(execution_id)
            assert not await outcomes(database)
            go_on.set()
            assert (await taking[0])["status"] == "completed"
    assert set(calls.values()) == {1}
    assert set(other_calls.values()) == {1}


@pytest.mark.parametrize("judgement", ["analyze", "review"])
async def test_a_judgement_whose_lease_was_lost_moves_nothing(tmp_path: Path, database, store, judgement):
    role = Role.PROJECT_MANAGER if judgement == "analyze" else Role.TECH_LEAD
    rules: Any = rule_based_agents()[role]

    async def take_over() -> None:
        async with await Database.open(str(tmp_path / "squad.db")) as other:  # which is another owner
            run_out = table(ExecutionRow).update().values(lease_until=utc_now() - timedelta(seconds=1))
            await other.write(lambda connection: connection.execute(run_out))
            await TaskOrchestrator(database=other, migrations=[BUILT_IN["roles"]]).run(execution_id)

    class Blocks:
        def __init__(self) -> None:
            self.role = role

        def __getattr__(self, name: str) -> Any:
            found = getattr(rules, name)
            return self._blocking(found) if name == judgement else found

        def _blocking(self, judge: Any) -> Any:
            async def judging(*args: Any) -> Any:
                successor = threading.Thread(target=asyncio.run, args=(take_over(),))
                successor.start()
                successor.join()  # the loop is to be blocked
                return await judge(*args)

            return judging

    orchestrator = TaskOrchestrator(database=database, agents={role: Blocks()})
    execution_id = await made(database, store, orchestrator)
    with pytest.raises(ExecutionBusy, match="taken over by another driver"):
        await orchestrator.run(execution_id)
    summary = await orchestrator.get_execution_summary(execution_id)
    assert summary["status"] == "completed"
    assert [move["seq"] for move in summary["transitions"]] == list(range(1, 8))
