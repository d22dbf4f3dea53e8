"""A client goes on from an older checkpoint: a fork where the execution has ended, refused where it is open."""

import asyncio
import itertools
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from fragile import Fragile, Unplugged
from langgraph.types import Command
from scripted import ScriptedAgent, all_roles, does_it, done
from sqlalchemy import select

from agents import Brief
from agents.rules import RuleTester
from delegation import Finding, InputError, Outcome, OutcomeStatus, Plan, Role, TestReport
from graph import ExecutionBusy, TaskOrchestrator, build_graph
from persistence import Database, load_transitions, load_work
from persistence.base import table
from persistence.tables import ExecutionRow

CONFIG: dict[str, Any] = {"configurable": {"thread_id": "a thread"}}
TASK = "Implement user login"
ANSWER = {"decisions": [{"type": "respond", "message": "use the old API"}]}
STATES = ["pending", "analyzing", "planning", "delegated", "in_progress", "reviewing", "testing"]


async def asks_once(brief: Brief) -> Outcome:
    """Ask a human before the first piece of work, and do the rest at once."""
    if brief.subtask.id == "S1" and not brief.answers:
        return Outcome(status=OutcomeStatus.BLOCKED, question="Which API is meant?")
    return done(brief)


def crew(database: Database, script: Any = does_it) -> tuple[Any, dict[Role, ScriptedAgent]]:
    agents = all_roles(script)
    return build_graph(database=database, agents=agents), agents


async def checkpoints(graph: Any) -> dict[str, str]:
    """Return the id of the newest checkpoint before each state that the thread has been in."""
    found: dict[str, str] = {}
    async for snapshot in graph.aget_state_history(CONFIG):
        for node in snapshot.next:
            found.setdefault(node, snapshot.config["configurable"]["checkpoint_id"])
    return found


async def first_checkpoint(graph: Any, node: str) -> str:
    """Return the id of the oldest checkpoint before that state."""
    found = [
        one.config["configurable"]["checkpoint_id"]
        async for one in graph.aget_state_history(CONFIG)
        if node in one.next
    ]
    return str(found[-1])


def at(checkpoint_id: str) -> dict[str, Any]:
    return {"configurable": CONFIG["configurable"] | {"checkpoint_id": checkpoint_id}}


async def executions(database: Database) -> list[Any]:
    row = table(ExecutionRow)
    query = select(row).order_by(row.c.updated_at)
    return await database.read(lambda connection: list(connection.execute(query)))


async def everything(database: Database, execution_id: Any) -> Any:
    return await TaskOrchestrator(database=database).get_execution_summary(execution_id)


async def finished(graph: Any) -> dict[str, Any]:
    """Run to the end, answering what is asked."""
    out = await graph.ainvoke({"task": TASK}, CONFIG)
    if "__interrupt__" in out:
        out = await graph.ainvoke(Command(resume=ANSWER), CONFIG)
    assert out["status"] == "completed"
    return dict(out)


@pytest.mark.parametrize("durability", ["sync", "async"])
@pytest.mark.parametrize("state", STATES)
async def test_a_client_that_goes_back_in_a_finished_thread_gets_an_execution_of_its_own(database, state, durability):
    graph, agents = crew(database)
    first = await finished(graph)
    before = await everything(database, first["execution_id"])
    briefs = Counter(brief.subtask.id for agent in agents.values() for brief in agent.briefs)

    second = await graph.ainvoke(None, at((await checkpoints(graph))[state]), durability=durability)

    assert second["status"] == "completed"
    assert second["execution_id"] != first["execution_id"]
    assert second["task"]["id"] != first["task"]["id"]
    assert second["task"]["title"] == first["task"]["title"]
    assert await everything(database, first["execution_id"]) == before
    original, fork = await executions(database)
    assert (fork.forked_from, fork.forked_at) == (original.id, STATES.index(state))
    assert (str(fork.id), fork.thread_id) == (second["execution_id"], original.thread_id)
    values = (await graph.aget_state(CONFIG)).values
    assert (values["execution_id"], values["task"]["id"], values["seq"]) == (str(fork.id), str(fork.task_id), 7)
    log = await database.read(lambda connection: load_transitions(connection, fork.id))
    assert [move.seq for move in log] == list(range(1, 8))
    again = Counter(brief.subtask.id for agent in agents.values() for brief in agent.briefs)
    works_again = STATES.index(state) <= STATES.index("in_progress")
    assert again == (briefs + briefs if works_again else briefs)


