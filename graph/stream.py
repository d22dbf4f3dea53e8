"""A run, watched: an iterator over what happens, whose end is the end of the run's claim to go on."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Self

from graph.control import DriveControl
from graph.events import Event

__all__ = ["EventStream"]

QUEUE_LENGTH = 256
"""How far the driver may be ahead of its listener, in events; beyond that it waits, unless it must not."""

Drive = Callable[[DriveControl, Callable[[Event], Awaitable[None]]], Awaitable[Any]]


class EventStream:
    """What an execution's driver tells, event by event: ``async for event in stream``.

    The driver runs in a task of its own. When the loop is left, by ``break`` too, the running step is drained and
    nothing more is started; ``aclose()`` waits for that, and so does whoever drives the execution next.
    """

    def __init__(self, drive: Drive, name: str) -> None:
        self._drive, self._name = drive, name
        self._ear = _Ear()
        self._task: asyncio.Task[None] | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        if self._ear.has_left:
            raise StopAsyncIteration
        if self._task is None:
            self._task = asyncio.create_task(_run(self._drive, self._ear), name=f"squad-drive-{self._name}")
        event = await self._ear.next()
        if event is not None:
            return event
        self._ear.has_left = True
        await self._task  # raises what the driver raised
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Stop listening, and wait until the running step is stored, or cancelled, and the lease given back."""
        self._ear.leave()
        if self._task:
            await asyncio.wait([self._task])

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __del__(self) -> None:
        self._ear.leave()


class _Ear:
    """What the driver knows of its listener. It must not know the stream itself, which ends when nobody holds it."""

    def __init__(self) -> None:
        self.control = DriveControl()
        self.has_left = False
        self._told: deque[Event | None] = deque()
        self._news, self._room = asyncio.Event(), asyncio.Event()

    async def tell(self, event: Event) -> None:
        """Hand the event over, and wait until the listener has kept up, unless the driver must not wait for that."""
        self._put(event)
        while len(self._told) > QUEUE_LENGTH and not (self.has_left or self.control.is_hurried):
            self._room.clear()
            await self._room.wait()

    def end(self) -> None:
        """Let the listener know that no event will come any more."""
        self._put(None)

    async def next(self) -> Event | None:
        """Wait for the next event; None where none will come."""
        while not self._told:
            if self.has_left:  # another task has stopped the listening
                return None
            self._news.clear()
            await self._news.wait()
        if self._told[0] is None:  # it stays, for any other task that listens
            return None
        self._room.set()
        return self._told.popleft()

    def leave(self) -> None:
        """Listen no more; from any thread, so the rest is done when the control lets know of it."""
        self.has_left = True
        self.control.request_drain("nobody listens any more")

    def look_up(self) -> None:
        """Have whoever waits look again at what has changed."""
        if self.has_left:
            self._told.clear()
        self._news.set()
        self._room.set()

    def _put(self, event: Event | None) -> None:
        if not self.has_left:
            self._told.append(event)
        self._news.set()


async def _run(drive: Drive, ear: _Ear) -> None:
    """Drive, handing events over while anybody listens."""
    try:
        with ear.control.heard_by(ear.look_up):
            await drive(ear.control, ear.tell)
    finally:
        if ear.has_left and (task := asyncio.current_task()) is not None:
            task.add_done_callback(_seen)
        ear.end()


def _seen(task: asyncio.Task[None]) -> None:
    """Take note of a failure that nobody is left to hear of; whoever drives the execution next meets its cause."""
    if not task.cancelled():
        task.exception()
