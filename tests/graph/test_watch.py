"""The watch: what is due is served once, whoever watches, and executions go on after a default answer."""

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from receiver import Receiver
from scripted import Held, ScriptedAgent, all_roles, does_it, done
from sqlalchemy import update

from delegation import ConfigurationError, Outcome, OutcomeStatus, Role
from graph import RunSettings, TaskOrchestrator
from graph.sinks import Sinks
from graph.watch import Served, Watch
from persistence import Database, lease, load_execution, load_logs, utc_now
from persistence.base import table
from persistence.tables import ExecutionRow

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.fixture
async def ask(database, orchestrator, store):
    """``await ask(deadline=60)`` blocks an execution of its own with a question and returns the gate."""

    async def asked(question: str = "Which hash?", **terms):
        stored = await store(database)
        async with database.session() as db:
            execution_id = await orchestrator.execute_task(db=db, task=stored.task, squad_id=stored.squad.id)
            return await orchestrator.handle_blocker(
                db=db, execution_id=execution_id, blocker_description=question, **terms
            )

    return asked


def watch(orchestrator: TaskOrchestrator, database: Database, after: timedelta = timedelta(0), **more) -> Watch:
    """A watch whose clock is that far ahead."""
    engine = orchestrator.workflow_engine
    return Watch(database, engine, orchestrator.stream, now=lambda: utc_now() + after, **more)


async def logged(database: Database, execution_id) -> list[str]:
    return [row.event for row in await database.read(lambda connection: load_logs(connection, execution_id))]


async def test_a_reminder_is_given_once_at_its_time(database, orchestrator, ask):
    gate = await ask(remind_at=60)
    assert await watch(orchestrator, database).once() == Served()
    assert await watch(orchestrator, database, HOUR).once() == Served(reminded=[gate.id])
    assert await watch(orchestrator, database, HOUR).once() == Served()
    summary = await orchestrator.get_execution_summary(gate.execution_id)
    assert summary["status"] == "blocked"
    assert summary["gates"][0]["reminded_at"]
    assert (await logged(database, gate.execution_id)).count("reminded") == 1
    said = await orchestrator.message_bus.get_messages(execution_id=gate.execution_id)
    assert [one.content for one in said if one.content.startswith("Reminder")] == ["Reminder: Which hash?"]


async def test_at_the_deadline_the_default_answer_counts_and_the_execution_goes_on(database, orchestrator, ask):
    gate = await ask(remind_at=30, deadline=60, default_answer="bcrypt")
    served = await watch(orchestrator, database, HOUR).once()
    assert served == Served(answered=[gate.id], driven=[gate.execution_id])  # a reminder would come too late
    summary = await orchestrator.get_execution_summary(gate.execution_id)
    assert summary["status"] == "completed"
    assert summary["gates"][0]["answer"] == {"decision": "respond", "text": "bcrypt", "answered_by": "deadline"}
    assert summary["transitions"][2]["metadata"]["by"] == "deadline"
    assert await watch(orchestrator, database, HOUR).once() == Served()


async def test_a_question_without_a_default_is_late_once_and_stays_open(database, orchestrator, ask):
    gate = await ask(deadline=60)
    assert await watch(orchestrator, database, HOUR).once() == Served(overdue=[gate.id])
    assert await watch(orchestrator, database, HOUR).once() == Served()
    assert (await logged(database, gate.execution_id)).count("overdue") == 1
    await orchestrator.answer(gate.execution_id, gate.id, text="argon2id")  # late is better than never
    assert (await orchestrator.run(gate.execution_id))["status"] == "completed"


async def test_an_answer_in_time_is_the_one_that_counts(database, orchestrator, ask):
    gate = await ask(deadline=60, default_answer="bcrypt")
    await orchestrator.answer(gate.execution_id, gate.id, text="argon2id")
    assert await watch(orchestrator, database, HOUR).once() == Served()
    assert (await orchestrator.get_execution_summary(gate.execution_id))["status"] == "analyzing"


