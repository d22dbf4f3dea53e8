"""The message bus: what is stored, who hears it, and what a bad subscriber can do to others (nothing)."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from agents.message_bus import MessageBus
from agents.store import MemoryMessageStore, MessageStore
from agents.subscription import Subscription
from delegation import InputError, Message, MessageType


def note(content: str, **fields: object) -> Message:
    return Message.model_validate(
        {"sender": "pm", "type": MessageType.STATUS_UPDATE, "content": content} | fields,
    )


async def test_a_sent_message_is_stored_and_found_by_its_recipient_alone() -> None:
    bus = MessageBus()
    execution = uuid4()
    sent = await bus.send_message(sender="pm", recipient="dev", content="ready?", execution_id=execution)
    await bus.broadcast_message(sender="pm", content="hello", execution_id=str(execution))
    assert sent.type is MessageType.QUESTION
    assert [one.content for one in await bus.get_messages("dev")] == ["ready?", "hello"]
    assert [one.content for one in await bus.get_messages("tester")] == ["hello"]
    assert [one.content for one in await bus.get_messages()] == ["ready?", "hello"]
    assert await bus.get_messages("dev", execution_id=uuid4()) == []


async def test_messages_are_filtered_by_type_time_and_limit() -> None:
    bus = MessageBus()
    start = datetime.now(UTC)
    await bus.store.append([note(str(i), at=start + timedelta(seconds=i)) for i in range(5)])
    await bus.broadcast_message(sender="pm", content="up", type="standup")
    assert [one.content for one in await bus.get_messages(types="standup")] == ["up"]
    assert [one.content for one in await bus.get_messages(types=[MessageType.STANDUP])] == ["up"]
    assert await bus.get_messages(types=[]) == []
    assert [one.content for one in await bus.get_messages(types="status_update", limit=2)] == ["3", "4"]
    assert await bus.get_messages(limit=0) == []
    naive = (start + timedelta(seconds=3)).replace(tzinfo=None)
    assert [one.content for one in await bus.get_messages(since=naive, types="status_update")] == ["3", "4"]


async def test_a_conversation_is_an_executions_or_two_members() -> None:
    bus = MessageBus()
    execution = uuid4()
    await bus.send_message(sender="a", recipient="b", content="1", execution_id=execution)
    await bus.send_message(sender="b", recipient="a", content="2")
    await bus.send_message(sender="a", recipient="c", content="3")
    await bus.broadcast_message(sender="a", content="4", execution_id=execution)
    assert [one.content for one in await bus.get_conversation(execution)] == ["1", "4"]
    assert [one.content for one in await bus.get_conversation(between=("b", "a"))] == ["1", "2"]
    assert [one.content for one in await bus.get_conversation(execution, between=("a", "b"))] == ["1"]
    assert [one.content for one in await bus.get_conversation(between=("a", "b"), limit=1)] == ["2"]
    assert await bus.get_conversation(between=("a", "b"), limit=0) == []
    with pytest.raises(InputError, match="an execution or two members"):
        await bus.get_conversation()


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ({"type": "gossip"}, "'gossip' is no type of message"),
        ({"type": None}, "None is no type"),
        ({"execution_id": "7"}, "'7' is no execution's id"),
        ({"recipient": ""}, "needs a recipient"),
        ({"recipient": None}, "needs a recipient"),
        ({"content": 7}, "content"),
        ({"metadata": {1: 2}}, "metadata"),
        ({"metadata": {"x": object()}}, "not a message"),
        ({"content": "\ud800"}, "not a message"),
    ],
)
async def test_what_is_no_message_is_refused_and_not_stored(fields: dict[str, object], match: str) -> None:
    bus = MessageBus()
    with pytest.raises(InputError, match=match):
        await bus.send_message(**({"sender": "a", "recipient": "b", "content": "c"} | fields))  # type: ignore[arg-type]
    assert await bus.get_messages() == []
    with pytest.raises(InputError, match="negative"):
        await bus.get_messages(limit=-1)
    with pytest.raises(InputError, match="no type of message"):
        bus.subscribe(print, types=["gossip"])


async def test_subscribers_hear_what_they_asked_for_in_order_until_they_leave() -> None:
    bus = MessageBus()
    execution = uuid4()
    everything: list[str] = []
    devs: list[str] = []

    async def listen(message: Message) -> None:
        await asyncio.sleep(0)
        devs.append(message.content)

    leave = bus.subscribe(lambda message: everything.append(message.content))
    bus.subscribe(listen, member_id="dev", execution_id=execution, types={MessageType.QUESTION, "standup"})
    for i in range(3):
        await bus.send_message(sender="pm", recipient="dev", content=str(i), execution_id=execution)
    await bus.send_message(sender="pm", recipient="tester", content="x", execution_id=execution)
    await bus.send_message(sender="pm", recipient="dev", content="y")
    await bus.broadcast_message(sender="pm", content="z", execution_id=execution, type="standup")
    leave()
    leave()
    await bus.broadcast_message(sender="pm", content="unheard", type="approval", execution_id=execution)
    assert everything == ["0", "1", "2", "x", "y", "z"]
    assert devs == ["0", "1", "2", "z"]


async def test_publish_delivers_without_storing() -> None:
    bus = MessageBus()
    heard: list[str] = []
    bus.subscribe(lambda message: heard.append(message.content))
    await bus.publish([note("a"), note("b")])
    await bus.publish([])
    assert heard == ["a", "b"]
    assert await bus.get_messages() == []


async def test_a_failing_subscriber_is_logged_and_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    bus = MessageBus()
    heard: list[str] = []

    def broken(message: Message) -> None:
        raise RuntimeError("boom " + message.content)

    async def timing_out(_: Message) -> None:
        raise TimeoutError("its own")

    async def cancelled(_: Message) -> None:
        raise asyncio.CancelledError

    for handler in (broken, timing_out, cancelled):
        bus.subscribe(handler)
    bus.subscribe(lambda message: heard.append(message.content))
    with caplog.at_level(logging.WARNING, logger="agents"):
        await bus.publish([note("1"), note("2")])
    assert heard == ["1", "2"]
    assert len(caplog.records) == 6
    assert "boom 2" in caplog.text
    assert "failed with a time-out" in caplog.text


async def test_a_subscriber_that_sends_in_turn_neither_recurses_nor_deadlocks() -> None:
    bus = MessageBus()
    heard: list[int] = []
    done = asyncio.Event()

    async def echo(message: Message) -> None:
        heard.append(int(message.content))
        if heard[-1] < 3_000:
            await bus.broadcast_message(sender="echo", content=str(heard[-1] + 1))
        else:
            done.set()

    bus.subscribe(echo)
    await bus.broadcast_message(sender="pm", content="0")
    await asyncio.wait_for(done.wait(), 20)
    assert heard == list(range(3_001))


async def test_a_subscriber_that_answers_for_ever_starves_nobody() -> None:
    bus = MessageBus()

    async def answer(_: Message) -> None:
        await bus.broadcast_message(sender="echo", content="again")

    leave = bus.subscribe(answer)
    await asyncio.wait_for(bus.broadcast_message(sender="pm", content="start"), 30)
    await asyncio.sleep(0.05)
    leave()


async def test_a_handler_may_wait_for_a_task_that_sends() -> None:
    bus = MessageBus()
    done = asyncio.Event()

    async def helped(message: Message) -> None:
        if message.content == "first":
            await asyncio.create_task(bus.broadcast_message(sender="x", content="second"))
            done.set()

    bus.subscribe(helped)
    await asyncio.wait_for(bus.broadcast_message(sender="pm", content="first"), 30)
    assert done.is_set()


async def test_a_slow_subscriber_holds_up_neither_sender_nor_others(caplog: pytest.LogCaptureFixture) -> None:
    bus = MessageBus()
    bus.publish_wait_s, bus.handler_time_limit_s = 0.3, 0.5
    heard: list[str] = []

    async def stuck(_: Message) -> None:
        await asyncio.sleep(60)

    bus.subscribe(stuck)
    bus.subscribe(lambda message: heard.append(message.content))
    loop = asyncio.get_running_loop()
    start = loop.time()
    for i in range(20):  # only the first waits for the slow one: 20 waits would take six seconds
        await bus.broadcast_message(sender="pm", content=str(i))
    assert loop.time() - start < 3
    assert heard == [str(i) for i in range(20)]
    async with asyncio.timeout(30):
        while "took too long" not in caplog.text:  # noqa: ASYNC110 - the log sets no event
            await asyncio.sleep(0.01)


async def test_a_backlog_is_bounded(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Subscription, "max_backlog", 10)
    bus = MessageBus()
    heard: list[str] = []
    bus.subscribe(lambda message: heard.append(message.content))
    await bus.publish([note(str(i)) for i in range(25)])
    assert heard == [str(i) for i in range(15, 25)]
    assert "15 messages were not delivered" in caplog.text


async def test_a_cancelled_sender_leaves_its_message_stored_and_delivered() -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    class SlowStore(MemoryMessageStore):
        async def append(self, messages: object) -> None:
            begun.set()
            await go_on.wait()
            await super().append(messages)  # type: ignore[arg-type]

    bus = MessageBus()
    bus.bind(SlowStore())
    heard: asyncio.Queue[str] = asyncio.Queue()
    bus.subscribe(lambda message: heard.put_nowait(message.content))
    sending = asyncio.create_task(bus.broadcast_message(sender="pm", content="kept"))
    await begun.wait()
    sending.cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await sending
    assert await asyncio.wait_for(heard.get(), 30) == "kept"
    assert heard.empty()
    assert len(await bus.get_messages()) == 1


async def test_what_a_store_raises_reaches_the_sender_and_nobody_hears() -> None:
    class BrokenStore(MemoryMessageStore):
        async def append(self, messages: object) -> None:
            raise OSError("disk full")

    bus = MessageBus()
    bus.bind(BrokenStore())
    heard: list[Message] = []
    bus.subscribe(heard.append)
    with pytest.raises(OSError, match="disk full"):
        await bus.broadcast_message(sender="pm", content="lost")
    assert heard == []


async def test_a_handler_may_leave_while_it_is_called() -> None:
    bus = MessageBus()
    heard: list[str] = []

    def once(message: Message) -> None:
        heard.append(message.content)
        leave()

    leave = bus.subscribe(once)
    await bus.publish([note("1"), note("2")])
    await bus.publish([note("3")])
    assert heard == ["1"]


def test_a_bus_outlives_an_event_loop_even_one_that_ends_amid_a_delivery() -> None:
    bus = MessageBus()
    bus.publish_wait_s = 0.01
    heard: list[str] = []

    async def listen(message: Message) -> None:
        if message.content == "slow":
            await asyncio.sleep(60)
        heard.append(message.content)

    bus.subscribe(listen)
    asyncio.run(bus.publish([note("slow"), note("dropped with the loop")]))
    asyncio.run(bus.publish([note("next")]))
    assert heard == ["next"]


async def test_the_memory_store_forgets_the_oldest_and_follows_the_protocol() -> None:
    store = MemoryMessageStore(max_messages=2)
    assert isinstance(store, MessageStore)
    await store.append([note("1"), note("2"), note("3")])
    assert [one.content for one in await store.load(None)] == ["2", "3"]
