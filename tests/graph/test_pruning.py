"""Pruning: what ended long ago loses its checkpoints and its journal, and nothing else loses anything."""

import asyncio
import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from cli_process import document
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command
from scripted import all_roles, does_it
from sqlalchemy import Connection, insert, select, text, update
from test_client_forks import ANSWER, CONFIG, TASK, asks_once, at, executions, first_checkpoint

from delegation import InputError
from graph import TaskOrchestrator, build_graph
from graph.cli import main
from persistence import Database, load_execution, utc_now
from persistence.base import as_dict, table
from persistence.tables import ExecutionRow, IntentRow, JournalRow

MONTH = timedelta(days=30)
SPACE = ("checkpoints", "writes")


async def aged(database: Database, execution_id: Any, days: int = 40) -> None:
    """Make an execution's end that many days old."""
    row, ended_at = table(ExecutionRow), utc_now() - timedelta(days=days)
    query = update(row).where(row.c.id == UUID(str(execution_id))).values(ended_at=ended_at)
    await database.write(lambda connection: connection.execute(query))


async def left_of(database: Database, row: Any) -> dict[str, int]:
    """Count what is left of an execution: its thread's checkpoints and writes, its journal and intents."""

    def look(connection: Connection) -> dict[str, int]:
        found = {}
        for name in SPACE:
            query = text(f"SELECT count(*) FROM {name} WHERE thread_id = :thread")  # noqa: S608 - our own names
            found[name] = connection.execute(query, {"thread": row.thread_id}).scalar_one()
        for model in (JournalRow, IntentRow):
            mine = select(model).where(table(model).c.execution_id == row.id)
            found[model.__tablename__] = len(connection.execute(mine).all())
        return found

    return await database.read(look)


async def with_intent(database: Database, execution_id: UUID) -> None:
    values = {"execution_id": execution_id, "scope": "testing:6", "name": "deploy", "status": "done"}
    await database.write(lambda connection: connection.execute(insert(table(IntentRow)), [values]))


async def test_what_ended_long_ago_keeps_its_summary_and_loses_checkpoints_and_journal(database, orchestrator):
    graph = build_graph(database=database, agents=all_roles(asks_once))
    await graph.ainvoke({"task": TASK}, CONFIG)
    await graph.ainvoke(Command(resume=ANSWER), CONFIG)
    (row,) = await executions(database)
    await with_intent(database, row.id)
    assert all((await left_of(database, row)).values())
    before = await orchestrator.get_execution_summary(row.id)

    assert (await orchestrator.prune(MONTH)).executions == 0  # it ended just now
    await aged(database, row.id)
    told = await orchestrator.prune(MONTH, dry_run=True)
    assert (told.executions, told.dry_run) == (1, True)
    assert told.freed_bytes > 0
    assert all((await left_of(database, row)).values())

    pruned = await orchestrator.prune(MONTH)
    assert pruned.executions == 1
    assert pruned.freed_bytes > 0
    left = await left_of(database, row)
    assert left.pop("intents")  # a fork must know what was done outside
    assert not any(left.values())
    assert await orchestrator.get_execution_summary(row.id) == before
    (row,) = await executions(database)
    assert row.pruned_at is not None
    assert (await orchestrator.prune(MONTH)).executions == 0  # once is enough

    assert await orchestrator.run(row.id) == before
    assert (await left_of(database, row))["checkpoints"] == 0  # nor was its thread made again


async def ended(orchestrator: TaskOrchestrator, database: Database, store: Any) -> UUID:
    stored = await store(database)
    async with database.session() as db:
        execution_id = await orchestrator.execute_task(db=db, task=stored.task, squad_id=stored.squad.id)
    assert (await orchestrator.run(execution_id))["status"] == "completed"
    return execution_id


async def pruned(database: Database) -> set[UUID]:
    return {row.id for row in await executions(database) if row.pruned_at}


async def test_what_waits_or_an_open_fork_came_from_is_never_touched(database, orchestrator, store):
    first, other = [await ended(orchestrator, database, store) for _ in range(2)]
    second = await orchestrator.fork(first, 3)
    await orchestrator.run(second)
    open_fork = await orchestrator.fork(second, 3)
    waiting = TaskOrchestrator(database=database, agents=all_roles(asks_once))
    stored = await store(database)
    async with database.session() as db:
        blocked = await waiting.execute_task(db=db, task=stored.task, squad_id=stored.squad.id)
    assert (await waiting.run(blocked))["status"] == "blocked"
    for execution_id in (first, second, other):
        await aged(database, execution_id)

    await orchestrator.prune(MONTH)
    assert await pruned(database) == {other}
    assert (await orchestrator.run(open_fork))["status"] == "completed"
    await aged(database, open_fork, days=20)
    await orchestrator.prune(MONTH)
    assert await pruned(database) == {other, first, second}  # nothing open comes from these any more