async def test_of_several_watches_one_serves_each_thing(database, tmp_path, orchestrator, ask):
    late = [await ask(deadline=60, default_answer="bcrypt") for _ in range(3)]
    reminded = [await ask(remind_at=60) for _ in range(3)]
    async with await Database.open(str(tmp_path / "squad.db")) as other_database:
        other = TaskOrchestrator(database=other_database)
        watches = [watch(*one, HOUR) for one in [(orchestrator, database), (other, other_database)] * 2]
        results = await asyncio.gather(*(one.once() for one in watches))
    for field, gates in (("answered", late), ("reminded", reminded)):
        served = [gate_id for one in results for gate_id in getattr(one, field)]
        assert sorted(served) == sorted(gate.id for gate in gates)
    for gate in late:
        summary = await orchestrator.get_execution_summary(gate.execution_id)
        assert summary["status"] == "completed"
        assert [one["seq"] for one in summary["transitions"]] == list(range(1, len(summary["transitions"]) + 1))


async def test_where_two_questions_are_open_a_default_answers_its_own_alone(database, orchestrator, ask):
    gate = await ask(deadline=60, default_answer="bcrypt")
    async with database.session() as db:
        other = await orchestrator.handle_blocker(
            db=db, execution_id=gate.execution_id, blocker_description="And the salt?"
        )
    assert await watch(orchestrator, database, HOUR).once() == Served(answered=[gate.id])
    summary = await orchestrator.get_execution_summary(gate.execution_id)
    assert [one["status"] for one in summary["gates"]] == ["answered", "open"]
    await orchestrator.answer(gate.execution_id, other.id, text="sixteen bytes")
    assert await watch(orchestrator, database, HOUR).once() == Served()  # a human let it go on, and drives it


async def test_a_default_that_gives_up_ends_the_task(database, orchestrator, ask):
    gate = await ask(deadline=60, default_answer={"decision": "reject"})
    assert await watch(orchestrator, database, HOUR).once() == Served(answered=[gate.id])
    summary = await orchestrator.get_execution_summary(gate.execution_id)
    assert (summary["status"], summary["error_message"]) == ("failed", "given up at the deadline: Which hash?")


async def test_without_driving_it_only_answers_and_another_watch_drives_on(database, orchestrator, ask):
    gate = await ask(deadline=60, default_answer="bcrypt")
    assert await watch(orchestrator, database, HOUR, drive=False).once() == Served(answered=[gate.id])
    assert (await orchestrator.get_execution_summary(gate.execution_id))["status"] == "analyzing"
    assert await watch(orchestrator, database, drive=False).once() == Served()
    assert await watch(orchestrator, database).once() == Served(driven=[gate.execution_id])
    assert (await orchestrator.get_execution_summary(gate.execution_id))["status"] == "completed"


async def move_on(database: Database, execution_id, **columns) -> None:
    row = table(ExecutionRow)
    await database.write(
        lambda connection: connection.execute(update(row).where(row.c.id == execution_id).values(**columns))
    )


async def test_what_a_dead_watch_was_driving_is_driven_on_and_what_was_stopped_is_not(database, orchestrator, ask):
    gates = [await ask(deadline=60, default_answer={"text": "b", "next_state": "planning"}) for _ in range(2)]
    await watch(orchestrator, database, HOUR, drive=False).once()
    dead = str(lease.Owner.new()).split("|")
    dead[2] = "1.0"  # a process of that id, but not the one that is alive now
    for gate, owner in zip(gates, ["|".join(dead), None], strict=True):
        async with database.session() as db:
            await orchestrator.workflow_engine.transition_state(
                db=db, execution_id=gate.execution_id, from_state="planning", to_state="delegated"
            )
        await move_on(database, gate.execution_id, lease_owner=owner, lease_until=owner and utc_now() + HOUR)
    assert await watch(orchestrator, database).once() == Served(driven=[gates[0].execution_id])
    statuses = [(await orchestrator.get_execution_summary(gate.execution_id))["status"] for gate in gates]
    assert statuses == ["completed", "delegated"]


async def test_a_fork_made_where_a_default_let_its_original_go_on_is_driven_by_whoever_made_it(
    database, orchestrator, ask
):
    gate = await ask(deadline=60, default_answer="bcrypt")
    await watch(orchestrator, database, HOUR).once()
    fork = await orchestrator.fork(gate.execution_id, 3)
    assert await watch(orchestrator, database).once() == Served()
    assert (await orchestrator.get_execution_summary(fork))["status"] == "analyzing"