async def test_a_fork_of_a_question_asks_it_again_with_gates_of_its_own(database):
    graph, _ = crew(database, asks_once)
    first = await finished(graph)
    before = await everything(database, first["execution_id"])
    asked = await graph.ainvoke(None, at((await checkpoints(graph))["blocked"]))
    (interrupt,) = asked["__interrupt__"]
    (request,) = interrupt.value["action_requests"]
    original, fork = await executions(database)
    assert request["args"]["execution_id"] == str(fork.id)
    assert request["args"]["id"] not in {gate["id"] for gate in before["gates"]}
    out = await graph.ainvoke(Command(resume=ANSWER), CONFIG)
    assert (out["status"], out["execution_id"]) == ("completed", str(fork.id))
    assert len(await executions(database)) == 2
    assert await everything(database, original.id) == before


async def test_an_answer_at_an_older_question_counts_for_a_fork_alone(database):
    graph, _ = crew(database, asks_once)
    first = await finished(graph)
    before = await everything(database, first["execution_id"])
    no = {"decisions": [{"type": "respond", "message": "stop it", "next_state": "failed"}]}
    out = await graph.ainvoke(Command(resume=no), at((await checkpoints(graph))["blocked"]))
    original, fork = await executions(database)
    assert (out["status"], out["execution_id"], fork.forked_from) == ("failed", str(fork.id), original.id)
    assert await everything(database, original.id) == before
    same = await graph.ainvoke(Command(resume=ANSWER), at(await first_checkpoint(graph, "blocked")))
    assert (same["status"], len(await executions(database))) == ("completed", 3)


class NeverPasses(RuleTester):
    """A tester that always finds something."""

    async def execute(self, plan: Plan, outcomes: Mapping[str, Outcome]) -> TestReport:
        finding = Finding(subtask_id=plan.subtasks[0].id, message="it is wanting")
        return TestReport(passed=False, results=[], findings=[finding])


@pytest.mark.parametrize("state", [*STATES, "blocked"])
async def test_in_the_thread_of_an_open_execution_a_fork_is_refused_and_the_next_drive_mends_the_thread(
    database, state
):
    graph = build_graph(database=database, agents=all_roles(asks_once) | {Role.TESTER: NeverPasses()})
    await graph.ainvoke({"task": TASK}, CONFIG, context={"max_reworks": 0})
    out = await graph.ainvoke(Command(resume=ANSWER), CONFIG)
    (interrupt,) = out["__interrupt__"]
    (open_one,) = await executions(database)
    before = await everything(database, open_one.id)
    assert before["status"] == "blocked"
    with pytest.raises(ExecutionBusy):
        await graph.ainvoke(None, at(await first_checkpoint(graph, state)))
    assert await everything(database, open_one.id) == before
    assert len(await executions(database)) == 1

    orchestrator = TaskOrchestrator(database=database, agents=all_roles(asks_once))
    await orchestrator.run(open_one.id)
    values = (await graph.aget_state(CONFIG)).values
    assert (values["execution_id"], values["status"], values["seq"]) == (str(open_one.id), "blocked", open_one.seq)
    gate = interrupt.value["action_requests"][0]["args"]
    await orchestrator.answer(open_one.id, gate["id"], text="good enough", next_state="testing")
    assert (await orchestrator.run(open_one.id))["status"] == "completed"


async def test_new_input_on_an_open_thread_is_refused_and_the_execution_goes_on(database):
    graph, _ = crew(database, asks_once)
    await graph.ainvoke({"task": TASK}, CONFIG)
    with pytest.raises(ExecutionBusy):
        await graph.ainvoke({"task": "Export orders as CSV"}, CONFIG)
    (open_one,) = await executions(database)
    summary = await TaskOrchestrator(database=database, agents=all_roles(asks_once)).run(open_one.id)
    assert (summary["status"], summary["task"]["title"]) == ("blocked", TASK)
    out = await graph.ainvoke(Command(resume=ANSWER), CONFIG)
    assert (out["status"], out["execution_id"]) == ("completed", str(open_one.id))


