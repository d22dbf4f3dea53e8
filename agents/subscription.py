"""One subscriber of the message bus: what it wants to hear, and a queue of its own in which it hears it.

Each subscriber is served by a task of its own, one message at a time and in order. So one that is slow, raises, or
sends in turn affects nobody else, and sending from inside a handler appends to a queue instead of recursing.
"""

import asyncio
import contextvars
import inspect
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Sequence
from uuid import UUID

from delegation import Message, MessageType

__all__ = ["Handler", "Subscription", "in_delivery"]

Handler = Callable[[Message], Awaitable[object] | object]
"""What a subscriber gives: a function or coroutine function of one message; its result is not looked at."""

logger = logging.getLogger(__name__)

_in_delivery: contextvars.ContextVar[bool] = contextvars.ContextVar("squad_message_in_delivery", default=False)


def in_delivery() -> bool:
    """Tell whether the caller runs inside a subscriber's handler, where waiting for deliveries could deadlock."""
    return _in_delivery.get()


class Subscription:
    """A handler with its filter and its queue."""

    max_backlog = 10_000
    """How many messages wait for a slow handler before the oldest are skipped; the store still has them."""

    def __init__(
        self,
        handler: Handler,
        *,
        execution_id: UUID | None,
        member_id: str | None,
        types: Collection[MessageType] | None,
    ) -> None:
        self._handler = handler
        self._execution_id, self._member_id, self._types = execution_id, member_id, types
        self._queue: deque[tuple[Message, asyncio.Future[None] | None]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._closed = False
        self.late = False
        """Whether a publisher waited for it in vain; until it has caught up, nobody waits for it again."""
        # The handler runs in the context of whoever subscribed, not of whoever happens to publish (a graph's node).
        self._context = contextvars.copy_context()
        self._context.run(_in_delivery.set, True)

    def wants(self, message: Message) -> bool:
        """Tell whether the message passes the filter."""
        return (
            (self._execution_id is None or message.execution_id == self._execution_id)
            and (self._member_id is None or message.recipient in {None, self._member_id})
            and (self._types is None or message.type in self._types)
        )

    def push(self, messages: Sequence[Message], time_limit_s: float) -> asyncio.Future[None]:
        """Queue the messages and return a future that is done once the handler is through with the last of them."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        last = len(messages) - 1
        self._queue.extend((message, done if i == last else None) for i, message in enumerate(messages))
        self._skip_beyond_backlog()
        if self._task is None or self._task.done() or self._task.get_loop() is not loop:
            self._task = loop.create_task(self._serve(time_limit_s), context=self._context)
        return done

    def close(self) -> None:
        """Call the handler no more, apart from a call that is under way."""
        self._closed = True
        self._drop(len(self._queue))

    def _skip_beyond_backlog(self) -> None:
        if (excess := len(self._queue) - self.max_backlog) > 0:
            logger.warning("%r is too slow: %d messages were not delivered to it", self._handler, excess)
            self._drop(excess)

    def _drop(self, count: int) -> None:
        for _ in range(count):
            _settle(self._queue.popleft()[1])

    async def _serve(self, time_limit_s: float) -> None:
        current: asyncio.Future[None] | None = None
        try:
            while self._queue and not self._closed:
                message, current = self._queue.popleft()
                await self._call(message, time_limit_s)
                _settle(current)
                await asyncio.sleep(0)  # a handler that answers every message must not starve the event loop
            self.late = False
        finally:  # when the event loop is closing: nobody may be left waiting
            _settle(current)
            if self._queue and (task := asyncio.current_task()) and task.cancelling():
                self._drop(len(self._queue))

    async def _call(self, message: Message, time_limit_s: float) -> None:
        try:
            result = self._handler(message)
            if inspect.isawaitable(result):
                async with asyncio.timeout(time_limit_s) as limit:
                    await result
        except asyncio.CancelledError:
            if (task := asyncio.current_task()) and task.cancelling():
                raise
            logger.warning("%r was cancelled over message %s", self._handler, message.id)
        except TimeoutError:
            late = "took too long" if inspect.isawaitable(result) and limit.expired() else "failed with a time-out"
            logger.warning("%r %s over message %s", self._handler, late, message.id, exc_info=True)
        except Exception:  # whatever a subscriber raises is its own affair: it is logged, and nobody is harmed
            logger.warning("%r failed over message %s", self._handler, message.id, exc_info=True)


def _settle(future: asyncio.Future[None] | None) -> None:
    if future is not None and not future.done() and not future.get_loop().is_closed():
        future.set_result(None)
