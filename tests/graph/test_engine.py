"""The engine: which moves it makes and refuses, actions inside the transaction, listeners after it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Connection, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from delegation import (
    ActionTimeout,
    InputError,
    InvalidTransition,
    Message,
    MessageType,
    NotFound,
    Squad,
    StaleTransition,
    Task,
)
from graph import VALID_TRANSITIONS, WorkflowEngine, WorkflowState
from graph.lifecycle import FINAL_STATES
from persistence import (
    Database,
    TaskExecutionService,
    TaskService,
    create_execution,
    insert_squad,
    insert_task,
    load_execution,
    load_gates,
    load_transitions,
)
from persistence.base import table
from persistence.tables import ExecutionRow, MessageRow, TaskRow

S = WorkflowState
PAIRS = [(start, end) for start in S for end in S]
LEGAL = [(start, end) for start, end in PAIRS if end in VALID_TRANSITIONS[start]]


START = datetime(2026, 1, 1, tzinfo=UTC)


class Boom(Exception):
    """What an action raises."""


Start = Callable[..., Awaitable[UUID]]


@pytest.fixture
def engine() -> WorkflowEngine:
    """An engine without actions."""
    return WorkflowEngine()


@pytest.fixture
def start(database: Database) -> Start:
    """``await start(status)`` stores an execution in that state and returns its id."""

    async def started(status: str = "pending") -> UUID:
        execution_id, task_id, squad_id = uuid4(), uuid4(), uuid4()

        def store(connection: Connection) -> None:
            insert_task(connection, task_id, Task(title="Add a login"))
            insert_squad(connection, squad_id, Squad.default())
            ids = {"execution_id": execution_id, "task_id": task_id, "squad_id": squad_id}
            create_execution(connection, **ids, thread_id=str(execution_id))
            row = table(ExecutionRow)
            connection.execute(row.update().where(row.c.id == execution_id).values(status=status))

        await database.write(store)
        return execution_id

    return started


async def stored(database: Database, execution_id: UUID) -> tuple[Any, list[Any], int]:
    """Return the execution's row, its transitions and the number of messages, as anybody sees them."""

    def look(connection: Connection) -> tuple[Any, list[Any], int]:
        messages = connection.execute(select(func.count()).select_from(table(MessageRow))).scalar_one()
        return load_execution(connection, execution_id), list(load_transitions(connection, execution_id)), messages

    return await database.read(look)


async def move(
    database: Database, engine: WorkflowEngine, execution_id: Any, start: str, end: str, **more: Any
) -> bool:
    async with database.session() as db:
        return await engine.transition_state(db=db, execution_id=execution_id, from_state=start, to_state=end, **more)


# Legal and illegal


@pytest.mark.parametrize(("start_state", "end"), PAIRS)
def test_a_transition_is_valid_if_the_map_holds_it(engine: WorkflowEngine, start_state: S, end: S) -> None:
    expected = (start_state, end) in LEGAL
    assert engine.is_valid_transition(start_state, end) is expected
    assert engine.is_valid_transition(start_state.value, str(end)) is expected


@pytest.mark.parametrize("state", S)
def test_valid_transitions_are_the_maps(engine: WorkflowEngine, state: S) -> None:
    assert engine.get_valid_transitions(state) == list(VALID_TRANSITIONS[state])
    assert engine.get_valid_transitions(state.value) == list(VALID_TRANSITIONS[state])


async def test_every_legal_move_is_made(database: Database, engine: WorkflowEngine, start: Start) -> None:
    for start_state, end in LEGAL:
        execution_id = await start(start_state)
        assert await move(database, engine, execution_id, start_state, end) is True
        row, log, _ = await stored(database, execution_id)
        assert (row.status, row.seq, len(log)) == (end, 1, 1)
        assert (log[0].from_state, log[0].to_state, log[0].reason) == (start_state, end, None)
        assert (row.ended_at is not None) == (end in FINAL_STATES)