async def test_where_somebody_drives_the_default_is_a_request_which_outlives_the_driver(database, orchestrator, ask):
    gate = await ask(deadline=60, default_answer="bcrypt")
    owner = lease.Owner.new()
    epoch, _ = await database.write(lambda connection: lease.acquire(connection, gate.execution_id, owner))
    assert await watch(orchestrator, database, HOUR).once() == Served(answered=[gate.id])
    assert await watch(orchestrator, database, HOUR).once() == Served()
    assert (await orchestrator.get_execution_summary(gate.execution_id))["gates"][0]["status"] == "open"
    await database.write(lambda connection: lease.release(connection, gate.execution_id, epoch))  # and it did nothing
    assert await watch(orchestrator, database).once() == Served(driven=[gate.execution_id])
    assert (await orchestrator.get_execution_summary(gate.execution_id))["status"] == "completed"


async def test_a_default_that_counts_no_more_makes_the_question_late(database, orchestrator, ask, monkeypatch):
    gate = await ask(deadline=60, default_answer="bcrypt")

    def refuses(*_):
        raise ConfigurationError("not any more")

    monkeypatch.setattr("graph.interventions.check_answer", refuses)
    assert await watch(orchestrator, database, HOUR).once() == Served(overdue=[gate.id])
    rows = await database.read(lambda connection: load_logs(connection, gate.execution_id))
    assert "not any more" in rows[-1].text
    assert (await orchestrator.get_execution_summary(gate.execution_id))["gates"][0]["status"] == "open"


def entering(orchestrator: TaskOrchestrator, state: str) -> asyncio.Event:
    """An event that is set once an execution has entered the state."""
    entered = asyncio.Event()

    async def hear(messages):
        if any(one.metadata.get("to_state") == state for one in messages):
            entered.set()

    orchestrator.workflow_engine.add_listener(hear)
    return entered


@pytest.mark.parametrize("interval_s", [0, -1, float("nan"), float("inf")])
async def test_an_interval_that_is_no_time_is_refused(orchestrator, interval_s):
    with pytest.raises(ConfigurationError, match="no time"):
        await orchestrator.watch(interval_s=interval_s)


@asynccontextmanager
async def watching(orchestrator: TaskOrchestrator, **more):
    """A watch in the background; what it serves comes through the queue."""
    served: asyncio.Queue[Served] = asyncio.Queue()
    task = asyncio.create_task(orchestrator.watch(interval_s=0.01, tell=served.put_nowait, **more))
    try:
        yield served
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_the_service_serves_what_becomes_due_and_survives_an_executions_error(
    orchestrator, ask, monkeypatch, caplog
):
    broken = await ask("Broken?", deadline=0.01, default_answer="x")
    stream = orchestrator._as_it_was_begun

    def streaming(execution_id):
        if execution_id == broken.execution_id:
            raise RuntimeError("nobody could foresee that")
        return stream(execution_id)

    monkeypatch.setattr(orchestrator, "_as_it_was_begun", streaming)
    ends = entering(orchestrator, "completed")
    async with watching(orchestrator) as served:
        first = await served.get()
        assert first == Served(answered=[broken.id], driven=[broken.execution_id])
        later = await ask("Later?", deadline=0.01, default_answer="y")
        while (one := await served.get()).driven == [broken.execution_id]:
            pass  # its drive is tried again, with longer and longer waits
        assert one.answered == [later.id]
        await ends.wait()
    assert (await orchestrator.get_execution_summary(later.execution_id))["status"] == "completed"
    assert "nobody could foresee that" in caplog.text


async def test_a_service_that_is_stopped_drains_what_it_drives(database, store):
    held = Held()
    agents = all_roles(held.work)
    orchestrator = TaskOrchestrator(database=database, agents=agents)
    stored = await store(database)
    async with database.session() as db:
        execution_id = await orchestrator.execute_task(db=db, task=stored.task, squad_id=stored.squad.id)
        await orchestrator.handle_blocker(
            db=db, execution_id=execution_id, blocker_description="?", deadline=0.01, default_answer="y"
        )
    task = asyncio.create_task(orchestrator.watch(interval_s=0.01))
    await held.begun.wait()
    task.cancel()
    held.go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    row = await database.read(lambda connection: load_execution(connection, execution_id))
    assert (row.status, row.lease_owner) == ("in_progress", None)
    summary = await orchestrator.get_execution_summary(execution_id)
    assert "done" in {one["status"] for one in summary["subtasks"]}
    assert await orchestrator.watch(once=True) == Served()  # it was stopped on purpose
    assert (await orchestrator.run(execution_id))["status"] == "completed"


