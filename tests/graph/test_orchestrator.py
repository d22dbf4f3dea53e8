"""The orchestrator, as a caller uses it: by hand, driven, and both in turns."""

import asyncio
import itertools
from typing import Any
from uuid import UUID, uuid4

import pytest
from scripted import Held, all_roles, board_closing

from agents import ContextManager, MessageBus
from delegation import GateKind, MessageType, NotFound, Role, Squad, SquadMember, Task
from graph import (
    VALID_TRANSITIONS,
    ExecutionBusy,
    ExecutionExists,
    GateError,
    InvalidTransition,
    Request,
    SquadError,
    TaskOrchestrator,
    WorkflowState,
    build_graph,
)
from persistence import Database, TaskExecutionService
from persistence.tables import TaskRow

S = WorkflowState
MAIN_LINE = ["pending", "analyzing", "planning", "delegated", "in_progress", "reviewing", "testing", "completed"]


def path(summary: dict[str, Any]) -> list[str]:
    """The states of a run, checked to be a legal, gap-free path."""
    moves = summary["transitions"]
    assert [move["seq"] for move in moves] == list(range(1, len(moves) + 1))
    states = ["pending", *(move["to_state"] for move in moves)]
    assert [move["from_state"] for move in moves] == states[:-1]
    for one, other in itertools.pairwise(states):
        assert other in VALID_TRANSITIONS[S(one)]
    return states


@pytest.fixture(params=["file", "memory"])
def any_database(request: pytest.FixtureRequest) -> Database:
    return request.getfixturevalue("database" if request.param == "file" else "memory_database")


async def test_the_calls_of_a_user_run_as_they_stand_and_run_makes_sense_of_the_end(any_database, store):
    message_bus, context_manager = MessageBus(), ContextManager()
    stored = await store(any_database)
    task, squad_id = stored.task, stored.squad.id
    async with any_database.session() as db:
        orchestrator = TaskOrchestrator(message_bus, context_manager)
        execution_id = await orchestrator.execute_task(db=db, task=task, squad_id=squad_id)
        progress = await orchestrator.monitor_progress(db=db, execution_id=execution_id)
        assert progress["current_state"] == "analyzing"
        assert progress["progress_percentage"] == 25
        await orchestrator.handle_blocker(
            db=db,
            execution_id=execution_id,
            blocker_description="Waiting for API spec",
            blocker_metadata={"severity": "high"},
        )
        progress = await orchestrator.monitor_progress(db=db, execution_id=execution_id)
        assert progress["is_blocked"]
        assert progress["progress_percentage"] == 25
        await orchestrator.resolve_blocker(
            db=db, execution_id=execution_id, resolution="API spec received", next_state=WorkflowState.IN_PROGRESS
        )
        await orchestrator.complete_task(
            db=db, execution_id=execution_id, result={"pr_url": "...", "tests_passing": True}
        )
        row = await TaskExecutionService.get_task_execution(db, execution_id)
        assert row.status == "completed"
    summary = await orchestrator.run(execution_id)
    assert path(summary) == ["pending", "analyzing", "blocked", "in_progress", "completed"]
    assert summary["result"] == {"pr_url": "...", "tests_passing": True}
    assert summary["transitions"][-1]["metadata"]["by"] == "caller"
    assert summary["progress_percentage"] == 100


async def test_a_run_goes_through_the_eight_states(orchestrator, database, store):
    stored = await store(database)
    async with database.session() as db:
        execution_id = await orchestrator.execute_task(db=db, task=stored.task, squad_id=stored.squad.id)
    summary = await orchestrator.run(execution_id)
    assert path(summary) == MAIN_LINE
    assert summary["metrics"]["total_transitions"] == 7
    assert {one["status"] for one in summary["subtasks"]} == {"done"}
    assert all(one["member"] == one["role"] for one in summary["subtasks"])
    assert {"backend_developer", "frontend_developer", "tester"} <= {one["role"] for one in summary["subtasks"]}
    assert all(line["met"] and line["evidence"] for line in summary["result"]["checklist"])
    assert "no code" in summary["result"]["note"]
    assert await orchestrator.get_execution_summary(execution_id) == summary
    async with database.session() as db:
        progress = await orchestrator.monitor_progress(db=db, execution_id=str(execution_id))
    assert progress["subtasks_done"] == progress["subtasks_total"] == len(summary["subtasks"])
    assert progress["is_terminal"]