async def test_every_illegal_move_is_refused_by_name_and_changes_nothing(
    database: Database, engine: WorkflowEngine, start: Start
) -> None:
    for state in S:
        execution_id = await start(state)
        before = await stored(database, execution_id)
        for end in [*S, "nowhere", ""]:
            if end in VALID_TRANSITIONS[state]:
                continue
            with pytest.raises(InvalidTransition) as raised:
                await move(database, engine, execution_id, state, end)
            assert isinstance(raised.value, ValueError)
            assert type(raised.value) is InvalidTransition
            assert raised.value.legal == sorted(VALID_TRANSITIONS[state])
            assert all(legal in str(raised.value) for legal in VALID_TRANSITIONS[state])
        assert await stored(database, execution_id) == before


async def test_a_move_from_another_state_than_the_rows_is_stale(
    database: Database, engine: WorkflowEngine, start: Start
) -> None:
    execution_id = await start("planning")
    before = await stored(database, execution_id)
    with pytest.raises(StaleTransition, match="is in 'planning', not in 'pending'") as raised:
        await move(database, engine, execution_id, "pending", "analyzing")
    assert isinstance(raised.value, InvalidTransition)
    assert (raised.value.actual, raised.value.legal) == ("planning", ["blocked", "delegated", "failed"])
    assert await stored(database, execution_id) == before


async def test_unknown_states_executions_and_ids_have_clear_errors(
    database: Database, engine: WorkflowEngine, start: Start
) -> None:
    execution_id = await start()
    with pytest.raises(InvalidTransition, match="'nowhere' is no state; the states are pending, analyzing"):
        await move(database, engine, execution_id, "nowhere", "failed")
    with pytest.raises(NotFound, match="there is no execution"):
        await move(database, engine, uuid4(), "pending", "analyzing")
    with pytest.raises(InputError, match="'7' is not the id of an execution"):
        await move(database, engine, "7", "pending", "analyzing")
    for call in (
        engine.get_state_description,
        engine.get_workflow_progress,
        engine.get_valid_transitions,
        lambda state: engine.register_state_action(state, acting()),
    ):
        with pytest.raises(ValueError, match="'nowhere' is no state; the states are pending, analyzing"):
            call("nowhere")
    async with database.session() as db:
        with pytest.raises(ValueError, match="'nowhere' is no state"):
            await engine.execute_state_actions(db=db, execution_id=execution_id, state="nowhere")
    with pytest.raises(TypeError, match="an async function"):
        engine.register_state_action("planning", None)  # type: ignore[arg-type]
    assert (await stored(database, execution_id))[0].status == "pending"


async def test_reason_and_metadata_are_kept_and_text_ids_do(
    database: Database, engine: WorkflowEngine, start: Start
) -> None:
    execution_id = await start()
    metadata = {"by": "säule ✓", "n": [1, None, {"x": True}], "at": "2026-01-01T00:00:00Z"}
    given = metadata | {"at": START}
    assert await move(database, engine, str(execution_id), "pending", S.ANALYZING, reason="now", metadata=given)
    _, (one,), messages = await stored(database, execution_id)
    assert (one.seq, one.reason, one.metadata, one.delta, messages) == (1, "now", metadata, {}, 1)


@pytest.mark.parametrize("with_action", [False, True])
@pytest.mark.parametrize(
    "unfit",
    [{"metadata": {"x": object()}}, {"metadata": {(1, 2): 3}}, {"reason": "half \ud800"}],
    ids=["object", "key", "surrogate"],
)
async def test_what_no_column_can_hold_is_bad_input_and_changes_nothing(
    database: Database,
    engine: WorkflowEngine,
    start: Start,
    unfit: dict[str, Any],
    with_action: bool,  # noqa: FBT001
) -> None:
    execution_id = await start()
    before = await stored(database, execution_id)
    if with_action:
        engine.register_state_action("analyzing", acting())
    with pytest.raises(InputError, match=r"^(a value|the metadata) cannot be stored: "):
        await move(database, engine, execution_id, "pending", "analyzing", **unfit)
    assert await stored(database, execution_id) == before


async def test_of_two_callers_that_move_at_once_one_wins(
    database: Database, engine: WorkflowEngine, start: Start
) -> None:
    execution_id = await start()
    tries = (move(database, engine, execution_id, "pending", end) for end in ["analyzing", "failed"] * 5)
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert results.count(True) == 1
    assert all(isinstance(one, StaleTransition) for one in results if one is not True)
    assert len((await stored(database, execution_id))[1]) == 1