async def test_a_run_whose_settings_go_on_needs_nobody(database, store):
    asked = []

    async def asks(brief):
        if brief.answers:
            return done(brief)
        asked.append(brief.subtask.id)
        return Outcome(status=OutcomeStatus.BLOCKED, question="Which hash?")

    agents = all_roles(does_it) | {Role.BACKEND_DEVELOPER: ScriptedAgent(Role.BACKEND_DEVELOPER, asks)}
    settings = RunSettings(gate_deadline_s=0.01, gate_default="go_on")
    orchestrator = TaskOrchestrator(database=database, agents=agents, settings=settings)
    stored = await store(database)
    async with database.session() as db:
        execution_id = await orchestrator.execute_task(db=db, task=stored.task, squad_id=stored.squad.id)
    assert (await orchestrator.run(execution_id))["status"] == "blocked"
    ends = entering(orchestrator, "completed")
    async with watching(orchestrator):
        await ends.wait()
    summary = await orchestrator.get_execution_summary(execution_id)
    assert asked
    assert {gate["answer"]["text"] for gate in summary["gates"]} == {"no answer came in time; go on as you think best"}


@pytest.mark.parametrize(("choice", "status"), [("go_on", "completed"), ("give_up", "failed")])
async def test_a_plan_that_nobody_approves_in_time_is_decided_by_the_settings(database, store, choice, status):
    settings = RunSettings(approval="human", gate_deadline_s=60, gate_default=choice)
    orchestrator = TaskOrchestrator(database=database, settings=settings)
    stored = await store(database)
    async with database.session() as db:
        execution_id = await orchestrator.execute_task(db=db, task=stored.task, squad_id=stored.squad.id)
    (gate,) = (await orchestrator.run(execution_id))["gates"]
    assert (gate["kind"], gate["status"]) == ("approval", "open")
    served = await watch(orchestrator, database, HOUR).once()
    assert [str(one) for one in served.answered] == [gate["id"]]
    summary = await orchestrator.get_execution_summary(execution_id)
    assert (summary["status"], len(summary["gates"])) == (status, 1)


async def test_whoever_has_sinks_tells_of_gates_reminders_and_deadlines(database, store):
    with Receiver([500, 503]) as receiver:
        sinks = Sinks(urls={"team": receiver.url}, backoff_s=0.001, ceiling_s=0.004)
        orchestrator = TaskOrchestrator(database=database, notify=sinks)
        stored = await store(database)
        async with database.session() as db:
            execution_id = await orchestrator.execute_task(db=db, task=stored.task, squad_id=stored.squad.id)
            await orchestrator.handle_blocker(db=db, execution_id=execution_id, blocker_description="Which?")
        await asyncio.to_thread(receiver.wait_for, 3)  # in the background: nobody waited for it
        async with database.session() as db:
            terms = {"remind_at": 60, "deadline": 120}
            await orchestrator.handle_blocker(db=db, execution_id=execution_id, blocker_description="And?", **terms)
        await asyncio.to_thread(receiver.wait_for, 4)
        for after in (MINUTE * 1.5, MINUTE * 3):
            await watch(orchestrator, database, after, notifier=orchestrator._notifier).once()
        await asyncio.to_thread(receiver.wait_for, 6)
        assert [post["title"].split(":")[0] for post in receiver.posts[2:]] == [
            "blocker",
            "blocker",
            "Reminder",
            "Overdue",
        ]


async def test_a_run_never_waits_for_a_sink(database, store):
    with Receiver([0]) as hanging:

        async def asks(_brief):
            return Outcome(status=OutcomeStatus.BLOCKED, question="Which hash?")

        agents = all_roles(asks)
        orchestrator = TaskOrchestrator(
            database=database, agents=agents, notify=Sinks(urls={"team": hanging.url}, limit_s=0.5)
        )
        stored = await store(database)
        async with database.session() as db:
            execution_id = await orchestrator.execute_task(db=db, task=stored.task, squad_id=stored.squad.id)
        assert (await orchestrator.run(execution_id))["status"] == "blocked"
        await asyncio.to_thread(hanging.wait_for, 1)