@pytest.mark.parametrize("state", ["analyzing", "planning", "delegated", "in_progress", "reviewing", "testing"])
async def test_run_goes_on_from_wherever_a_human_sends_it(orchestrator, database, store, state):
    stored = await store(database)
    async with database.session() as db:
        execution_id = await orchestrator.execute_task(db=db, task=stored.task, squad_id=stored.squad.id)
        await orchestrator.handle_blocker(db=db, execution_id=execution_id, blocker_description="Which database?")
        went = await orchestrator.resolve_blocker(
            db=db, execution_id=execution_id, resolution="SQLite", next_state=state
        )
    assert went == state
    summary = await orchestrator.run(execution_id)
    assert summary["status"] == "completed"
    assert path(summary)[:4] == ["pending", "analyzing", "blocked", state]
    if state != "analyzing":
        made = [move["metadata"]["made_up_for"] for move in summary["transitions"] if "made_up_for" in move["metadata"]]
        assert any("requirements" in one for one in made)


async def test_every_illegal_move_is_refused_and_changes_nothing(orchestrator, database, store):
    """From every state that a caller can reach, everything that the map forbids."""
    for state in VALID_TRANSITIONS:
        stored = await store(database)
        execution_id = await bring_to(orchestrator, database, stored, state)
        before = await orchestrator.get_execution_summary(execution_id)
        async with database.session() as db:
            for target in S:
                if target in VALID_TRANSITIONS[state] or (state == S.BLOCKED and target == S.BLOCKED):
                    continue
                with pytest.raises((InvalidTransition, GateError)) as caught:
                    await move_to(orchestrator, db, execution_id, state, target)
                if isinstance(caught.value, InvalidTransition):
                    for legal in VALID_TRANSITIONS[state]:
                        assert str(legal) in str(caught.value)
        assert await orchestrator.get_execution_summary(execution_id) == before


async def bring_to(orchestrator, database, stored, state) -> UUID:
    """Bring a new execution to the state by legal moves alone."""
    async with database.session() as db:
        execution_id = await orchestrator.execute_task(db=db, task=stored.task, squad_id=stored.squad.id)
        if state in {S.ANALYZING, S.PENDING}:
            return execution_id
        here = S.ANALYZING
        route = [S.BLOCKED, state] if state in VALID_TRANSITIONS[S.BLOCKED] else [state]
        if state == S.COMPLETED:
            route = [S.BLOCKED, S.IN_PROGRESS, S.COMPLETED]
        for target in route:
            await orchestrator.workflow_engine.transition_state(
                db=db, execution_id=execution_id, from_state=here, to_state=target
            )
            here = target
    return execution_id


async def move_to(orchestrator, db, execution_id, state, target):  # noqa: PLR0911 - a method for each target
    """Ask for the move by the orchestrator's own method for that target, where it has one."""
    if state == S.PENDING:
        state = S.ANALYZING  # a caller never sees one in pending: it is left in the same transaction
        if target in VALID_TRANSITIONS[state]:
            raise InvalidTransition(S.PENDING, target, map(str, VALID_TRANSITIONS[S.PENDING]))
    if target == S.BLOCKED:
        return await orchestrator.handle_blocker(db=db, execution_id=execution_id, blocker_description="?")
    if target == S.REVIEWING:
        return await orchestrator.transition_to_review(db=db, execution_id=execution_id)
    if target == S.TESTING:
        return await orchestrator.transition_to_testing(db=db, execution_id=execution_id)
    if target == S.COMPLETED:
        return await orchestrator.complete_task(db=db, execution_id=execution_id, result={})
    if target == S.FAILED:
        return await orchestrator.fail_task(db=db, execution_id=execution_id, error="?")
    if state == S.BLOCKED:
        return await orchestrator.resolve_blocker(db=db, execution_id=execution_id, resolution="!", next_state=target)
    return await orchestrator.workflow_engine.transition_state(
        db=db, execution_id=execution_id, from_state=state, to_state=target
    )