@pytest.mark.parametrize("reason", [None, "Waiting for the API's description"])
async def test_blocking_without_a_gate_opens_one(
    database: Database, engine: WorkflowEngine, start: Start, reason: str | None
) -> None:
    execution_id = await start("planning")
    await move(database, engine, execution_id, "planning", "blocked", reason=reason, metadata={"severity": "high"})
    (gate,) = await database.read(lambda connection: load_gates(connection, execution_id))
    assert (gate.kind, gate.status, gate.origin_state) == ("blocker", "open", "planning")
    assert gate.question == (reason or "blocked in planning without a reason")
    assert gate.metadata == {"severity": "high"}
    await move(database, engine, execution_id, "blocked", "testing")
    (gate,) = await database.read(lambda connection: load_gates(connection, execution_id))
    assert gate.status == "withdrawn"


async def test_a_callers_pending_rows_are_committed_with_the_move_and_kept_on_a_refusal(
    database: Database, engine: WorkflowEngine, start: Start
) -> None:
    execution_id = await start()
    async with database.session() as db:
        loaded = await TaskExecutionService.get_task_execution(db, execution_id)
        mine = TaskRow(**Task(title="mine").model_dump())
        db.add(mine)
        ids: dict[str, Any] = {"db": db, "execution_id": execution_id, "to_state": "analyzing"}
        with pytest.raises(StaleTransition):
            await engine.transition_state(**ids, from_state="blocked")
        assert (mine.title, loaded.status) == ("mine", "pending")
        async with database.session() as other:
            assert await other.scalar(select(func.count()).where(TaskRow.title == "mine")) == 0
        await engine.transition_state(**ids, from_state="pending")
        async with database.session() as other:
            assert await other.scalar(select(func.count()).where(TaskRow.title == "mine")) == 1
    assert (await stored(database, execution_id))[0].status == "analyzing"


# Actions


def acting(calls: list[Any] | None = None, result: Any = None, error: Exception | None = None) -> Any:
    """Return an action that stores a task, notes how it was called, and then raises or returns."""

    async def action(db: AsyncSession, execution_id: UUID, context: dict[str, Any]) -> Any:
        if calls is not None:
            calls.append((execution_id, context))
        await TaskService.create_task(db, Task(title="by an action"))
        if error:
            raise error
        return result

    return action


async def stored_by_actions(database: Database) -> int:
    async with database.session() as db:
        return await db.scalar(select(func.count()).where(TaskRow.title == "by an action")) or 0


async def test_an_action_runs_inside_the_transaction_with_the_metadatas_keys(
    database: Database, engine: WorkflowEngine, start: Start
) -> None:
    execution_id = await start()
    calls: list[Any] = []
    seen: list[Any] = []

    async def action(db: AsyncSession, given: UUID, context: dict[str, Any]) -> None:
        row = await TaskExecutionService.get_task_execution(db, given)
        seen.append((row.status, (await stored(database, given))[0].status))  # in here, and to everybody else
        await acting(calls)(db, given, context)
        context["scribbled"] = True

    engine.register_state_action("analyzing", action)
    assert engine.has_action(S.ANALYZING)
    assert not engine.has_action("planning")
    await move(database, engine, str(execution_id), "pending", "analyzing", metadata={"a": 1, "b": {}})
    assert seen == [("analyzing", "pending")]
    assert calls[0][0] == execution_id
    _, (one,), _ = await stored(database, execution_id)
    assert one.metadata == {"a": 1, "b": {}}
    assert await stored_by_actions(database) == 1
    await move(database, engine, execution_id, "analyzing", "planning", metadata={"c": 1})
    assert len(calls) == 1  # no other state runs it


async def test_without_metadata_the_context_is_empty(database: Database, engine: WorkflowEngine, start: Start) -> None:
    calls: list[Any] = []
    engine.register_state_action(S.ANALYZING, acting(calls))
    await move(database, engine, execution_id := await start(), "pending", "analyzing")
    assert calls == [(execution_id, {})]


