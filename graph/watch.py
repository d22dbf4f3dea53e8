"""The watch: reminders, deadlines and default answers, served from the database, each once whoever watches.

Everything that it knows stands in rows, so a watch that starts anew goes on where another one was killed.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime
from math import inf
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from delegation import ConfigurationError, DatabaseError, ExecutionBusy, Gate, SquadError, StaleTransition
from graph.answers import BY_DEADLINE
from graph.engine import WorkflowEngine
from graph.notify import Notifier
from graph.requests import honour_next
from graph.serving import be_late, serve
from graph.stream import EventStream
from persistence import Database, deadlines, utc_now

__all__ = ["Served", "Watch"]

_AT_ONCE = 8
"""How many executions one watch drives at the same time."""
_LONGEST_WAIT_S = 600.0
"""The longest wait before an execution is driven again whose drive failed, in seconds."""

logger = logging.getLogger("squad.watch")


class Served(BaseModel):
    """What one look served."""

    model_config = ConfigDict(frozen=True)

    reminded: list[UUID] = Field(default=[], description="Gates whose reminder was given.")
    answered: list[UUID] = Field(default=[], description="Gates whose default answer was taken, or asked for.")
    overdue: list[UUID] = Field(default=[], description="Gates that are late, and stay open.")
    driven: list[UUID] = Field(default=[], description="Executions that are driven on.")
    notified: int = Field(default=0, description="How many notifications were sent since the look before.")


class Watch:
    """Serves what is due of one database.

    Args:
        database: an open database.
        engine: stores and announces.
        stream: drives an execution; leaving it drains.
        notifier: who is told, if anybody.
        drive: whether executions are driven on after a default answer.
        interval_s: the longest time between two looks, in seconds.
        now: the clock.

    Raises:
        ConfigurationError: the interval is no time.
    """

    def __init__(
        self,
        database: Database,
        engine: WorkflowEngine,
        stream: Callable[[UUID], EventStream],
        *,
        notifier: Notifier | None = None,
        drive: bool = True,
        interval_s: float = 5.0,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        if not 0 < interval_s < inf:
            raise ConfigurationError(f"{interval_s!r} is no time between two looks", hint="give seconds, such as 5.0")
        self._database, self._engine, self._stream, self._notifier = database, engine, stream, notifier
        self._drives_on, self._interval_s, self._now = drive, interval_s, now
        self._drives: dict[UUID, asyncio.Task[None]] = {}
        self._notified = notifier.sent if notifier else 0
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._put_off: dict[UUID, tuple[float, float]] = {}
        """How long an execution whose drive failed is left alone, and since when, by the loop's clock."""

    async def once(self) -> Served:
        """Serve what is due now, and wait for the executions that are driven on by that."""
        try:
            served = await self._look()
            if self._drives:
                await asyncio.wait(self._drives.values())
        finally:
            await self._stop()
        if self._notifier:
            await self._notifier.deliver()
        return self._with_notified(served)

    async def forever(self, tell: Callable[[Served], object] | None = None) -> None:
        """Serve until cancelled; what is driven then is drained. One execution's error ends nothing but its drive."""
        try:
            while not self._database.is_closed:
                try:
                    served = self._with_notified(await self._look())
                    if tell and served != Served():
                        tell(served)
                    if self._notifier:
                        self._notifier.kick()
                    pause = await self._pause()
                except DatabaseError as error:
                    logger.warning("the watch could not look: %s", error)
                    pause = self._interval_s
                except Exception:  # a service goes on, whatever one row is like
                    logger.exception("the watch could not look")
                    pause = self._interval_s
                await asyncio.sleep(pause)
        finally:
            await self._stop()

    def _with_notified(self, served: Served) -> Served:
        sent = self._notifier.sent if self._notifier else 0
        known, self._notified = self._notified, sent
        return served.model_copy(update={"notified": sent - known})

    async def _look(self) -> Served:
        now = self._now()
        served: dict[str, list[UUID]] = {"reminded": [], "answered": [], "overdue": []}
        for gate in await self._database.read(lambda connection: deadlines.due_gates(connection, now)):
            if kind := await self._serve(gate, now):
                served[kind].append(gate.id)
        for execution_id in await self._database.read(lambda connection: deadlines.unheard(connection, BY_DEADLINE)):
            await self._honour(execution_id)
        return Served(**served, driven=await self._drive_on() if self._drives_on else [])

    async def _serve(self, gate: Gate, now: datetime) -> str | None:
        """Serve one gate, and tell what that was; None where somebody else was first, or it has to be tried again."""
        try:
            try:
                planned = await self._engine.perform(self._database, lambda connection: serve(connection, gate, now))
            except (DatabaseError, StaleTransition):
                raise
            except SquadError as error:  # what was a good answer when the gate was opened is none any more
                why = f"and its default answer does not count ({error.message})"
                planned = await self._engine.perform(
                    self._database, lambda connection: be_late(connection, gate, now, why)
                )
        except DatabaseError:
            raise
        except StaleTransition:  # somebody moved the execution at the same moment: the next look sees where to
            return None
        except Exception:  # a state's action may raise anything
            logger.exception("gate %s of execution %s could not be served", gate.id, gate.execution_id)
            return None
        kind: str | None = planned.value
        return kind

    async def _honour(self, execution_id: UUID) -> None:
        """Take an answer whose driver died before it did, and what was asked before that."""
        try:
            while await honour_next(self._database, self._engine, execution_id):
                pass
        except StaleTransition:  # somebody drives it now, who honours the rest
            return

    async def _drive_on(self) -> list[UUID]:
        """Begin to drive whatever a default answer left to go on; returns what was begun."""
        time, begun = asyncio.get_running_loop().time(), list[UUID]()
        for execution_id in await self._database.read(lambda connection: deadlines.left_alone(connection, BY_DEADLINE)):
            wait_s, since = self._put_off.get(execution_id, (0.0, 0.0))
            if execution_id not in self._drives and time >= since + wait_s:
                self._drives[execution_id] = asyncio.create_task(self._drive(execution_id), name="squad-watch-drive")
                begun.append(execution_id)
        return begun

    async def _drive(self, execution_id: UUID) -> None:
        try:
            async with self._slots, self._stream(execution_id) as events:
                async for _ in events:
                    pass
        except ExecutionBusy:  # somebody else was quicker
            return
        except Exception as error:
            if isinstance(error, SquadError):
                logger.warning("execution %s could not be driven on: %s", execution_id, error)
            else:
                logger.exception("execution %s could not be driven on", execution_id)
            wait_s, _ = self._put_off.get(execution_id, (self._interval_s, 0.0))
            self._put_off[execution_id] = min(2 * wait_s, _LONGEST_WAIT_S), asyncio.get_running_loop().time()
        else:
            self._put_off.pop(execution_id, None)
        finally:
            del self._drives[execution_id]

    async def _pause(self) -> float:
        """Return how long to wait for the next look: until something is due that is known, but not too long."""
        moment = await self._database.read(deadlines.next_moment)
        until = (moment - self._now()).total_seconds() if moment else self._interval_s
        return min(until, self._interval_s) if until > 0 else self._interval_s

    async def _stop(self) -> None:
        """Drain what is driven, and wait for that."""
        driven = list(self._drives.values())
        for task in driven:
            task.cancel()  # leaves the stream, which ends the running step and gives the lease back
        if driven:
            await asyncio.wait(driven)