async def test_one_open_execution_a_task(orchestrator, database, store):
    stored = await store(database)
    async with database.session() as db:
        first = await orchestrator.execute_task(db=db, task=stored.task, squad_id=stored.squad.id)
        with pytest.raises(ExecutionExists) as caught:
            await orchestrator.execute_task(db=db, task=stored.task, squad_id=stored.squad.id)
        assert caught.value.execution_id == first
        assert stored.task.title == "Implement user login"  # what the caller loaded stays usable
        await orchestrator.cancel(db=db, execution_id=first, reason="not now")
        second = await orchestrator.execute_task(db=db, task=stored.task.id, squad_id=str(stored.squad.id))
    assert second != first
    summary = await orchestrator.get_execution_summary(first)
    assert summary["status"] == "failed"
    assert summary["error_message"] == "cancelled: not now"


async def test_unknown_ids_are_not_found(orchestrator, database, store):
    stored = await store(database)
    async with database.session() as db:
        with pytest.raises(NotFound):
            await orchestrator.execute_task(db=db, task=uuid4(), squad_id=stored.squad.id)
        with pytest.raises(NotFound):
            await orchestrator.execute_task(db=db, task=stored.task, squad_id=uuid4())
        for call in (orchestrator.monitor_progress, orchestrator.complete_task, orchestrator.cancel):
            with pytest.raises(NotFound):
                await call(db=db, execution_id=uuid4())
    with pytest.raises(NotFound):
        await orchestrator.run(uuid4())
    with pytest.raises(ValueError, match="is not the id of"):
        await orchestrator.run("no-uuid")


async def test_the_stream_tells_what_happens_in_order(orchestrator, database, store):
    stored = await store(database)
    async with database.session() as db:
        execution_id = await orchestrator.execute_task(db=db, task=stored.task, squad_id=stored.squad.id)
    events = [event async for event in orchestrator.stream(execution_id)]
    moves = [event.data["to_state"] for event in events if event.kind == "transition"]
    assert moves == MAIN_LINE[2:]
    assert events[-1].kind == "end"
    assert events[-1].data == {"status": "completed"}
    assert {"plan", "assignment", "subtask", "message"} <= {event.kind for event in events}
    at_work = [event.data["subtask_id"] for event in events if event.data.get("status") == "in_progress"]
    ended = [event.data["subtask_id"] for event in events if event.data.get("status") == "done"]
    assert sorted(at_work) == sorted(ended)
    assert len(set(ended)) == len(ended)


async def test_leaving_the_stream_drains_and_gives_the_lease_back(database, store):
    orchestrator = TaskOrchestrator(database=database)
    stored = await store(database)
    async with database.session() as db:
        execution_id = await orchestrator.execute_task(db=db, task=stored.task, squad_id=stored.squad.id)
    stream = orchestrator.stream(execution_id)
    async for event in stream:
        if event.kind == "subtask":
            break
    await stream.aclose()
    summary = await orchestrator.run(execution_id)
    assert summary["status"] == "completed"
    assert path(summary) == MAIN_LINE


async def test_a_plain_break_leaves_the_execution_to_whoever_drives_it_next(database, store):
    orchestrator = TaskOrchestrator(database=database)
    stored = await store(database)
    async with database.session() as db:
        execution_id = await orchestrator.execute_task(db=db, task=stored.task, squad_id=stored.squad.id)
    for wanted in ("plan", "assignment", "subtask"):
        async for event in orchestrator.stream(execution_id):
            if event.kind == wanted:
                break
    summary = await orchestrator.run(execution_id)
    assert path(summary) == MAIN_LINE


async def test_a_database_that_is_closed_lets_what_is_at_work_be_stored(tmp_path, store):
    async with await Database.open(str(tmp_path / "closed.db")) as database:
        orchestrator = TaskOrchestrator(database=database)
        stored = await store(database)
        async with database.session() as db:
            execution_id = await orchestrator.execute_task(db=db, task=stored.task, squad_id=stored.squad.id)
        async for event in orchestrator.stream(execution_id):
            if event.kind == "subtask":
                break
    async with await Database.open(str(tmp_path / "closed.db")) as database:
        summary = await TaskOrchestrator(database=database).run(execution_id)
    assert path(summary) == MAIN_LINE


