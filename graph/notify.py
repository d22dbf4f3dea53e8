"""Telling sinks of gates: at least once each, with back-off, beside the executions and never in their way.

The outbox table is the queue, so a notification survives whoever was to send it. It is claimed before it is sent, so
that two who deliver at the same time never send the same one; whoever dies in between leaves it to be sent once more.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from delegation import DatabaseError, Message, MessageType
from graph.notice_text import notice_text
from graph.sinks import SinkFailure, Sinks
from persistence import Database, outbox, utc_now
from persistence.outbox import Notice

__all__ = ["Delivered", "Notifier"]

_BATCH = 20
"""How many notifications of each look at the queue, so that one sink that is slow never makes the others wait long."""
_CLOSING_S = 5.0
"""How long the end of a database waits for a delivery that is under way, in seconds."""

logger = logging.getLogger("squad.notify")


@dataclass(frozen=True)
class Delivered:
    """How many notifications one delivery sent, and how many attempts failed."""

    sent: int = 0
    failed: int = 0

    def __add__(self, other: "Delivered") -> "Delivered":
        return Delivered(self.sent + other.sent, self.failed + other.failed)


class Notifier:
    """Delivers what a database's gates have to tell.

    Args:
        sinks: where to, and how patiently.
        database: an open database; its end ends the deliveries.
        now: the clock.
    """

    def __init__(self, sinks: Sinks, database: Database, *, now: Callable[[], datetime] = utc_now) -> None:
        self._sinks, self._database, self._now = sinks, database, now
        self._names = tuple(sinks.urls)
        self.sent = 0
        """How many notifications were sent so far."""
        self._wake, self._closing = asyncio.Event(), asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        database.on_close(self.close)

    async def hear(self, messages: Sequence[Message]) -> None:
        """Deliver in the background once a gate was opened: a listener of the engine, which waits for nothing."""
        if any(message.type == MessageType.HUMAN_INTERVENTION_REQUIRED for message in messages):
            self.kick()

    def kick(self) -> None:
        """Deliver in the background what is due, and again until nothing is left to be tried."""
        if self._closing.is_set():
            return
        self._wake.set()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._keep_delivering(), name="squad-notifier")

    async def deliver(self) -> Delivered:
        """Make one attempt at everything that is due, each sink for itself; how long that takes is bounded.

        Raises:
            DatabaseError: the queue cannot be read or written. A sink's failure is never raised.
        """
        now = self._now()
        if not await self._database.read(lambda connection: outbox.is_complete(connection, self._names)):
            await self._database.write(lambda connection: outbox.fill(connection, self._names, now))
        results = await asyncio.gather(*(self._deliver_to(name, now) for name in self._names))
        return sum(results, Delivered())

    async def close(self) -> None:
        """End the deliveries: one that is under way may end, for a bounded time, and nothing is tried again."""
        self._closing.set()
        self._wake.set()
        if self._task is None:
            return
        await asyncio.wait([self._task], timeout=_CLOSING_S)
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _keep_delivering(self) -> None:
        while True:
            self._wake.clear()
            waiting = await self._attempt_all()
            if self._closing.is_set():
                return
            if waiting is not None:
                await self._sleep((waiting - self._now()).total_seconds())
            elif not self._wake.is_set():
                return

    async def _attempt_all(self) -> datetime | None:
        """Deliver, and return when the next attempt is due, if there is to be one."""
        try:
            await self.deliver()
            return await self._database.read(lambda connection: outbox.next_due(connection, self._names))
        except DatabaseError as error:
            logger.warning("notifications cannot be delivered: %s", error)
            return self._now() + timedelta(seconds=self._sinks.ceiling_s)

    async def _sleep(self, seconds: float) -> None:
        """Sleep, but not longer than until somebody has something to tell."""
        try:
            await asyncio.wait_for(self._wake.wait(), max(seconds, 0.0))
        except TimeoutError:
            return

    async def _deliver_to(self, name: str, now: datetime) -> Delivered:
        """Send what is due to one sink, in order, until it fails."""
        done = Delivered()
        for notice in await self._database.read(lambda connection: outbox.due(connection, [name], now, _BATCH)):
            until = self._now() + timedelta(seconds=self._sinks.limit_s + self._sinks.wait_after(notice.attempts + 1))
            if not await self._database.write(lambda connection: outbox.claim(connection, notice, until)):  # noqa: B023
                continue
            if not await self._attempt(notice):
                return done + Delivered(failed=1)
            done += Delivered(sent=1)
        return done

    async def _attempt(self, notice: Notice) -> bool:
        """Send a notification that was claimed, and store what came of it."""
        try:
            await self._sinks.send(notice.sink, *notice_text(notice))
        except SinkFailure as failure:
            await self._failed(notice, str(failure))
            return False
        now = self._now()
        self.sent += 1
        await self._database.write(lambda connection: outbox.record_sent(connection, notice, now))
        logger.info("told %s of gate %s (%s)", notice.sink, notice.gate.id, notice.event)
        return True

    async def _failed(self, notice: Notice, why: str) -> None:
        now, attempts = self._now(), notice.attempts + 1
        wait_s = self._sinks.wait_after(attempts)
        again_at, given_up_at = now + timedelta(seconds=wait_s), now if attempts >= self._sinks.attempts else None
        await self._database.write(
            lambda connection: outbox.record_failure(
                connection, notice, why, again_at=again_at, given_up_at=given_up_at
            )
        )
        then = "given up" if given_up_at else f"tried again in {wait_s:g} s"
        told = (notice.sink, notice.gate.id, attempts, self._sinks.attempts, why, then)
        logger.warning("the sink %s was not told of gate %s (attempt %d of %d): %s; %s", *told)
