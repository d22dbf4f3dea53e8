"""A board with many subtasks and several members at work: what callers ask meanwhile, also as listeners."""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from scripted import all_roles, board_closing, done

from agents import rule_based_agents
from delegation import GateError, Message, Outcome, Plan, Role, Squad, SquadMember, Subtask
from graph import RunSettings, TaskOrchestrator
from graph.stream import QUEUE_LENGTH

MEMBERS, SUBTASKS, MESSAGES = 3, 12, 2 * QUEUE_LENGTH
SQUAD = Squad(
    members=[
        *(one for one in Squad.default().members if one.role != Role.BACKEND_DEVELOPER),
        *(SquadMember(id=f"dev-{number}", name="Dev", role=Role.BACKEND_DEVELOPER) for number in range(MEMBERS)),
    ]
)
OTHERS = [one.id for one in SQUAD.members if one.role != Role.BACKEND_DEVELOPER]
"""Those who might else stand in for a developer."""

Ask = Callable[[TaskOrchestrator, Any, Any], Any]
ASKS: dict[str, Ask] = {
    "block": lambda boss, db, key: boss.handle_blocker(db=db, execution_id=key, blocker_description="Wait"),
    "escalate": lambda boss, db, key: boss.escalate_to_human(db=db, execution_id=key, reason="Who decides?"),
    "complete": lambda boss, db, key: boss.complete_task(db=db, execution_id=key, result={}),
    "cancel": lambda boss, db, key: boss.cancel(db=db, execution_id=key, reason="enough"),
}
ENDS = {"block": "blocked", "escalate": "blocked", "complete": "completed", "cancel": "failed"}


class Splits:
    """A project manager that makes many equal subtasks of a task, none of which waits for another."""

    role = Role.PROJECT_MANAGER

    def __init__(self) -> None:
        self._rules: Any = rule_based_agents()[self.role]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._rules, name)

    async def break_down(self, task: Any, requirements: Any) -> Plan:
        plan = await self._rules.break_down(task, requirements)
        criteria = sorted({one for subtask in plan.subtasks for one in subtask.criteria})
        role = Role.BACKEND_DEVELOPER
        parts = [
            Subtask(id=f"P{number}", title="A part", role=role, criteria=criteria, excluded=OTHERS)
            for number in range(1, SUBTASKS + 1)
        ]
        return plan.model_copy(update={"subtasks": parts})


async def made(database, store, work, **settings: Any):
    agents: dict[Role, Any] = {**all_roles(work), Role.PROJECT_MANAGER: Splits()}
    del agents[Role.TECH_LEAD], agents[Role.TESTER]
    orchestrator = TaskOrchestrator(database=database, agents=agents, settings=RunSettings(**settings))
    stored = await store(database, squad=SQUAD)
    async with database.session() as db:
        return orchestrator, await orchestrator.execute_task(db=db, task=stored.task, squad_id=stored.squad.id)


@pytest.mark.parametrize("what", [*ASKS, "drain"])
async def test_once_something_is_asked_for_nothing_new_is_begun_and_what_runs_ends_as_it_should(
    database, store, monkeypatch, what
):
    is_closed = board_closing(monkeypatch)
    begun, ended, all_at_work, go_on = Counter[str](), Counter[str](), asyncio.Event(), asyncio.Event()

    async def work(brief):
        begun[brief.member.id] += 1
        if len(begun) == MEMBERS:
            all_at_work.set()
        try:
            await go_on.wait()
        finally:
            ended["let go" if go_on.is_set() else "cancelled"] += 1
        return done(brief)

    orchestrator, execution_id = await made(database, store, work)
    stream = orchestrator.stream(execution_id)
    listening = asyncio.create_task(count(stream))
    async with asyncio.timeout(30):
        await all_at_work.wait()
        stopping = None
        if what == "drain":
            stopping = asyncio.create_task(stream.aclose())
        else:
            async with database.session() as db:
                request = await ASKS[what](orchestrator, db, execution_id)
        await is_closed.wait()
        if what != "cancel":
            go_on.set()
        await (stopping or request.wait())
        await listening
    assert begun == dict.fromkeys((f"dev-{number}" for number in range(MEMBERS)), 1)
    assert ended == {"cancelled" if what == "cancel" else "let go": MEMBERS}
    summary = await orchestrator.get_execution_summary(execution_id)
    assert summary["status"] == ENDS.get(what, "in_progress")
    statuses = Counter(one["status"] for one in summary["subtasks"])
    rest = "cancelled" if what in {"complete", "cancel"} else "pending"
    assert statuses == ({rest: SUBTASKS} if what == "cancel" else {"done": MEMBERS, rest: SUBTASKS - MEMBERS})