async def test_two_drivers_never_share_an_execution(database, store):
    held = Held()
    orchestrator = TaskOrchestrator(database=database, agents=all_roles(held.work))
    stored = await store(database)
    async with database.session() as db:
        execution_id = await orchestrator.execute_task(db=db, task=stored.task, squad_id=stored.squad.id)
    first = asyncio.create_task(orchestrator.run(execution_id))
    await held.begun.wait()
    with pytest.raises(ExecutionBusy):
        await orchestrator.run(execution_id)
    with pytest.raises(ExecutionBusy):
        await TaskOrchestrator(database=database).run(execution_id)
    held.go_on.set()
    assert (await first)["status"] == "completed"


@pytest.mark.parametrize("what", ["block", "complete", "cancel"])
async def test_what_is_asked_of_a_driven_execution_is_honoured_by_its_driver(database, store, what):
    held = Held()
    agents = all_roles(held.work)
    orchestrator = TaskOrchestrator(database=database, agents=agents)
    stored = await store(database)
    async with database.session() as db:
        execution_id = await orchestrator.execute_task(db=db, task=stored.task, squad_id=stored.squad.id)
        driving = asyncio.create_task(orchestrator.run(execution_id))
        await held.begun.wait()
        if what == "block":
            request = await orchestrator.handle_blocker(db=db, execution_id=execution_id, blocker_description="Wait")
        elif what == "complete":
            request = await orchestrator.complete_task(db=db, execution_id=execution_id, result={"by": "hand"})
        else:
            request = await orchestrator.cancel(db=db, execution_id=execution_id, reason="enough")
            # running work is ended by the cancellation, so nobody has to let it go on
    assert isinstance(request, Request)
    if what != "cancel":
        await asyncio.sleep(0)  # the work is still waiting: it is let finish
        held.go_on.set()
    async with asyncio.timeout(30):
        await request.wait()
        summary = await driving
    expected = {"block": "blocked", "complete": "completed", "cancel": "failed"}[what]
    assert summary["status"] == expected
    path(summary)
    ended = [one for one in summary["subtasks"] if one["status"] == "done"]
    if what == "cancel":
        assert not ended
        assert summary["error_message"] == "cancelled: enough"
        assert {one["status"] for one in summary["subtasks"]} == {"cancelled"}


async def test_a_request_that_cannot_be_honoured_is_refused_with_its_own_error(database, store):
    held = Held()
    orchestrator = TaskOrchestrator(database=database, agents=all_roles(held.work))
    stored = await store(database)
    async with database.session() as db:
        execution_id = await orchestrator.execute_task(db=db, task=stored.task, squad_id=stored.squad.id)
        driving = asyncio.create_task(orchestrator.run(execution_id))
        await held.begun.wait()
        request = await orchestrator.resolve_blocker(
            db=db, execution_id=execution_id, resolution="none is there", next_state="planning"
        )
    held.go_on.set()
    with pytest.raises(GateError, match="waits for no answer"):
        await request.wait()
    assert (await driving)["status"] == "completed"


async def test_a_fork_goes_its_own_way_from_every_state_and_leaves_the_original_alone(orchestrator, database, store):
    stored = await store(database)
    async with database.session() as db:
        execution_id = await orchestrator.execute_task(db=db, task=stored.task, squad_id=stored.squad.id)
    original = await orchestrator.run(execution_id)
    for seq in range(1, 7):
        fork_id = await orchestrator.fork(execution_id, seq)
        fork = await orchestrator.get_execution_summary(fork_id)
        assert fork["status"] == original["transitions"][seq - 1]["to_state"]
        summary = await orchestrator.run(fork_id)
        assert path(summary) == MAIN_LINE
        assert summary["task"]["id"] != original["task"]["id"]
    assert await orchestrator.get_execution_summary(execution_id) == original
    with pytest.raises(ValueError, match="ended execution"):
        await orchestrator.fork(execution_id, 7)
    with pytest.raises(ValueError, match="has no transition 9"):
        await orchestrator.fork(execution_id, 9)