async def test_new_input_on_an_ended_thread_starts_with_nothing_of_the_work_before(database):
    graph = build_graph(database=database, agents=all_roles(does_it) | {Role.TESTER: NeverPasses()})
    await graph.ainvoke({"task": TASK}, CONFIG, context={"max_reworks": 2})
    (first,) = await executions(database)
    values = (await graph.aget_state(CONFIG)).values
    assert (values["round"], len(values["findings"])) == (4, 1)
    no = {"decisions": [{"type": "respond", "message": "enough", "next_state": "failed"}]}
    await graph.ainvoke(Command(resume=no), CONFIG)

    graph, _ = crew(database)
    second = await graph.ainvoke({"task": "Export orders as CSV"}, CONFIG)
    assert (second["status"], second["task"]["title"]) == ("completed", "Export orders as CSV")
    assert second["execution_id"] != str(first.id)
    assert {one["forked_from"] for one in map(vars_of, await executions(database))} == {None}
    values = (await graph.aget_state(CONFIG)).values
    assert (values["round"], values["since"], values["findings"]) == (1, 1, [])
    assert {subtask["id"] for subtask in values["plan"]["subtasks"]} == {one["id"] for one in second["subtasks"]}


def vars_of(row: Any) -> dict[str, Any]:
    return dict(row._mapping)


async def test_each_of_several_executions_on_a_thread_is_forked_from_its_own_beginning(database):
    graph, _ = crew(database)
    for title in ("One", "Two", "Three"):
        await graph.ainvoke({"task": title}, CONFIG)
    originals = await executions(database)
    pending = [one async for one in graph.aget_state_history(CONFIG) if one.next == ("pending",)]
    for title, snapshot, original in zip(("Three", "Two", "One"), pending, reversed(originals), strict=True):
        out = await graph.ainvoke(None, snapshot.config)
        fork = (await executions(database))[-1]
        assert (out["task"]["title"], fork.forked_from, fork.forked_at) == (title, original.id, 0)


async def test_what_a_client_changed_in_an_older_state_is_in_the_forks_log_and_row(database):
    graph, agents = crew(database)
    first = await finished(graph)
    where = at((await checkpoints(graph))["in_progress"])
    plan = (await graph.aget_state(where)).values["plan"]
    plan["subtasks"][0]["title"] = "As the client wants it"
    changed = await graph.aupdate_state(where, {"plan": plan}, as_node="delegated")
    for agent in agents.values():
        agent.briefs.clear()
    second = await graph.ainvoke(None, changed)
    assert second["status"] == "completed"
    briefed = [brief.subtask.title for agent in agents.values() for brief in agent.briefs]
    assert "As the client wants it" in briefed
    original, fork = await executions(database)
    assert (fork.forked_from, fork.forked_at) == (original.id, 4)
    assert fork.plan["subtasks"][0]["title"] == second["subtasks"][0]["title"] == "As the client wants it"
    assert original.plan["subtasks"][0]["title"] == first["subtasks"][0]["title"] != "As the client wants it"
    await database.checkpointer.adelete_thread("a thread")
    await TaskOrchestrator(database=database).run(fork.id)  # rebuilds the thread from the log
    assert (await graph.aget_state(CONFIG)).values["plan"]["subtasks"][0]["title"] == "As the client wants it"


async def test_an_execution_that_was_cancelled_is_not_brought_back_to_life_by_going_on(database):
    graph, _ = crew(database, asks_once)
    await graph.ainvoke({"task": TASK}, CONFIG)
    (cancelled,) = await executions(database)
    async with database.session() as db:
        await TaskOrchestrator(database=database).cancel(db=db, execution_id=cancelled.id)
    out = await graph.ainvoke(None, CONFIG)
    assert (out["status"], out["execution_id"]) == ("failed", str(cancelled.id))
    # to name the checkpoint is another wish
    asked = await graph.ainvoke(None, at((await checkpoints(graph))["blocked"]))
    assert "__interrupt__" in asked
    assert [one.status for one in await executions(database)] == ["failed", "blocked"]
    # and the fork can be cancelled like any other, though no checkpoint names it yet
    fork = (await executions(database))[-1]
    async with database.session() as db:
        await TaskOrchestrator(database=database).cancel(db=db, execution_id=fork.id)
    out = await graph.ainvoke(Command(resume=ANSWER), CONFIG)
    assert (out["status"], out["execution_id"], out["task"]["id"]) == ("failed", str(fork.id), str(fork.task_id))
    assert len(await executions(database)) == 2


async def test_a_fork_that_begins_inside_the_board_is_refused_with_nothing_made(database):
    graph, agents = crew(database)
    first = await finished(graph)
    before = await everything(database, first["execution_id"])
    root = await graph.aget_state(at((await checkpoints(graph))["in_progress"]), subgraphs=True)
    inside = root.tasks[0].state.config
    worked = sum(len(agent.briefs) for agent in agents.values())
    with pytest.raises(InputError, match="inside the board"):
        await graph.ainvoke(None, inside)
    assert sum(len(agent.briefs) for agent in agents.values()) == worked
    assert len(await executions(database)) == 1
    assert await everything(database, first["execution_id"]) == before


