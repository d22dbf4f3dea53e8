"""The context manager: facts by execution, and a context that never exceeds its budget."""

from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.context_manager import ContextManager
from agents.message_bus import MessageBus
from agents.store import ContextStore, MemoryContextStore
from delegation import InputError, MessageType, Task

TASK = Task(title="Log in", description="Users log in by mail.", acceptance_criteria=["It works"])


async def test_facts_are_kept_by_execution_and_key() -> None:
    manager = ContextManager()
    one, other = uuid4(), uuid4()
    await manager.remember(one, "style", "REST")
    await manager.remember(str(one), "style", "GraphQL")
    await manager.remember(one, "db", {"kind": "sqlite"})
    assert await manager.recall(one, "style") == "GraphQL"
    assert await manager.recall(one) == {"style": "GraphQL", "db": {"kind": "sqlite"}}
    assert await manager.recall(one, "unknown") is None
    assert await manager.recall(other) == {}
    with pytest.raises(InputError, match="no execution's id"):
        await manager.recall("seven")


async def test_facts_go_to_the_bound_store() -> None:
    store = MemoryContextStore()
    assert isinstance(store, ContextStore)
    manager = ContextManager()
    manager.bind(store)
    execution = uuid4()
    await manager.remember(execution, "a", 1)
    assert await store.get(execution) == {"a": 1}


async def test_the_memory_store_forgets_the_execution_longest_untouched() -> None:
    store = MemoryContextStore(max_executions=2)
    a, b, c = uuid4(), uuid4(), uuid4()
    for one in (a, b, a, c):
        await store.put(one, "k", 1)
    assert [bool(await store.get(one)) for one in (a, b, c)] == [True, False, True]


async def talk(bus: MessageBus, execution: UUID) -> None:
    await bus.broadcast_message(
        sender="graph", content="moved", type=MessageType.STATE_TRANSITION, execution_id=execution
    )
    await bus.broadcast_message(sender="pm", content="plan is ready", execution_id=execution)
    await bus.send_message(sender="lead", recipient="dev", content="use argon2", execution_id=execution)
    await bus.send_message(sender="lead", recipient="tester", content="not for dev", execution_id=execution)
    await bus.send_message(sender="lead", recipient="dev", content="another task's")


async def test_a_context_holds_task_decisions_and_the_members_conversation() -> None:
    bus, manager, execution = MessageBus(), ContextManager(), uuid4()
    manager.bind(messages=bus)
    await talk(bus, execution)
    await manager.remember(execution, "style", "REST")
    context = await manager.build_context(execution, TASK, member_id="dev")
    assert context.task == "Log in\n- It works\nUsers log in by mail."
    assert context.decisions == ["style: REST"]
    assert context.conversation == [
        "graph (state_transition): moved",
        "pm (status_update): plan is ready",
        "lead (question): use argon2",
    ]
    assert (context.omitted, context.shortened) == (0, False)


async def test_when_room_is_short_the_most_useful_stays() -> None:
    bus, manager, execution = MessageBus(), ContextManager(), uuid4()
    manager.bind(messages=bus.store)
    await talk(bus, execution)
    context = await manager.build_context(execution, TASK, member_id="dev", budget=50)
    assert context.conversation == ["lead (question): use argon2"]
    assert context.omitted == 2
    assert context.shortened
    with pytest.raises(InputError, match="needs room"):
        await manager.build_context(execution, TASK, budget=0)


@given(budget=st.integers(1, 400), texts=st.lists(st.text(max_size=40), max_size=8), description=st.text(max_size=200))
async def test_a_context_never_exceeds_its_budget(budget: int, texts: list[str], description: str) -> None:
    bus, manager, execution = MessageBus(), ContextManager(), uuid4()
    manager.bind(messages=bus)
    for i, text in enumerate(texts):
        await manager.remember(execution, str(i), text)
        await bus.broadcast_message(sender="pm", content=text, execution_id=execution)
    context = await manager.build_context(
        execution, Task(title="t", description=description), member_id="dev", budget=budget
    )
    assert len(context.text) <= budget