async def test_transitions_assignments_and_results_are_messages(database, store):
    bus, heard = MessageBus(), []
    bus.subscribe(heard.append)
    orchestrator = TaskOrchestrator(bus, database=database)
    stored = await store(database)
    async with database.session() as db:
        execution_id = await orchestrator.execute_task(db=db, task=stored.task, squad_id=stored.squad.id)
        await orchestrator.escalate_to_human(
            db=db, execution_id=execution_id, reason="unclear", details="?", attempted_solutions=["asked"]
        )
        gate = (await orchestrator.get_execution_summary(execution_id))["gates"][0]
    assert gate["kind"] == GateKind.ESCALATION
    assert gate["attempted_solutions"] == ["asked"]
    assert await orchestrator.answer(execution_id, gate["id"], text="it is clear now", answered_by="Ada") == "analyzing"
    await orchestrator.run(execution_id)
    kept = await bus.get_messages(execution_id=execution_id)
    assert [one.id for one in kept] == [one.id for one in heard]
    kinds = {one.type for one in kept}
    assert {
        MessageType.STATE_TRANSITION,
        MessageType.TASK_ASSIGNMENT,
        MessageType.APPROVAL,
        MessageType.STATUS_UPDATE,
        MessageType.STANDUP,
        MessageType.TASK_COMPLETION,
        MessageType.HUMAN_INTERVENTION_REQUIRED,
        MessageType.ANSWER,
    } <= kinds
    moves = [one for one in kept if one.type == MessageType.STATE_TRANSITION]
    assert [one.metadata["seq"] for one in moves] == list(range(1, len(moves) + 1))
    called = [one.content for one in kept if one.type == MessageType.HUMAN_INTERVENTION_REQUIRED]
    assert called
    assert "human intervention required" in called[0].lower()
    for_backend = await bus.get_messages("backend_developer", execution_id=execution_id)
    assert any(one.recipient == "backend_developer" for one in for_backend)


async def test_a_subscriber_that_fails_or_sends_in_turn_harms_nobody(database, store):
    bus = MessageBus()

    def fails(message):
        raise RuntimeError(message.content)

    async def answers(message):
        if message.type == MessageType.TASK_ASSIGNMENT:
            await bus.send_message(
                sender=message.recipient,
                recipient=message.sender,
                content="Will do.",
                type="answer",
                execution_id=message.execution_id,
            )

    bus.subscribe(fails)
    bus.subscribe(answers)
    orchestrator = TaskOrchestrator(bus, database=database)
    stored = await store(database)
    async with database.session() as db:
        execution_id = await orchestrator.execute_task(db=db, task=stored.task, squad_id=stored.squad.id)
    assert (await orchestrator.run(execution_id))["status"] == "completed"
    said = await bus.get_messages(execution_id=execution_id, types="answer")
    assert len(said) >= 3


async def test_nobody_for_a_role_becomes_a_question_not_a_crash(database, store):
    squad = Squad(members=[SquadMember(id="d", name="Designer", role=Role.DESIGNER)])
    orchestrator = TaskOrchestrator(database=database)
    stored = await store(database, squad=squad)
    async with database.session() as db:
        execution_id = await orchestrator.execute_task(db=db, task=stored.task, squad_id=stored.squad.id)
    summary = await orchestrator.run(execution_id)
    assert summary["status"] == "blocked"
    [gate] = summary["gates"]
    assert gate["kind"] == "escalation"
    assert "Nobody may do" in gate["question"]
    assert "designer" in gate["details"]


async def test_checkpoints_that_were_deleted_are_made_again_from_the_row(orchestrator, database, store):
    stored = await store(database)
    async with database.session() as db:
        execution_id = await orchestrator.execute_task(db=db, task=stored.task, squad_id=stored.squad.id)
    stream = orchestrator.stream(execution_id)
    async for event in stream:
        if event.kind == "transition" and event.data["to_state"] == "in_progress":
            break
    await stream.aclose()
    plan = (await orchestrator.get_execution_summary(execution_id))["subtasks"]
    await database.checkpointer.adelete_thread(str(execution_id))
    summary = await orchestrator.run(execution_id)
    assert path(summary) == MAIN_LINE
    assert [one["id"] for one in summary["subtasks"]] == [one["id"] for one in plan]