async def test_what_an_action_raises_passes_through_and_undoes_the_move_and_its_own_writes(
    database: Database, engine: WorkflowEngine, start: Start
) -> None:
    execution_id = await start()
    heard: list[Any] = []

    async def hear(messages: Any) -> None:
        heard.extend(messages)

    engine.add_listener(hear)
    before = await stored(database, execution_id)
    for error in (Boom("no"), ValueError("no"), TimeoutError("its own")):
        engine.register_state_action("analyzing", acting(error=error))
        async with database.session() as db:
            loaded = await TaskExecutionService.get_task_execution(db, execution_id)
            with pytest.raises(type(error)) as raised:
                await engine.transition_state(
                    db=db, execution_id=execution_id, from_state="pending", to_state="analyzing"
                )
            assert raised.value is error
            assert loaded.status == "pending"
    assert await stored(database, execution_id) == before
    assert await stored_by_actions(database) == 0
    assert heard == []
    engine.register_state_action("analyzing", acting())
    await move(database, engine, execution_id, "pending", "analyzing")
    assert len(heard) == 1


async def test_a_second_registration_replaces_the_first(
    database: Database, engine: WorkflowEngine, start: Start
) -> None:
    first, second = [], []  # type: ignore[var-annotated]
    engine.register_state_action("analyzing", acting(first))
    engine.register_state_action(S.ANALYZING, acting(second))
    await move(database, engine, await start(), "pending", "analyzing")
    assert (len(first), len(second)) == (0, 1)


@pytest.mark.parametrize("how", ["waits", "reads", "writes"])
async def test_an_action_that_takes_too_long_undoes_the_move_and_the_session_works_on(
    database: Database, start: Start, how: str
) -> None:
    engine = WorkflowEngine(action_timeout_s=0.05)
    execution_id = await start()
    before = await stored(database, execution_id)

    async def slow(db: AsyncSession, *_: object) -> None:
        await acting()(db, execution_id, {})
        while how == "waits":
            await asyncio.Event().wait()
        while how == "reads":  # cancelled in the middle of a statement
            await db.execute(select(func.count()).select_from(TaskRow))
        while True:
            await acting()(db, execution_id, {})

    engine.register_state_action("analyzing", slow)
    async with database.session() as db:
        loaded = await TaskExecutionService.get_task_execution(db, execution_id)
        for _ in range(2):
            with pytest.raises(
                ActionTimeout, match=r"entering 'analyzing' took longer than 0\.05 s; not moved"
            ) as raised:
                await engine.transition_state(
                    db=db, execution_id=execution_id, from_state="pending", to_state="analyzing"
                )
            assert isinstance(raised.value, TimeoutError)
        assert loaded.status == "pending"
        assert await stored(database, execution_id) == before
        assert await stored_by_actions(database) == 0
        engine.register_state_action("analyzing", acting())
        await engine.transition_state(db=db, execution_id=execution_id, from_state="pending", to_state="analyzing")
    assert await stored_by_actions(database) == 1


async def test_a_refused_move_runs_no_action(database: Database, engine: WorkflowEngine, start: Start) -> None:
    execution_id, calls = await start("planning"), []  # type: ignore[var-annotated]
    for state in ("analyzing", "completed"):
        engine.register_state_action(state, acting(calls))
    with pytest.raises(StaleTransition):
        await move(database, engine, execution_id, "pending", "analyzing")
    with pytest.raises(InvalidTransition):
        await move(database, engine, execution_id, "planning", "completed")
    assert calls == []


async def test_actions_can_be_executed_by_hand(database: Database, engine: WorkflowEngine, start: Start) -> None:
    execution_id, calls = await start(), []  # type: ignore[var-annotated]
    engine.register_state_action("planning", acting(calls, result={"answer": 42}))
    async with database.session() as db:
        run = {"db": db, "execution_id": str(execution_id)}
        assert await engine.execute_state_actions(**run, state="planning", context={"a": 1}) == {"answer": 42}
        assert await engine.execute_state_actions(**run, state=S.PLANNING) == {"answer": 42}
        assert await engine.execute_state_actions(**run, state="testing", context={"a": 1}) is None
    assert calls == [(execution_id, {"a": 1}), (execution_id, {})]
    assert (await stored(database, execution_id))[0].status == "pending"


