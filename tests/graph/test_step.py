"""The step protocol where it hurts: every checkpoint write fails once, and nothing is lost or done twice for that."""

import asyncio
import itertools
import shutil
from collections import Counter
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from fragile import Fragile, Unplugged
from scripted import all_roles, does_it

from delegation import OutcomeStatus
from graph import ExecutionBusy, TaskOrchestrator, build_graph
from persistence import Database, load_work

CONFIG = {"configurable": {"thread_id": "a thread"}}
MAIN_LINE = ["analyzing", "planning", "delegated", "in_progress", "reviewing", "testing", "completed"]


async def fresh(migrated: Path, folder: Path, number: int) -> Database:
    """Open an empty database on a file of its own."""
    return await Database.open(str(shutil.copy(migrated, folder / f"{number}.db")))


def check(summary: dict[str, Any]) -> None:
    assert [move["to_state"] for move in summary["transitions"]] == MAIN_LINE
    assert [move["seq"] for move in summary["transitions"]] == list(range(1, 8))
    assert {one["status"] for one in summary["subtasks"]} == {"done"}


async def outcomes_of(database: Database, summary: dict[str, Any]) -> Counter[str]:
    execution_id = UUID(summary["execution_id"])
    work = await database.read(lambda connection: load_work(connection, execution_id))
    assert {done.outcome.status for done in work} == {OutcomeStatus.DONE}
    return Counter(done.subtask_id for done in work)


@pytest.mark.parametrize("first", [1, pytest.param(2, marks=pytest.mark.slow), pytest.param(3, marks=pytest.mark.slow)])
async def test_a_run_goes_on_after_any_write_of_its_checkpointer_failed(migrated, tmp_path, store, first):
    for at in itertools.count(first, 3):
        async with await fresh(migrated, tmp_path, at) as database:
            agents = all_roles(does_it)
            orchestrator = TaskOrchestrator(database=database, agents=agents)
            stored = await store(database)
            async with database.session() as db:
                execution_id = await orchestrator.execute_task(db=db, task=stored.task, squad_id=stored.squad.id)
            fragile = Fragile(database, at)
            try:
                summary = await orchestrator.run(execution_id)
            except Unplugged:
                summary = await orchestrator.run(execution_id)
            check(summary)
            once = await outcomes_of(database, summary)
            assert set(once.values()) == {1}
            assert Counter(brief.subtask.id for agent in agents.values() for brief in agent.briefs) == once
        if not fragile.failed:
            break
    assert at > 12


async def resumed(graph: Any, durability: Any) -> dict[str, Any]:
    """Go on as soon as the failed run has let go of what it had at work."""
    while True:
        try:
            output: dict[str, Any] = await graph.ainvoke(None, CONFIG, durability=durability)
        except ExecutionBusy:
            await asyncio.sleep(0.01)
        else:
            return output


@pytest.mark.slow
@pytest.mark.parametrize("durability", ["sync", "async"])
async def test_a_bare_graph_goes_on_after_any_write_of_its_checkpointer_failed(migrated, tmp_path, durability):
    for at in itertools.count(2):  # the first one is the input's: without it there is no thread to go on with
        async with await fresh(migrated, tmp_path, at) as database:
            agents = all_roles(does_it)
            graph = build_graph(database=database, agents=agents)
            fragile = Fragile(database, at)
            try:
                summary = await graph.ainvoke({"task": "Implement user login"}, CONFIG, durability=durability)
            except Unplugged:
                summary = await resumed(graph, durability)
                if "transitions" not in summary:  # a late failure: the last node had run, and its output is not stored
                    summary = await TaskOrchestrator(database=database).get_execution_summary(summary["execution_id"])
            check(summary)
            once = await outcomes_of(database, summary)
            assert set(once.values()) == {1}
            assert Counter(brief.subtask.id for agent in agents.values() for brief in agent.briefs) == once
        if not fragile.failed:
            break
    assert at > 12