async def test_a_task_of_any_size_keeps_its_thread_small(orchestrator, database, store):
    stored = await store(database, task=Task(title="Import", description="word " * 20_000))
    async with database.session() as db:
        execution_id = await orchestrator.execute_task(db=db, task=stored.task, squad_id=stored.squad.id)
    await orchestrator.run(execution_id)
    found = await database.checkpointer.aget_tuple({"configurable": {"thread_id": str(execution_id)}})
    channels = found.checkpoint["channel_values"]
    assert {"transitions", "metrics", "gates"}.isdisjoint(channels)


async def test_what_callers_hand_over_is_stored_as_json_or_refused_by_name(orchestrator, database, store):
    stored = await store(database)
    async with database.session() as db:
        execution_id = await orchestrator.execute_task(db=db, task=stored.task, squad_id=stored.squad.id)
        before = await orchestrator.get_execution_summary(execution_id)
        for odd in ({"what": object()}, {1: "x"}, "no mapping"):
            with pytest.raises(ValueError, match="cannot be stored"):
                await orchestrator.handle_blocker(
                    db=db, execution_id=execution_id, blocker_description="?", blocker_metadata=odd
                )
        assert await orchestrator.get_execution_summary(execution_id) == before
        gate = await orchestrator.handle_blocker(
            db=db,
            execution_id=execution_id,
            blocker_description="?",
            blocker_metadata={"since": stored.task.created_at, "ids": (stored.task.id,)},
        )
    assert gate.metadata == {
        "since": stored.task.created_at.isoformat().replace("+00:00", "Z"),
        "ids": [str(stored.task.id)],
    }


async def test_a_listener_hears_the_end_when_the_database_is_closed_under_it(tmp_path, store):
    async with await Database.open(str(tmp_path / "closed.db")) as database:
        orchestrator = TaskOrchestrator(database=database)
        stored = await store(database)
        async with database.session() as db:
            execution_id = await orchestrator.execute_task(db=db, task=stored.task, squad_id=stored.squad.id)
        stream = orchestrator.stream(execution_id)
        assert (await anext(stream)).kind
        listening = asyncio.create_task(_count(stream))
    async with asyncio.timeout(30):
        await listening
        await stream.aclose()
        with pytest.raises(StopAsyncIteration):
            await anext(stream)


async def _count(stream) -> int:
    return len([event async for event in stream])


async def test_a_refused_request_does_not_hide_the_one_behind_it(database, store):
    held = Held()
    agents = all_roles(held.work)
    orchestrator = TaskOrchestrator(database=database, agents=agents)
    stored = await store(database)
    async with database.session() as db:
        execution_id = await orchestrator.execute_task(db=db, task=stored.task, squad_id=stored.squad.id)
        driving = asyncio.create_task(orchestrator.run(execution_id))
        await held.begun.wait()
        refused = await orchestrator.resolve_blocker(
            db=db, execution_id=execution_id, resolution="none", next_state="planning"
        )
        cancelled = await orchestrator.cancel(db=db, execution_id=execution_id)
    async with asyncio.timeout(30):
        summary = await driving
        assert summary["status"] == "failed"
        with pytest.raises(GateError):
            await refused.wait()
        await cancelled.wait()
    briefs = [brief.subtask.id for agent in agents.values() for brief in agent.briefs]
    assert len(briefs) == len(set(briefs))


async def test_a_request_behind_one_that_moved_the_execution_is_honoured_before_the_next_step_acts(database, store):
    held = Held()
    orchestrator = TaskOrchestrator(database=database, agents=all_roles(held.work))
    stored = await store(database)
    async with database.session() as db:
        execution_id = await orchestrator.execute_task(db=db, task=stored.task, squad_id=stored.squad.id)
        driving = asyncio.create_task(orchestrator.run(execution_id))
        await held.begun.wait()
        first = await orchestrator.transition_to_review(db=db, execution_id=execution_id, reason="look at it")
        second = await orchestrator.transition_to_testing(db=db, execution_id=execution_id, reason="and try it")
    held.go_on.set()
    assert [await first.wait(), await second.wait()] == ["reviewing", "testing"]
    summary = await driving
    reasons = [move["reason"] for move in summary["transitions"]]
    assert reasons[reasons.index("look at it") + 1] == "and try it"


