"""Messages in the database: the same behaviour as the store in memory, whatever is asked."""

import asyncio
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import IntegrityError

from agents.message_bus import MessageBus
from agents.store import MemoryMessageStore, MessageStore
from delegation import Message, MessageType, NotFound
from persistence import Database, DatabaseMessageStore

START = datetime(2026, 1, 1, tzinfo=UTC)
MOMENTS = st.builds(
    lambda tick, hours: (START + timedelta(microseconds=tick)).astimezone(timezone(timedelta(hours=hours))),
    st.integers(0, 5),
    st.sampled_from([0, 2, -7]),
)
NAMES = st.sampled_from(["pm", "dev", "tester", "Säule"])
TYPES = st.sampled_from([MessageType.QUESTION, MessageType.ANSWER, MessageType.STANDUP])
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)


def messages() -> st.SearchStrategy[Message]:
    return st.builds(
        Message,
        sender=NAMES,
        recipient=st.none() | NAMES,
        type=TYPES,
        content=TEXTS,
        metadata=st.dictionaries(TEXTS, JSON, max_size=2),
        at=MOMENTS,
    )


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_it_behaves_as_the_store_in_memory_does(
    database: Database, new_execution: Any, data: st.DataObject
) -> None:
    executions = [(await database.write(new_execution)).id for _ in range(2)]
    ours, theirs = DatabaseMessageStore(database), MemoryMessageStore()
    batches = st.lists(st.lists(st.tuples(st.integers(0, 1), messages()), max_size=5), min_size=1, max_size=4)
    for drawn in data.draw(batches):
        batch = [one.model_copy(update={"id": uuid4(), "execution_id": executions[number]}) for number, one in drawn]
        await ours.append(batch)
        await theirs.append(batch)
    for _ in range(6):
        execution_id = [*executions, uuid4()][data.draw(st.integers(0, 2))]
        asked: dict[str, Any] = data.draw(
            st.fixed_dictionaries(
                {},
                optional={
                    "member": st.none() | NAMES,
                    "since": st.none() | MOMENTS,
                    "types": st.none() | st.lists(TYPES, max_size=2) | st.frozensets(TYPES, max_size=2),
                    "limit": st.none() | st.integers(0, 4),
                },
            )
        )
        assert await ours.load(execution_id, **asked) == await theirs.load(execution_id, **asked)


async def test_it_follows_the_protocol_and_messages_of_no_execution_are_kept_too(database: Database) -> None:
    store = DatabaseMessageStore(database)
    assert isinstance(store, MessageStore)
    await store.append([])
    sent = [Message(sender="pm", type=MessageType.STANDUP, content=str(i)) for i in range(3)]
    await store.append(sent[:2])
    await store.append(sent[2:])
    assert await store.load() == await store.load(None) == sent
    assert await store.load(limit=2) == sent[1:]


async def test_messages_are_stored_together_or_not_at_all(database: Database) -> None:
    store = DatabaseMessageStore(database)
    one, two = (Message(sender="pm", type=MessageType.STANDUP, content=str(i)) for i in range(2))
    with pytest.raises(IntegrityError):
        await store.append([one, two, one])
    assert await store.load() == []


async def test_a_message_of_an_execution_that_is_not_there_is_refused_by_name(database: Database) -> None:
    store, missing = DatabaseMessageStore(database), uuid4()
    known = Message(sender="pm", type=MessageType.STANDUP, content="x")
    with pytest.raises(NotFound, match=f"there is no execution {missing}"):
        await store.append([known, known.model_copy(update={"id": uuid4(), "execution_id": missing})])
    assert await store.load() == []


async def test_many_senders_at_once_lose_nothing_and_each_keeps_its_order(database: Database) -> None:
    store = DatabaseMessageStore(database)

    async def send(sender: str) -> None:
        for i in range(10):
            await store.append([Message(sender=sender, type=MessageType.STANDUP, content=str(i))])

    await asyncio.gather(*(send(f"m{i}") for i in range(8)))
    stored = await store.load()
    assert len(stored) == 80
    for i in range(8):
        assert [int(one.content) for one in stored if one.sender == f"m{i}"] == list(range(10))


async def test_a_bus_on_it_stores_what_is_sent(database: Database, new_execution: Any) -> None:
    execution = await database.write(new_execution)
    bus = MessageBus()
    bus.bind(DatabaseMessageStore(database))
    heard: list[str] = []
    bus.subscribe(lambda message: heard.append(message.content))
    await bus.send_message(sender="pm", recipient="dev", content="ready?", execution_id=execution.id)
    await bus.broadcast_message(sender="pm", content="hello", execution_id=execution.id)
    assert [one.content for one in await bus.get_conversation(execution.id)] == heard == ["ready?", "hello"]