async def test_a_thread_is_pruned_when_every_execution_on_it_is_old(database, orchestrator):
    graph = build_graph(database=database, agents=all_roles(does_it))
    await graph.ainvoke({"task": "One"}, CONFIG)
    await graph.ainvoke({"task": "Two"}, CONFIG)
    first, second = await executions(database)
    await aged(database, first.id)
    await orchestrator.prune(MONTH)
    assert await pruned(database) == set()
    await aged(database, second.id)
    assert (await orchestrator.prune(MONTH)).executions == 2

    third = await graph.ainvoke({"task": "Three"}, CONFIG)
    assert (third["status"], third["task"]["title"]) == ("completed", "Three")
    assert len(await executions(database)) == 3
    await orchestrator.prune(MONTH)
    row = (await executions(database))[-1]
    assert (row.pruned_at, bool((await left_of(database, row))["checkpoints"])) == (None, True)


async def test_new_input_for_the_same_task_on_a_pruned_thread_is_not_taken_for_a_crash(database, orchestrator):
    graph = build_graph(database=database, agents=all_roles(does_it))
    first = await graph.ainvoke({"task": TASK}, CONFIG)
    await aged(database, first["execution_id"])
    await orchestrator.prune(MONTH)
    second = await graph.ainvoke({"task": TASK}, CONFIG)
    assert second["status"] == "completed"
    assert second["execution_id"] != first["execution_id"]


async def test_a_pruned_execution_whose_thread_is_in_another_checkpointer_is_not_gone_on_with(database, orchestrator):
    graph = build_graph(InMemorySaver(), database=database, agents=all_roles(does_it))
    first = await graph.ainvoke({"task": TASK}, CONFIG)
    where = at(await first_checkpoint(graph, "reviewing"))
    await aged(database, first["execution_id"])
    assert (await orchestrator.prune(MONTH)).executions == 1
    with pytest.raises(InputError, match="pruned"):
        await graph.ainvoke(None, where)
    assert len(await executions(database)) == 1
    fork = await orchestrator.fork(first["execution_id"], 5)  # from the log, which is whole
    own = TaskOrchestrator(database=database, agents=all_roles(does_it))
    assert (await own.run(fork))["status"] == "completed"


async def test_a_time_that_is_none_is_refused(orchestrator):
    with pytest.raises(InputError):
        await orchestrator.prune(timedelta(0))


KILLED = """
import asyncio, os, signal, sys
from datetime import timedelta
from graph import TaskOrchestrator, pruning
from persistence import Database

pruning.BATCH, prune, count = 1, pruning.prune_threads, iter(range(9))

def dies(connection, thread_ids, before):
    done = prune(connection, thread_ids, before)
    if next(count) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return done

async def main():
    pruning.prune_threads = dies
    async with await Database.open(sys.argv[1]) as database:
        await TaskOrchestrator(database=database).prune(timedelta(days=30))

asyncio.run(main())
"""


async def test_a_prune_that_is_killed_leaves_each_execution_pruned_or_not_and_the_next_does_the_rest(
    database, orchestrator, store, tmp_path
):
    for _ in range(4):
        await aged(database, await ended(orchestrator, database, store))
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", KILLED, str(tmp_path / "squad.db")]
    died = await asyncio.to_thread(subprocess.run, command, env=environment, timeout=60, check=False)
    assert died.returncode == -signal.SIGKILL
    assert len(await pruned(database)) == 2
    for row in await executions(database):
        left = await left_of(database, row)
        assert bool(left["checkpoints"]) == bool(left["writes"]) == (row.pruned_at is None)
    assert (await orchestrator.prune(MONTH)).executions == 2


def test_the_command_prunes_and_says_what_it_freed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)

    def told(*words: str) -> Any:
        assert main([*words, "--json"]) == 0
        return document(capsys.readouterr().out)

    assert told("run", "Add a login page")["status"] == "completed"

    async def age() -> UUID:
        async with await Database.open(str(tmp_path / ".squad" / "squad.db")) as database:
            (row,) = await executions(database)
            await aged(database, row.id)
            return UUID(str(row.id))

    execution = asyncio.run(age())
    trial = told("prune", "--older-than", "12h", "--dry-run")
    assert (trial["pruned"], trial["dry_run"]) == (1, True)
    done = told("prune", "--older-than", "30d")
    assert done.keys() == {"pruned", "freed_bytes", "dry_run"}
    assert (done["pruned"], done["dry_run"]) == (1, False)
    assert done["freed_bytes"] > 0
    assert main(["prune", "--older-than", "90m"]) == 0
    assert capsys.readouterr().out == "pruned 0 executions; 0 bytes of the file are free to be used again\n"
    assert told("resume", str(execution))["status"] == "completed"


@pytest.mark.parametrize("words", [[], ["--older-than"], ["--older-than", "soon"], ["--older-than", "-1d"]])
def test_a_duration_that_is_none_is_a_mistake_in_usage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["prune", *words]) == 64
    assert capsys.readouterr().out == ""
    assert not (tmp_path / ".squad").exists()


async def test_pruning_marks_nothing_but_the_time_in_the_row(database, orchestrator, store):
    execution_id = await ended(orchestrator, database, store)
    await aged(database, execution_id)
    before = await database.read(lambda connection: load_execution(connection, execution_id))
    await orchestrator.prune(MONTH)
    after = await database.read(lambda connection: load_execution(connection, execution_id))
    assert as_dict(after) | {"pruned_at": None} == as_dict(before)