async def test_an_action_that_moves_on_is_part_of_the_same_transaction_and_heard_of_afterwards(
    database: Database, engine: WorkflowEngine, start: Start
) -> None:
    execution_id = await start()
    heard: list[tuple[str, str]] = []
    fails = True

    async def hear(messages: list[Message]) -> None:
        status = (await stored(database, execution_id))[0].status
        heard.extend((one.content, status) for one in messages)

    async def on(db: AsyncSession, given: UUID, _context: dict[str, Any]) -> None:
        await engine.transition_state(db=db, execution_id=given, from_state="analyzing", to_state="planning")
        if fails:
            raise Boom

    engine.add_listener(hear)
    engine.register_state_action("analyzing", on)
    with pytest.raises(Boom):
        await move(database, engine, execution_id, "pending", "analyzing")
    assert (await stored(database, execution_id))[0].status == "pending"
    assert heard == []  # of what never happened nobody hears
    fails = False
    await move(database, engine, execution_id, "pending", "analyzing")
    row, log, _ = await stored(database, execution_id)
    assert (row.status, [one.to_state for one in log]) == ("planning", ["analyzing", "planning"])
    assert heard == [("pending -> analyzing", "planning"), ("analyzing -> planning", "planning")]


# Listeners


async def test_listeners_hear_after_the_commit_and_one_that_raises_harms_nobody(
    database: Database, engine: WorkflowEngine, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    execution_id = await start()
    heard: list[tuple[str, str]] = []

    async def broken(_: Any) -> None:
        raise Boom

    async def hear(messages: list[Message]) -> None:
        assert all(one.type is MessageType.STATE_TRANSITION for one in messages)
        status = (await stored(database, execution_id))[0].status
        heard.extend((one.content, status) for one in messages)

    engine.add_listener(broken)
    for _ in range(2):
        engine.add_listener(hear)  # once, however often it is added
    with caplog.at_level(logging.ERROR):
        assert await move(database, engine, execution_id, "pending", "analyzing", reason="go")
        engine.register_state_action("planning", acting())
        assert await move(database, engine, execution_id, "analyzing", "planning")
    assert heard == [("pending -> analyzing: go", "analyzing"), ("analyzing -> planning", "planning")]
    assert caplog.text.count("a listener failed on 1 message(s)") == 2


async def test_a_listener_that_moves_on_itself_works(database: Database, engine: WorkflowEngine, start: Start) -> None:
    execution_id = await start()

    async def on(messages: list[Message]) -> None:
        if messages[0].metadata["to_state"] == "analyzing":
            await move(database, engine, execution_id, "analyzing", "planning")

    engine.add_listener(on)
    await move(database, engine, execution_id, "pending", "analyzing")
    assert (await stored(database, execution_id))[0].status == "planning"


# Progress and descriptions


@pytest.mark.parametrize(
    ("state", "percent"),
    [
        ("pending", 12),
        ("analyzing", 25),
        ("planning", 37),
        ("delegated", 50),
        ("in_progress", 62),
        ("reviewing", 75),
        ("testing", 87),
        ("completed", 100),
        ("blocked", 50),
        ("failed", 0),
    ],
)
def test_progress_has_exactly_these_keys_and_numbers(engine: WorkflowEngine, state: str, percent: int) -> None:
    expected = {
        "state": state,
        "progress_percentage": percent,
        "is_terminal": state in {"completed", "failed"},
        "is_blocked": state == "blocked",
    }
    assert engine.get_workflow_progress(state) == expected
    assert engine.get_workflow_progress(WorkflowState(state)) == expected
    assert type(engine.get_workflow_progress(state)["progress_percentage"]) is int


def test_every_state_has_a_description_of_its_own(engine: WorkflowEngine) -> None:
    assert len({engine.get_state_description(state) for state in S}) == len(S)
    assert engine.get_state_description("blocked") == engine.get_state_description(S.BLOCKED) == "Waits for a human"