async def count(stream: Any) -> int:
    return len([event async for event in stream])


def talks(brief: Any) -> Outcome:
    """Work that says more than a driver may be ahead of its listener."""
    said = [Message(sender=brief.member.id, type="status_update", content=str(number)) for number in range(MESSAGES)]
    return done(brief).model_copy(update={"messages": said})


@pytest.mark.parametrize("what", [*ASKS, "answer"])
async def test_a_request_can_be_awaited_in_the_body_of_the_stream_and_nothing_is_lost(database, store, what):
    async def work(brief):
        return talks(brief)

    orchestrator, execution_id = await made(database, store, work, max_reworks=0)
    heard, waited = Counter[str](), False
    async with asyncio.timeout(40), database.session() as db:
        async for event in orchestrator.stream(execution_id):
            heard[event.kind] += 1
            if event.kind == "subtask" and not waited:
                waited = True
                if what == "answer":
                    with pytest.raises(GateError, match="waits for no answer"):
                        await (await resolve(orchestrator, db, execution_id)).wait()
                else:
                    await (await ASKS[what](orchestrator, db, execution_id)).wait()
    assert waited
    await check_heard(database, orchestrator, execution_id, heard)
    summary = await orchestrator.get_execution_summary(execution_id)
    assert summary["status"] == ENDS.get(what, "blocked")  # the review sends equal parts back, whatever they say


def resolve(orchestrator: TaskOrchestrator, db: Any, execution_id: Any) -> Any:
    return orchestrator.resolve_blocker(db=db, execution_id=execution_id, resolution="?", next_state="planning")


async def check_heard(database, orchestrator, execution_id, heard: Counter[str]) -> None:
    """Check that the listener heard of everything that was stored while it listened."""
    query = "SELECT count(*) FROM messages WHERE sender LIKE 'dev-%' AND type = 'status_update'"
    stored = await database.read(lambda connection: connection.exec_driver_sql(query).scalar_one())
    summary = await orchestrator.get_execution_summary(execution_id)
    worked = [one for one in summary["subtasks"] if one["deliverable"]]
    assert stored == MESSAGES * len(worked)
    assert heard["message"] >= stored
    assert heard["end"] == 1


async def test_several_may_wait_at_once_in_the_body_and_beside_it(database, store):
    async def work(brief):
        return talks(brief)

    orchestrator, execution_id = await made(database, store, work)
    heard, asked = Counter[str](), []
    async with asyncio.timeout(40), database.session() as db:
        async for event in orchestrator.stream(execution_id):
            heard[event.kind] += 1
            if event.kind == "subtask" and not asked:
                asked = [await ASKS[what](orchestrator, db, execution_id) for what in ("block", "escalate", "block")]
                beside = asyncio.create_task(asked[0].wait())
                await asyncio.gather(*(one.wait() for one in asked))
                await beside
    await check_heard(database, orchestrator, execution_id, heard)
    summary = await orchestrator.get_execution_summary(execution_id)
    assert summary["status"] == "blocked"
    assert Counter(gate["kind"] for gate in summary["gates"]) == {"blocker": 2, "escalation": 1}


async def until_it_is_behind(stream: Any) -> None:
    """Wait until the driver has told so much more than was heard that it waits for its listener."""
    while len(stream._ear._told) <= QUEUE_LENGTH:  # noqa: ASYNC110 - there is no event for it
        await asyncio.sleep(0.01)


async def test_a_listener_that_does_not_keep_up_holds_the_driver_back(database, store):
    told = Counter[str]()

    async def work(brief):
        told[brief.subtask.id] += 1
        return talks(brief)

    orchestrator, execution_id = await made(database, store, work)
    async with asyncio.timeout(40):
        stream = orchestrator.stream(execution_id)
        async for event in stream:
            if event.kind == "message" and not told["slept"]:
                told["slept"] = 1
                await until_it_is_behind(stream)
                await asyncio.sleep(0.3)  # whoever does not wait goes on
                assert told.total() - 1 < SUBTASKS  # the members wait for the listener
    assert told.total() - 1 == SUBTASKS


async def test_a_database_may_be_closed_in_the_body_of_a_stream_that_is_behind(database, store):
    async def work(brief):
        return talks(brief)

    orchestrator, execution_id = await made(database, store, work)
    async with asyncio.timeout(40):
        stream = orchestrator.stream(execution_id)
        async for event in stream:
            if event.kind == "message" and not database.is_closed:
                await until_it_is_behind(stream)
                await database.close()
