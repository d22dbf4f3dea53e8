"""A run, watched: an iterator over what happens, whose end is the end of the run's claim to go on."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from langgraph.runtime import RunControl

from graph.events import Event

__all__ = ["EventStream"]

QUEUE_LENGTH = 256
"""How far the driver may be ahead of its listener, in events; beyond that it waits."""

Drive = Callable[[RunControl, Callable[[Event], Awaitable[None]]], Awaitable[Any]]


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
        event = await self._ear.queue.get()
        if event is not None:
            return event
        self._ear.has_left = True
        await self._task  # raises what the driver raised
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Stop listening, and wait until the running step is stored and the lease given back."""
        self._leave()
        if self._task:
            await asyncio.wait([self._task])

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __del__(self) -> None:
        self._leave()

    def _leave(self) -> None:
        self._ear.has_left = True
        self._ear.control.request_drain("nobody listens any more")
        with suppress(RuntimeError):  # the loop is closed: nobody waits for room any more
            self._ear.make_room()


class _Ear:
    """What the driver knows of its listener. It must not know the stream itself, which ends when nobody holds it."""

    def __init__(self) -> None:
        self.control = RunControl()
        self.queue: asyncio.Queue[Event | None] = asyncio.Queue(QUEUE_LENGTH)
        self.has_left = False

    async def tell(self, event: Event | None) -> None:
        """Hand the event over; a run that is being drained waits for nobody to listen."""
        if self.has_left:
            return
        if self.control.drain_requested and self.queue.full():
            self.queue.get_nowait()
        await self.queue.put(event)

    def make_room(self) -> None:
        """Let a driver that waits for room go on."""
        while not self.queue.empty():
            self.queue.get_nowait()
        self.queue.put_nowait(None)  # and let another task that still waits for an event know that none will come


async def _run(drive: Drive, ear: _Ear) -> None:
    """Drive, handing events over while anybody listens."""
    try:
        await drive(ear.control, ear.tell)
    finally:
        if ear.has_left and (task := asyncio.current_task()) is not None:
            task.add_done_callback(_seen)
        await ear.tell(None)


def _seen(task: asyncio.Task[None]) -> None:
    """Take note of a failure that nobody is left to hear of; whoever drives the execution next meets its cause."""
    if not task.cancelled():
        task.exception()
