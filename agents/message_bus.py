"""How members talk: messages are stored first and then delivered to whoever subscribed.

The graph stores a step's messages in the step's own transaction and calls ``publish`` after it has committed, so
nobody hears of what did not happen. Everything here belongs to one event loop at a time; it is not thread-safe.
"""

import asyncio
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from agents.store import MemoryMessageStore, MessageStore
from agents.subscription import Handler, Subscription, in_delivery
from delegation import InputError, Message, MessageType, check_message

__all__ = ["MessageBus"]

TypeFilter = MessageType | str | Collection[MessageType | str]


class MessageBus:
    """Sends, keeps and delivers messages; unbound, it keeps them in memory."""

    handler_time_limit_s: float = 5.0
    """How long one asynchronous handler may take over one message before it is cancelled and the failure logged."""

    publish_wait_s: float = 1.0
    """How long sending waits for handlers before it goes on without them (they go on being served)."""

    def __init__(self) -> None:
        self._store: MessageStore = MemoryMessageStore()
        self._subscriptions: list[Subscription] = []
        self._sending: set[asyncio.Task[None]] = set()

    @property
    def store(self) -> MessageStore:
        """Where the messages are kept at present."""
        return self._store

    def bind(self, store: MessageStore) -> None:
        """Keep messages in that store from now on; what was said before stays where it is."""
        self._store = store

    async def send_message(
        self,
        *,
        sender: str,
        recipient: str,
        content: str,
        type: MessageType | str = MessageType.QUESTION,  # noqa: A002 - the field's name in Message
        execution_id: UUID | str | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> Message:
        """Store a message to one member and deliver it.

        Raises:
            InputError: The type or the execution's id is none, sender, recipient or content is not text or says
                nothing, or the metadata is not JSON or not what the type needs.
        """
        if not isinstance(recipient, str) or not recipient:
            raise InputError("a message needs a recipient", hint="use broadcast_message to reach everybody")
        return await self._send(sender, recipient, content, type, execution_id, metadata)

    async def broadcast_message(
        self,
        *,
        sender: str,
        content: str,
        type: MessageType | str = MessageType.STATUS_UPDATE,  # noqa: A002 - the field's name in Message
        execution_id: UUID | str | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> Message:
        """Store a message to the whole squad and deliver it; raises like ``send_message``."""
        return await self._send(sender, None, content, type, execution_id, metadata)

    async def get_messages(
        self,
        member_id: str | None = None,
        *,
        execution_id: UUID | str | None = None,
        since: datetime | None = None,
        types: TypeFilter | None = None,
        limit: int | None = None,
    ) -> list[Message]:
        """Return what a member received, broadcasts included, oldest first; without a member, everything said.

        Args:
            member_id: The recipient.
            execution_id: Only of this execution.
            since: Only what was said at this moment or later; without a time zone it is taken as UTC.
            types: Only of this type or these types.
            limit: At most so many, and of more the newest.

        Raises:
            InputError: A type or id is none, or the limit is negative.
        """
        return await self._store.load(
            _execution_id(execution_id),
            member=member_id,
            since=since.replace(tzinfo=UTC) if since is not None and since.tzinfo is None else since,
            types=_types(types),
            limit=_limit(limit),
        )

    async def get_conversation(
        self,
        execution_id: UUID | str | None = None,
        *,
        between: tuple[str, str] | None = None,
        member_id: str | None = None,
        limit: int | None = None,
    ) -> list[Message]:
        """Return what was said in an execution, between two members, or both, oldest first; of more the newest.

        Between two members means what each said to the other by name, broadcasts left out. With ``member_id`` it is
        what that member said and heard, broadcasts included.

        Raises:
            InputError: Neither execution nor pair is given, the id is none, or the limit is negative.
        """
        if execution_id is None and between is None:
            raise InputError(
                "a conversation needs an execution or two members", hint="get_messages() returns everything"
            )
        wanted, at_most = _execution_id(execution_id), _limit(limit)
        if between is None and member_id is None:
            return await self._store.load(wanted, limit=at_most)
        said = await self._store.load(wanted)
        if between is not None:
            one, other = between
            said = [each for each in said if (each.sender, each.recipient) in {(one, other), (other, one)}]
        if member_id is not None:
            said = [each for each in said if each.sender == member_id or each.recipient in {member_id, None}]
        return said if at_most is None else said[max(len(said) - at_most, 0) :]

    def subscribe(
        self,
        handler: Handler,
        *,
        execution_id: UUID | str | None = None,
        member_id: str | None = None,
        types: TypeFilter | None = None,
    ) -> Callable[[], None]:
        """Call the handler with each message from now on that matches; returns the function that ends it.

        A handler is a function, which must be quick since the event loop waits for it, or a coroutine function, which
        has ``handler_time_limit_s``. It hears one message at a time, in order. What it raises is logged.
        """
        subscription = Subscription(
            handler, execution_id=_execution_id(execution_id), member_id=member_id, types=_types(types)
        )
        self._subscriptions.append(subscription)

        def unsubscribe() -> None:
            subscription.close()
            if subscription in self._subscriptions:
                self._subscriptions.remove(subscription)

        return unsubscribe

    async def publish(self, messages: Sequence[Message]) -> None:
        """Deliver messages that are stored already; returns when they are delivered or ``publish_wait_s`` is over.

        Inside a handler it returns at once, since the handler would wait for itself. Being cancelled ends the
        waiting, not the delivery.
        """
        waiting = self._enqueue(messages)
        if not waiting or in_delivery():
            return
        _, unfinished = await asyncio.wait(waiting, timeout=self.publish_wait_s)
        for future in unfinished:
            waiting[future].late = True

    def _enqueue(self, messages: Sequence[Message]) -> dict[asyncio.Future[None], Subscription]:
        """Hand the messages to all who want them; returns what to wait for."""
        waiting = {}
        for subscription in list(self._subscriptions):
            if wanted := [message for message in messages if subscription.wants(message)]:
                done = subscription.push(wanted, self.handler_time_limit_s)
                if not subscription.late:
                    waiting[done] = subscription
        return waiting

    async def _send(
        self,
        sender: str,
        recipient: str | None,
        content: str,
        kind: MessageType | str,
        execution_id: UUID | str | None,
        metadata: dict[str, Any] | None,
    ) -> Message:
        try:
            message = Message(
                execution_id=_execution_id(execution_id),
                sender=sender,
                recipient=recipient,
                type=_type(kind),
                content=content,
                metadata=metadata or {},
            )
            message.model_dump_json()  # what is no JSON, or no Unicode, could not be stored
            check_message(message)
        except ValidationError as error:
            first = error.errors()[0]
            raise InputError(f"not a message: {first['loc'][0]}: {first['msg']}") from None
        except PydanticSerializationError as error:
            reason = " ".join(str(error).split())
            raise InputError(f"not a message: {reason}", hint="content is text, metadata plain JSON") from None
        # In a task of its own: a sender that is cancelled cannot leave a message that is stored but never delivered.
        task = asyncio.get_running_loop().create_task(self._store_and_publish(message))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)
        await asyncio.shield(task)
        return message

    async def _store_and_publish(self, message: Message) -> None:
        await self._store.append([message])
        await self.publish([message])


def _type(value: str) -> MessageType:
    try:
        return MessageType(value)
    except ValueError:
        raise InputError(
            f"{value!r} is no type of message", hint=f"one of: {', '.join(one.value for one in MessageType)}"
        ) from None


def _types(values: TypeFilter | None) -> frozenset[MessageType] | None:
    if values is None:
        return None
    return frozenset({_type(values)} if isinstance(values, str) else map(_type, values))


def _execution_id(value: UUID | str | None) -> UUID | None:
    if value is None or isinstance(value, UUID):
        return value
    try:
        return UUID(value)
    except (ValueError, AttributeError, TypeError):
        raise InputError(f"{value!r} is no execution's id", hint="an id is a UUID or its text") from None


def _limit(value: int | None) -> int | None:
    if value is not None and value < 0:
        raise InputError(f"a limit cannot be negative: {value}")
    return value