async def test_an_action_that_fails_while_a_request_is_honoured_refuses_that_request_alone(database, store):
    async def fails(*_):
        raise LookupError("no such account")

    orchestrator = TaskOrchestrator(database=database)
    orchestrator.workflow_engine.register_state_action(WorkflowState.BLOCKED, fails)
    stored = await store(database)
    held = Held()
    driver = TaskOrchestrator(
        database=database, agents=all_roles(held.work), workflow_engine=orchestrator.workflow_engine
    )
    async with database.session() as db:
        execution_id = await driver.execute_task(db=db, task=stored.task, squad_id=stored.squad.id)
        driving = asyncio.create_task(driver.run(execution_id))
        await held.begun.wait()
        request = await driver.handle_blocker(db=db, execution_id=execution_id, blocker_description="?")
    held.go_on.set()
    async with asyncio.timeout(30):
        with pytest.raises(Exception, match="LookupError: no such account"):
            await request.wait()
        assert (await driving)["status"] == "completed"


async def test_an_orchestrator_works_on_one_database(orchestrator, database, memory_database, store):
    stored, other = await store(database), await store(memory_database)
    async with database.session() as db:
        await orchestrator.execute_task(db=db, task=stored.task, squad_id=stored.squad.id)
    async with memory_database.session() as db:
        with pytest.raises(Exception, match="works on"):
            await orchestrator.execute_task(db=db, task=other.task, squad_id=other.squad.id)


async def test_what_is_remembered_is_in_the_database_with_the_conversation(database, store):
    stored = await store(database)
    one = TaskOrchestrator(database=database)
    async with database.session() as db:
        execution_id = await one.execute_task(db=db, task=stored.task, squad_id=stored.squad.id)
    for key, value in (("hash", "argon2"), ("limits", {"tries": 5}), ("hash", "scrypt")):
        await one.context_manager.remember(execution_id, key, value)
    other = TaskOrchestrator(database=database)
    assert await other.context_manager.recall(execution_id) == {"hash": "scrypt", "limits": {"tries": 5}}
    assert await other.context_manager.recall(uuid4()) == {}
    await one.run(execution_id)
    context = await other.context_manager.build_context(execution_id, Task(title=stored.task.title), budget=4_000)
    assert "scrypt" in context.text
    assert "pending -> analyzing" in context.text


async def test_an_action_must_not_end_the_transaction_that_it_runs_in(orchestrator, database, store):
    async def rolls_back(db, *_):
        await db.rollback()

    orchestrator.workflow_engine.register_state_action(WorkflowState.PLANNING, rolls_back)
    stored = await store(database)
    async with database.session() as db:
        execution_id = await orchestrator.execute_task(db=db, task=stored.task, squad_id=stored.squad.id)
    async with asyncio.timeout(30):
        with pytest.raises(Exception, match="committed or rolled back by what runs inside it"):
            await orchestrator.run(execution_id)
    assert (await orchestrator.get_execution_summary(execution_id))["status"] == "analyzing"
    orchestrator.workflow_engine.register_state_action(WorkflowState.PLANNING, _nothing)
    assert (await orchestrator.run(execution_id))["status"] == "completed"


async def _nothing(*_):
    return None


async def test_an_action_that_would_wait_for_itself_is_told_so_at_once(database, store):
    bus = MessageBus()
    orchestrator = TaskOrchestrator(bus, database=database)

    async def sends(*_):
        await bus.broadcast_message(sender="action", content="too early")

    orchestrator.workflow_engine.register_state_action(WorkflowState.BLOCKED, sends)
    stored = await store(database)
    async with database.session() as db:
        execution_id = await orchestrator.execute_task(db=db, task=stored.task, squad_id=stored.squad.id)
        async with asyncio.timeout(30):
            with pytest.raises(Exception, match="wait for itself"):
                await orchestrator.handle_blocker(db=db, execution_id=execution_id, blocker_description="?")
    assert (await orchestrator.get_execution_summary(execution_id))["status"] == "analyzing"
    assert not [one for one in await bus.get_messages() if one.content == "too early"]


