"""Effects outside: written down before they begin, done once, and a question to a human where nobody knows."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from scripted import all_roles, done

from agents import effect, rule_based_agents
from delegation import DatabaseError, Role, Squad
from graph import RunSettings, TaskOrchestrator, outside
from persistence import Database, load_doubts

ROOT = Path(__file__).resolve().parents[2]
PUSH = "push the branch"


class World:
    """What is outside: it remembers each push."""

    def __init__(self, *errors: BaseException | None) -> None:
        self.pushes: list[str] = []
        self.errors = list(errors)

    async def push(self) -> dict[str, Any]:
        self.pushes.append("pushed")
        if self.errors and (error := self.errors.pop(0)):
            raise error
        return {"revision": len(self.pushes)}


def pushing(world: World, results: list[Any], *, role: Role = Role.BACKEND_DEVELOPER, then: Any = None) -> Any:
    """Return agents of which one role's first subtask pushes, and may do something afterwards."""

    async def script(brief):
        if brief.subtask.role == role and not brief.subtask.depends_on:
            results.append(await effect(PUSH, world.push))
            if then:
                await then(brief)
        return done(brief)

    return all_roles(script)


async def run(database: Database, store: Any, agents: Any, **settings: Any) -> tuple[TaskOrchestrator, dict[str, Any]]:
    chosen = RunSettings(**{"retry_wait_s": 0.0} | settings)
    orchestrator = TaskOrchestrator(database=database, agents=agents, settings=chosen)
    stored = await store(database, squad=Squad.default())
    async with database.session() as db:
        execution_id = await orchestrator.execute_task(db=db, task=stored.task, squad_id=stored.squad.id)
    async with asyncio.timeout(30):
        return orchestrator, await orchestrator.run(execution_id)


async def test_outside_of_a_run_an_effect_just_happens():
    world = World()
    assert await effect(PUSH, world.push) == {"revision": 1}


async def test_an_effect_that_has_happened_is_not_repeated_by_another_try(database, store):
    world, results, tries = World(), [], []

    async def stumble(brief):
        tries.append(brief.subtask.id)
        if len(tries) < 3:
            raise ConnectionResetError("after the push")

    _, summary = await run(database, store, pushing(world, results, then=stumble))
    assert summary["status"] == "completed"
    assert (len(tries), world.pushes, results) == (3, ["pushed"], [{"revision": 1}] * 3)


@pytest.mark.parametrize(
    ("answer", "pushes", "result"),
    [
        ({"decision": "respond", "text": "revision 7 is there"}, 1, "revision 7 is there"),
        ({"decision": "approve"}, 2, {"revision": 2}),
    ],
)
async def test_one_that_raised_is_a_question_and_never_a_blind_retry(database, store, answer, pushes, result):
    world, results = World(TimeoutError("no answer from the server")), []
    orchestrator, summary = await run(database, store, pushing(world, results))
    assert (summary["status"], len(world.pushes), results) == ("blocked", 1, [])
    (gate,) = summary["gates"]
    assert PUSH in gate["question"]
    assert "no answer from the server" in gate["details"]
    await orchestrator.answer(summary["execution_id"], gate["id"], **answer)
    summary = await orchestrator.run(summary["execution_id"])
    assert (summary["status"], len(world.pushes), results) == ("completed", pushes, [result])


async def test_one_that_raises_again_is_asked_about_again(database, store):
    world, results = World(OSError("first"), OSError("second")), []
    orchestrator, summary = await run(database, store, pushing(world, results))
    for word in ("first", "second"):
        gate = summary["gates"][-1]
        assert (gate["status"], word in gate["details"]) == ("open", True)
        await orchestrator.answer(summary["execution_id"], gate["id"], decision="approve")
        summary = await orchestrator.run(summary["execution_id"])
    assert (summary["status"], len(world.pushes), len(summary["gates"])) == ("completed", 3, 2)