async def test_the_lease_is_the_forks(database):
    graph, _ = crew(database, asks_once)
    await finished(graph)
    held = []

    async def looks(brief: Brief) -> Outcome:
        held.extend(await executions(database))
        return done(brief)

    graph, _ = crew(database, looks)
    await graph.ainvoke(None, at(await first_checkpoint(graph, "in_progress")))
    original, fork = held[:2]
    assert (original.lease_owner, fork.forked_from) == (None, original.id)
    assert fork.lease_owner


async def gone_on(graph: Any, database: Database, checkpoint_id: str, durability: Any) -> None:
    """Go on as a client does after a failure: where the thread stands, or from the older checkpoint once more."""
    while True:
        head = await graph.aget_state(CONFIG)
        newest = (await executions(database))[-1]
        if newest.forked_from and newest.status == "completed":
            return  # it had come to its end before the failure
        is_at_the_end = head.values["status"] == "completed"
        try:
            await graph.ainvoke(None, at(checkpoint_id) if is_at_the_end else CONFIG, durability=durability)
        except ExecutionBusy:  # what the failed run had at work is being let go
            await asyncio.sleep(0.01)
        else:
            return


@pytest.mark.slow
@pytest.mark.parametrize("durability", ["sync", "async"])
@pytest.mark.parametrize("state", ["pending", "analyzing", "in_progress", "testing"])
async def test_a_fork_is_made_once_whichever_write_of_its_checkpointer_fails(migrated, tmp_path, state, durability):
    for write in itertools.count(1 if durability == "sync" else 2, 2):  # every second one, which is not the same
        async with await Database.open(str(shutil.copy(migrated, tmp_path / f"{write}.db"))) as database:
            graph, agents = crew(database)
            await finished(graph)
            where = (await checkpoints(graph))[state]
            for agent in agents.values():
                agent.briefs.clear()
            fragile = Fragile(database, write)
            try:
                await graph.ainvoke(None, at(where), durability=durability)
            except Unplugged:
                await gone_on(graph, database, where, durability)
            original, fork = await executions(database)
            assert (original.status, fork.status, fork.forked_from) == ("completed", "completed", original.id)
            work = await database.read(lambda connection, fork=fork: load_work(connection, fork.id))
            assert set(Counter(one.subtask_id for one in work).values()) == {1}
            worked = Counter(brief.subtask.id for agent in agents.values() for brief in agent.briefs)
            assert set(worked.values()) <= {1}
        if not fragile.failed:
            break
    assert write > 2


KILLED = """
import asyncio, os, signal, sys
from langgraph.types import Command
from scripted import all_roles, does_it
from test_client_forks import CONFIG, at, checkpoints, finished
from delegation import Role
from graph import build_graph
from persistence import Database

async def dies(brief):
    os.kill(os.getpid(), signal.SIGKILL)

async def main(file, durability):
    async with await Database.open(file) as database:
        graph = build_graph(database=database, agents=all_roles(does_it))
        await finished(graph)
        where = (await checkpoints(graph))["in_progress"]
        await build_graph(database=database, agents=all_roles(dies)).ainvoke(None, at(where), durability=durability)

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("durability", ["sync", "async"])
async def test_a_fork_that_was_killed_at_its_first_piece_of_work_goes_on_as_the_same(tmp_path, durability):
    file, here = str(tmp_path / "squad.db"), Path(__file__).parent
    environment = os.environ | {"PYTHONPATH": f"{here.parents[1]}:{here}"}
    command = [sys.executable, "-c", KILLED, file, durability]
    died = await asyncio.to_thread(subprocess.run, command, env=environment, timeout=60, check=False)
    assert died.returncode == -signal.SIGKILL
    async with await Database.open(file) as database:
        original, fork = await executions(database)
        assert (fork.status, fork.forked_from) == ("in_progress", original.id)
        graph, _ = crew(database)
        await gone_on(graph, database, (await checkpoints(graph))["in_progress"], durability)
        _, again = await executions(database)
        assert (again.id, again.status) == (fork.id, "completed")
        values = (await graph.aget_state(CONFIG)).values
        assert values["execution_id"] == str(fork.id)