@pytest.mark.parametrize(
    "junk", [{"seq": 99, "status": "analyzing"}, {"seq": "abc"}, {"plan": 5}, {"findings": None}, {"round": "x"}]
)
async def test_what_a_client_put_into_the_thread_never_leads(orchestrator, database, store, junk):
    stored = await store(database)
    async with database.session() as db:
        execution_id = await orchestrator.execute_task(db=db, task=stored.task, squad_id=stored.squad.id)
    async for event in orchestrator.stream(execution_id):
        if event.kind == "plan":
            break
    graph = build_graph(database=database)
    config = {"configurable": {"thread_id": str(execution_id)}}
    snapshot = await graph.aget_state(config)
    status = snapshot.values.get("status", "analyzing")
    await graph.aupdate_state(
        config, {"status": status} | junk, as_node="pending" if status == "analyzing" else "blocked"
    )
    async with asyncio.timeout(30):
        summary = await orchestrator.run(execution_id)
    assert path(summary) == MAIN_LINE


async def test_a_pending_session_may_ask_something_of_a_driven_execution(database, store):
    held = Held()
    orchestrator = TaskOrchestrator(database=database, agents=all_roles(held.work))
    stored = await store(database)
    async with database.session() as db:
        execution_id = await orchestrator.execute_task(db=db, task=stored.task, squad_id=stored.squad.id)
    driving = asyncio.create_task(orchestrator.run(execution_id))
    await held.begun.wait()
    async with database.session() as db, asyncio.timeout(30):
        db.add(TaskRow(**Task(title="mine").model_dump()))
        request = await orchestrator.cancel(db=db, execution_id=execution_id)
    async with asyncio.timeout(30):
        await request.wait()
        assert (await driving)["status"] == "failed"


async def test_a_cancellation_after_a_blocker_ends_what_runs(database, store, monkeypatch):
    held, is_closed = Held(), board_closing(monkeypatch)
    orchestrator = TaskOrchestrator(database=database, agents=all_roles(held.work))
    stored = await store(database)
    async with database.session() as db:
        execution_id = await orchestrator.execute_task(db=db, task=stored.task, squad_id=stored.squad.id)
        driving = asyncio.create_task(orchestrator.run(execution_id))
        await held.begun.wait()
        await orchestrator.handle_blocker(db=db, execution_id=execution_id, blocker_description="?")
        async with asyncio.timeout(30):
            await is_closed.wait()
        await orchestrator.cancel(db=db, execution_id=execution_id)
    async with asyncio.timeout(30):
        assert (await driving)["status"] == "failed"


async def test_a_listener_in_another_task_hears_that_the_stream_was_closed(database, store):
    orchestrator = TaskOrchestrator(database=database)
    stored = await store(database)
    async with database.session() as db:
        execution_id = await orchestrator.execute_task(db=db, task=stored.task, squad_id=stored.squad.id)
    stream = orchestrator.stream(execution_id)
    listening = asyncio.create_task(_count(stream))
    await asyncio.sleep(0)
    async with asyncio.timeout(30):
        await stream.aclose()
        await listening


@pytest.mark.parametrize(
    "ask",
    [
        lambda o, **to: o.handle_blocker(**to, blocker_description=None),
        lambda o, **to: o.handle_blocker(**to, blocker_description=""),
        lambda o, **to: o.resolve_blocker(**to, resolution=5, next_state="planning"),
        lambda o, **to: o.transition_to_review(**to, reason=5),
        lambda o, **to: o.escalate_to_human(**to, reason=None),
        lambda o, **to: o.escalate_to_human(**to, reason="x", attempted_solutions="abc"),
        lambda o, **to: o.cancel(**to, reason=5),
    ],
)
async def test_arguments_of_the_wrong_kind_are_refused_in_one_line(orchestrator, database, store, ask):
    stored = await store(database)
    async with database.session() as db:
        execution_id = await orchestrator.execute_task(db=db, task=stored.task, squad_id=stored.squad.id)
        with pytest.raises(SquadError) as caught:
            await ask(orchestrator, db=db, execution_id=execution_id)
    assert "\n" not in str(caught.value)


async def test_metadata_of_a_blocker_steers_nothing(orchestrator, database, store):
    stored = await store(database)
    async with database.session() as db:
        execution_id = await orchestrator.execute_task(db=db, task=stored.task, squad_id=stored.squad.id)
        gate = await orchestrator.handle_blocker(
            db=db,
            execution_id=execution_id,
            blocker_description="When?",
            blocker_metadata={"next_state": "in 2 weeks"},
        )
    assert await orchestrator.answer(execution_id, gate.id, text="tomorrow") == "analyzing"