async def test_giving_up_gives_the_task_up(database, store):
    world = World(OSError("no"))
    orchestrator, summary = await run(database, store, pushing(world, []))
    await orchestrator.answer(summary["execution_id"], summary["gates"][0]["id"], decision="reject", text="leave it")
    assert (await orchestrator.run(summary["execution_id"]))["status"] == "failed"


async def test_an_agent_that_does_not_let_the_doubt_pass_is_a_question_all_the_same(database, store):
    world = World(OSError("no"))

    async def script(brief):
        if brief.subtask.role == Role.BACKEND_DEVELOPER:
            try:
                await effect(PUSH, world.push)
            except Exception as error:
                raise ValueError("something else") from error
        return done(brief)

    _, summary = await run(database, store, all_roles(script))
    assert summary["status"] == "blocked"
    assert PUSH in summary["gates"][0]["question"]


async def test_a_time_limit_amid_an_effect_leaves_it_in_doubt(database, store):
    async def hang() -> None:
        await asyncio.Event().wait()

    async def script(brief):
        if brief.subtask.role == Role.BACKEND_DEVELOPER:
            await effect(PUSH, hang)
        return done(brief)

    _, summary = await run(database, store, all_roles(script), subtask_timeout_s=0.2)
    assert summary["status"] == "blocked"
    assert PUSH in summary["gates"][0]["question"]


async def test_a_judgement_may_have_one_too(database, store):
    world = World(OSError("no"))
    rules: Any = rule_based_agents()[Role.TECH_LEAD]

    class Lead:
        role = Role.TECH_LEAD

        def __getattr__(self, name: str) -> Any:
            return getattr(rules, name)

        async def review(self, plan, requirements, outcomes):
            await effect("open a pull request", world.push)
            return await rules.review(plan, requirements, outcomes)

    orchestrator, summary = await run(database, store, {Role.TECH_LEAD: Lead()})
    assert (summary["status"], summary["gates"][0]["origin_state"]) == ("blocked", "reviewing")
    assert "open a pull request" in summary["gates"][0]["question"]
    await orchestrator.answer(summary["execution_id"], summary["gates"][0]["id"], text="number 12")
    summary = await orchestrator.run(summary["execution_id"])
    assert (summary["status"], len(world.pushes)) == ("completed", 1)


async def test_no_deadline_decides_whether_an_effect_happened(database, store):
    world = World(OSError("no"))
    orchestrator, summary = await run(database, store, pushing(world, []), gate_deadline_s=0.01, gate_default="go_on")
    while (await orchestrator.watch(once=True)).overdue == []:
        pass
    summary = await orchestrator.get_execution_summary(summary["execution_id"])
    assert (summary["status"], len(world.pushes), summary["gates"][0]["status"]) == ("blocked", 1, "open")


async def test_a_fork_knows_what_was_begun_outside(database, store):
    world, results = World(OSError("no")), []
    orchestrator, summary = await run(database, store, pushing(world, results))
    fork = await orchestrator.fork(summary["execution_id"], len(summary["transitions"]))
    (gate,) = (await orchestrator.get_execution_summary(fork))["gates"]
    await orchestrator.answer(fork, gate["id"], text="revision 7 is there")
    assert (await orchestrator.run(fork))["status"] == "completed"
    assert (len(world.pushes), results) == (1, ["revision 7 is there"])


async def test_an_end_that_cannot_be_stored_leaves_a_doubt(database, store, monkeypatch):
    def broken(*_given: Any) -> None:
        raise DatabaseError("the disk is full")

    world = World()
    monkeypatch.setattr(outside, "end_intent", broken)
    _, summary = await run(database, store, pushing(world, []))
    assert (summary["status"], len(world.pushes)) == ("blocked", 1)
    assert PUSH in summary["gates"][0]["question"]


async def test_an_agent_that_is_cancelled_by_something_of_its_own_amid_an_effect_leaves_a_doubt(database, store):
    world = World(asyncio.CancelledError())
    _, summary = await run(database, store, pushing(world, []))
    assert summary["status"] == "blocked"
    assert PUSH in summary["gates"][0]["question"]


