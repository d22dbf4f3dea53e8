"""Stopping: drained within a grace period, cancelled by the caller, and one of many alone."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest
from scripted import all_roles, does_it, done

from agents import rule_based_agents
from delegation import Outcome, OutcomeStatus, Role, Task
from graph import RunSettings, TaskOrchestrator
from persistence import Database

TASK = Task(
    title="Implement user login",
    description="An API `POST /api/login`, a login form in the page, a users table in the database.",
    acceptance_criteria=["A wrong password is refused", "The form shows the error"],
)

Stop = Callable[[Database, TaskOrchestrator, UUID, asyncio.Event], Awaitable[None]]


class Stuck:
    """Work that comes to no end by itself from the second subtask on, until it is let go."""

    def __init__(self) -> None:
        self.begun, self.is_free = asyncio.Event(), False
        self.asked: Counter[str] = Counter()
        self.cancelled: list[str] = []

    async def work(self, brief: Any) -> Outcome:
        self.asked[brief.subtask.id] += 1
        if not self.is_free and brief.subtask.depends_on:
            self.begun.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.cancelled.append(brief.subtask.id)
                raise
        return done(brief)


async def made(database, store, orchestrator) -> UUID:
    stored = await store(database, task=TASK)
    async with database.session() as db:
        return await orchestrator.execute_task(db=db, task=stored.task, squad_id=stored.squad.id)


async def lease_of(database: Database, execution_id: UUID) -> Any:
    query = "SELECT status, lease_owner FROM executions WHERE id = ?"
    return await database.read(lambda connection: tuple(connection.exec_driver_sql(query, (execution_id.hex,)).one()))


def by_status(summary: dict[str, Any]) -> Counter[str]:
    return Counter(one["status"] for one in summary["subtasks"])


async def leave_the_stream(_database, orchestrator, execution_id, begun):
    stream = orchestrator.stream(execution_id)

    async def listen() -> None:
        async for _ in stream:
            pass

    listening = asyncio.create_task(listen())
    await begun.wait()
    await stream.aclose()
    await listening


async def cancel_the_run(_database, orchestrator, execution_id, begun):
    running = asyncio.create_task(orchestrator.run(execution_id))
    await begun.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


@pytest.mark.parametrize("stop", [leave_the_stream, cancel_the_run])
async def test_work_that_does_not_end_is_cancelled_and_worked_again_and_the_rest_stays(database, store, stop: Stop):
    stuck = Stuck()
    orchestrator = TaskOrchestrator(
        database=database, agents=all_roles(stuck.work), settings=RunSettings(drain_grace_s=0.3)
    )
    execution_id = await made(database, store, orchestrator)
    async with asyncio.timeout(30):
        await stop(database, orchestrator, execution_id, stuck.begun)
    assert stuck.cancelled
    assert await lease_of(database, execution_id) == ("in_progress", None)
    summary = await orchestrator.get_execution_summary(execution_id)
    stayed = {one["id"] for one in summary["subtasks"] if one["status"] == "done"}
    assert stayed
    assert by_status(summary).keys() == {"done", "pending"}

    stuck.is_free = True
    summary = await orchestrator.run(execution_id)
    assert summary["status"] == "completed"
    assert [move["seq"] for move in summary["transitions"]] == list(range(1, 8))
    assert by_status(summary).keys() == {"done"}
    again = {one for one, times in stuck.asked.items() if times > 1}
    assert again == set(stuck.cancelled)
    assert set(stuck.asked.values()) <= {1, 2}
    assert not again & stayed


async def test_a_database_that_is_closed_cancels_what_does_not_end(tmp_path, store):
    stuck, settings = Stuck(), RunSettings(drain_grace_s=0.3)
    file = str(tmp_path / "closed.db")
    async with asyncio.timeout(30), await Database.open(file) as database:
        orchestrator = TaskOrchestrator(database=database, agents=all_roles(stuck.work), settings=settings)
        execution_id = await made(database, store, orchestrator)
        running = asyncio.create_task(orchestrator.run(execution_id))
        await stuck.begun.wait()
    summary = await running
    assert stuck.cancelled
    assert by_status(summary).keys() == {"done", "pending"}
    async with await Database.open(file) as database:
        assert await lease_of(database, execution_id) == ("in_progress", None)
        again = TaskOrchestrator(database=database, agents=all_roles(does_it))
        assert (await again.run(execution_id))["status"] == "completed"


@pytest.mark.parametrize("grace", [0.0, 20.0])
async def test_work_that_ends_within_the_grace_period_is_kept(database, store, grace):
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def script(brief):
        begun.set()
        await go_on.wait()
        return done(brief)

    settings = RunSettings(drain_grace_s=grace)
    orchestrator = TaskOrchestrator(database=database, agents=all_roles(script), settings=settings)
    execution_id = await made(database, store, orchestrator)
    async with asyncio.timeout(30), orchestrator.stream(execution_id) as stream:
        async for event in stream:
            if event.kind == "subtask":  # its start, which may be told before the agent is called
                await begun.wait()
                break
        leaving = asyncio.create_task(stream.aclose())
        if grace:
            go_on.set()
        await leaving
    assert await lease_of(database, execution_id) == ("in_progress", None)
    statuses = by_status(await orchestrator.get_execution_summary(execution_id))
    assert bool(statuses["done"]) is bool(grace)
    assert statuses.keys() <= {"done", "pending"}
    go_on.set()
    async with asyncio.timeout(30):  # members that waited have left at the drain, and come back
        assert (await orchestrator.run(execution_id))["status"] == "completed"


class Ponders:
    """A tech lead whose review comes to no end at the first time."""

    role = Role.TECH_LEAD

    def __init__(self, *, raises: bool) -> None:
        self._rules: Any = rule_based_agents()[Role.TECH_LEAD]
        self.begun = asyncio.Event()
        self.reviews = 0
        self.raises = raises

    def __getattr__(self, name: str) -> Any:
        return getattr(self._rules, name)

    async def review(self, plan: Any, requirements: Any, outcomes: Any) -> Any:
        self.reviews += 1
        if self.reviews == 1:
            self.begun.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                if self.raises:
                    raise ConnectionError("closed") from None
                raise
        return await self._rules.review(plan, requirements, outcomes)


@pytest.mark.parametrize("raises", [False, True])
@pytest.mark.parametrize("stop", [leave_the_stream, cancel_the_run])
async def test_a_judgement_that_does_not_end_is_cancelled_and_made_again(database, store, stop: Stop, raises):
    lead = Ponders(raises=raises)
    agents: dict[Role, Any] = {Role.TECH_LEAD: lead}
    orchestrator = TaskOrchestrator(database=database, agents=agents, settings=RunSettings(drain_grace_s=0.1))
    execution_id = await made(database, store, orchestrator)
    async with asyncio.timeout(30):
        await stop(database, orchestrator, execution_id, lead.begun)
    assert await lease_of(database, execution_id) == ("reviewing", None)
    summary = await orchestrator.run(execution_id)
    assert summary["status"] == "completed"
    assert [move["seq"] for move in summary["transitions"]] == list(range(1, 8))
    assert lead.reviews == 2


async def test_an_agent_that_turns_its_cancellation_into_a_failure_has_not_failed(database, store):
    begun, is_left = asyncio.Event(), asyncio.Event()

    async def script(brief):
        if is_left.is_set():
            return done(brief)
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if brief.subtask.role == Role.BACKEND_DEVELOPER:
                raise RuntimeError("the connection was closed") from None
        return Outcome(status=OutcomeStatus.FAILED, note="aborted")

    orchestrator = TaskOrchestrator(
        database=database, agents=all_roles(script), settings=RunSettings(drain_grace_s=0.05)
    )
    execution_id = await made(database, store, orchestrator)
    async with asyncio.timeout(30):
        await leave_the_stream(database, orchestrator, execution_id, begun)
        is_left.set()
        assert by_status(await orchestrator.get_execution_summary(execution_id)).keys() == {"pending"}
        assert (await orchestrator.run(execution_id))["status"] == "completed"


async def test_what_a_driver_had_at_work_is_at_work_for_its_successor_only_once_that_begins_it(database, store):
    stuck = Stuck()
    orchestrator = TaskOrchestrator(database=database, agents=all_roles(stuck.work))
    execution_id = await made(database, store, orchestrator)
    running = asyncio.create_task(orchestrator.run(execution_id))
    await stuck.begun.wait()
    marked = "in_progress"
    while not by_status(await orchestrator.get_execution_summary(execution_id))[marked]:  # noqa: ASYNC110 - by the watcher
        await asyncio.sleep(0.02)
    marks = "SELECT count(started_at) FROM assignments"
    running.cancel()
    await asyncio.wait([running])
    assert await count(database, marks)
    stuck.is_free = True
    stuck.begun.clear()

    async def looks(brief):
        if not stuck.begun.is_set():
            stuck.begun.set()
            seen.append(await count(database, marks))
        return done(brief)

    seen: list[int] = []
    again = TaskOrchestrator(database=database, agents=all_roles(looks))
    assert (await again.run(execution_id))["status"] == "completed"
    assert seen == [0]


async def count(database: Database, query: str) -> int:
    return int(await database.read(lambda connection: connection.exec_driver_sql(query).scalar_one()))


@pytest.mark.parametrize("how", ["request", "asyncio", "left"])
async def test_stopping_one_execution_leaves_the_others_alone(database, store, how):
    go_on, all_begun, begun = asyncio.Event(), asyncio.Event(), Counter[UUID]()

    async def script(brief):
        begun[brief.execution_id] += 1
        if len(begun) == len(ids):
            all_begun.set()
        await go_on.wait()
        return done(brief)

    orchestrator = TaskOrchestrator(
        database=database, agents=all_roles(script), settings=RunSettings(drain_grace_s=0.05)
    )
    ids = [await made(database, store, orchestrator) for _ in range(5)]
    stream = orchestrator.stream(ids[0])

    async def listen() -> None:
        async for _ in stream:
            pass

    runs = [asyncio.create_task(listen() if how == "left" else orchestrator.run(ids[0]))]
    runs += [asyncio.create_task(orchestrator.run(one)) for one in ids[1:]]
    async with asyncio.timeout(30):
        await all_begun.wait()
        if how == "request":
            async with database.session() as db:
                request = await orchestrator.cancel(db=db, execution_id=ids[0], reason="one alone")
            await request.wait()
        elif how == "asyncio":
            runs[0].cancel()
        else:
            await stream.aclose()
        await asyncio.wait([runs[0]])
        assert [run.done() for run in runs] == [True, False, False, False, False]
        go_on.set()
        summaries = await asyncio.gather(*runs[1:])
    assert {summary["status"] for summary in summaries} == {"completed"}
    for summary in summaries:
        assert begun[UUID(summary["execution_id"])] == len(summary["subtasks"])  # nothing of theirs was worked twice
    expected = "failed" if how == "request" else "in_progress"
    assert await lease_of(database, ids[0]) == (expected, None)
    if how != "request":
        assert (await orchestrator.run(ids[0]))["status"] == "completed"


async def test_a_run_that_is_cancelled_while_it_takes_the_lease_gives_it_back(database, store):
    orchestrator = TaskOrchestrator(database=database)
    execution_id = await made(database, store, orchestrator)
    for rounds in range(40):
        running = asyncio.create_task(orchestrator.run(execution_id))
        for _ in range(rounds):
            await asyncio.sleep(0)
        running.cancel()
        running.cancel()
        await asyncio.wait([running])
        assert (await lease_of(database, execution_id))[1] is None
    assert (await orchestrator.run(execution_id))["status"] == "completed"