async def test_each_plan_that_is_made_may_have_its_own(database, store):
    rules: Any = rule_based_agents()[Role.PROJECT_MANAGER]
    tickets: list[str] = []

    class Manager:
        role = Role.PROJECT_MANAGER

        def __getattr__(self, name: str) -> Any:
            return getattr(rules, name)

        async def break_down(self, *given: Any) -> Any:
            tickets.append(await effect("open the tickets", self._open))
            return await rules.break_down(*given)

        async def _open(self) -> str:
            return f"T-{len(tickets) + 1}"

    orchestrator, summary = await run(database, store, {Role.PROJECT_MANAGER: Manager()}, approval="human")
    for word in ("No.", "No again."):
        gate = summary["gates"][-1]["id"]
        await orchestrator.answer(summary["execution_id"], gate, decision="reject", text=word)
        summary = await orchestrator.run(summary["execution_id"])
    assert tickets == ["T-1", "T-2", "T-3"]


async def test_an_effect_without_a_name_is_refused(database, store):
    async def script(brief):
        await effect(" ", World().push)
        return done(brief)

    _, summary = await run(database, store, all_roles(script))
    assert "an effect needs a name" in summary["error_message"]


PROGRAM = """
import asyncio, os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from scripted import all_roles, done
from agents import effect
from delegation import Role, Squad, Task
from graph import TaskOrchestrator
from persistence import Database, SquadService, TaskService

folder, die = Path(sys.argv[2]), sys.argv[3]

async def push():
    with (folder / "pushes").open("a") as pushes:
        pushes.write("pushed\\n")
    if die == "amid":
        os.kill(os.getpid(), signal.SIGKILL)
    return "revision 1"

async def script(brief):
    if brief.subtask.role == Role.BACKEND_DEVELOPER:
        await effect("push the branch", push)
        if die == "after":
            os.kill(os.getpid(), signal.SIGKILL)
    return done(brief)

async def main():
    async with await Database.open(str(folder / "squad.db")) as database, database.session() as db:
        squad = await SquadService.create_squad(db, Squad.default())
        task = await TaskService.create_task(db, Task(title="Implement user login"))
        orchestrator = TaskOrchestrator(database=database, agents=all_roles(script))
        execution_id = await orchestrator.execute_task(db=db, task=task, squad_id=squad.id)
        (folder / "execution").write_text(str(execution_id))
        await orchestrator.run(execution_id)

asyncio.run(main())
"""


@pytest.mark.parametrize("die", ["amid", "after"])
async def test_killed_amid_an_effect_it_is_asked_about_and_killed_after_it_it_is_known(tmp_path, die):
    here = str(Path(__file__).parent)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    ended = subprocess.run(  # noqa: ASYNC221 - nothing else runs in this test
        [sys.executable, "-c", PROGRAM, here, str(tmp_path), die], env=environment, check=False, timeout=60
    )
    assert ended.returncode == -signal.SIGKILL
    execution_id = (tmp_path / "execution").read_text()
    world, results = World(), []

    async def script(brief):
        if brief.subtask.role == Role.BACKEND_DEVELOPER:
            results.append(await effect(PUSH, world.push))
        return done(brief)

    async with await Database.open(str(tmp_path / "squad.db")) as database:
        orchestrator = TaskOrchestrator(database=database, agents=all_roles(script))
        summary = await orchestrator.run(execution_id)
        if die == "amid":
            assert summary["status"] == "blocked"
            (gate,) = summary["gates"]
            assert PUSH in gate["question"]
            assert world.pushes == []
            await orchestrator.answer(execution_id, gate["id"], text="revision 1")
            summary = await orchestrator.run(execution_id)
        assert summary["status"] == "completed"
        assert results[0] == "revision 1"
        first = next(one["id"] for one in summary["subtasks"] if one["role"] == "backend_developer")
        key = UUID(execution_id)
        assert await database.read(lambda connection: load_doubts(connection, key, f"{first}#1")) == {}
    assert (tmp_path / "pushes").read_text() == "pushed\n"
