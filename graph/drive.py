"""Who drives an execution in this process: leases taken, kept alive and given back."""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Any
from uuid import UUID

from langgraph.runtime import RunControl
from sqlalchemy import Connection, Row

from delegation import ExecutionBusy, Plan
from graph.context import RULES, RunSettings
from graph.control import DriveControl
from graph.events import Event
from graph.lifecycle import FINAL_STATES, WorkflowState
from graph.terms import Terms
from persistence import (
    Database,
    Done,
    Facts,
    TransitionLog,
    keep_terms,
    lease,
    load_facts,
    load_log,
    settled,
    unmark_started,
)

__all__ = ["Drive", "Drives", "Sink"]

log = logging.getLogger(__name__)

Sink = Callable[[Event], Awaitable[None]]
_Taken = tuple[int, RunSettings, Facts, TransitionLog]
"""What is known once a lease is taken: its epoch, the settings that hold, and where the execution stands."""


@dataclass(eq=False)
class Drive:
    """One driver's hold on one execution. ``epoch`` is the lease's, and every commit of the drive names it."""

    execution_id: UUID
    epoch: int
    control: RunControl | None
    facts: Facts
    settings: RunSettings
    sink: Sink | None = None
    kept: bool = False
    """Whether somebody gives the lease back at the end; a bare graph run has no end that a node can see."""
    position: tuple[str, int] | None = None
    """State and transition's number that the execution is known to be at: nobody but the lease's holder moves it, and
    one that does so all the same is found out by the compare-and-swap."""
    asked: bool = False
    """Whether callers' requests were waiting at the last look."""
    work: Sequence[Done] | None = None
    """What the board had stored when this drive closed it; nobody else stores outcomes while the lease is held."""
    log: TransitionLog | None = None
    """Row and transitions as they were when the lease was taken; the first roll forward starts from them."""
    planned_at: int | None = None
    """The number of the transition by which this drive made a plan, once it has."""
    had_plan: bool = False
    """Whether a plan had been made when the lease was taken; one that is made later is in the thread."""
    site: "asyncio.Future[Any] | None" = None
    """The repository that the execution is worked in, opened where a step first needs it; see ``graph.site``."""
    amended: tuple[int, Plan] | None = None
    """The plan as it was changed after the transition of that number, which the thread has not heard of yet."""
    running: int = 0
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    last_used: float = field(default_factory=monotonic)

    async def tell(self, event: Event) -> None:
        """Hand an event to whoever listens to this drive."""
        if self.sink:
            await self.sink(event)

    def look_at(self, row: Row[Any]) -> None:
        """Take note of a plan that was changed since the row's last transition."""
        is_amended = row.plan is not None and row.amended_at == row.seq
        self.amended = (row.seq, Plan.model_validate(row.plan)) if is_amended else None

    def learn(self, seq: int, plan: Plan | None, facts: Facts | None) -> None:
        """Take note of what was changed after the transition of that number."""
        if plan is not None:
            self.amended = (seq, plan)
        if facts is not None:
            self.facts = facts

    @property
    def is_idle(self) -> bool:
        """Whether another run in this process may take over: nobody keeps the hold, and no step runs under it."""
        return not self.kept and not self.running

    @property
    def has_lapsed(self) -> bool:
        """Whether the lease of an idle hold has run out, since only those at work are renewed."""
        return self.is_idle and monotonic() - self.last_used > lease.LEASE_S


class Drives:
    """The drives of this process on one database, and the one task that renews their leases."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._owner = lease.Owner.new()
        self._drives: dict[UUID, Drive] = {}
        self._starting: set[UUID] = set()
        self._joining: dict[tuple[UUID, int], asyncio.Future[Drive]] = {}
        self._keeper: asyncio.Task[None] | None = None
        self._awaited: Counter[UUID] = Counter()

    async def start(
        self,
        execution_id: UUID,
        *,
        terms: Terms,
        control: RunControl | None,
        sink: Sink | None = None,
        kept: bool = False,
    ) -> Drive:
        """Take the execution's lease, and look where it stands, in one transaction.

        Raises:
            ExecutionBusy: somebody else drives it, in this process or another.
            DefinitionChanged: it began under another definition.
            ConfigurationError: a model that the settings name cannot be had.
            NotFound: there is no such execution.
        """
        held = self._drives.get(execution_id)
        if held and held.kept and held.control and held.control.drain_requested:
            await held.ended.wait()  # it starts nothing any more: what it has at work is being stored
            held = self._drives.get(execution_id)
        if execution_id in self._starting or (held and not held.is_idle):
            raise ExecutionBusy(
                f"execution {execution_id} is being driven in this process already",
                hint="await that run, or send the execution a request: answer, block, cancel",
            )
        self._starting.add(execution_id)
        try:
            epoch, settings, facts, log = await self._taken(execution_id, terms)
            await self._checked(execution_id, epoch, terms, settings)
        finally:
            self._starting.discard(execution_id)
        had_plan = log.row.plan is not None
        drive = Drive(execution_id, epoch, control, facts, settings, sink, kept, log=log, had_plan=had_plan)
        drive.look_at(log.row)
        self._drives[execution_id] = drive
        self._hurry(execution_id)
        if self._keeper is None or self._keeper.done():
            self._keeper = asyncio.create_task(self._keep(), name="squad-lease-keeper")
        return drive

    async def _checked(self, execution_id: UUID, epoch: int, terms: Terms, settings: RunSettings) -> None:
        """Give the lease back where nothing could run under the settings; a model is loaded in a thread."""
        if settings.model == RULES and not settings.models:
            return
        try:
            await asyncio.to_thread(terms.check, settings)
        except BaseException:
            await self.database.write(lambda connection: lease.release(connection, execution_id, epoch))
            raise

    async def _taken(self, execution_id: UUID, terms: Terms) -> _Taken:
        """Take the lease; one that is taken for a caller who is cancelled meanwhile is given back."""
        write = self.database.write
        taking = asyncio.ensure_future(write(lambda connection: self._take(connection, execution_id, terms)))
        try:
            return await settled(taking)
        except asyncio.CancelledError:
            if not taking.cancelled() and not taking.exception():
                epoch = taking.result()[0]
                await write(lambda connection: lease.release(connection, execution_id, epoch))
            raise

    def _take(self, connection: Connection, execution_id: UUID, terms: Terms) -> _Taken:
        epoch, row = lease.acquire(connection, execution_id, self._owner)
        if row.status in FINAL_STATES:  # nothing of it goes on, under whatever terms
            settings = RunSettings()
        else:
            agreed = terms.agree(connection, row)
            keep_terms(connection, execution_id, agreed.columns)
            settings = agreed.settings
        if row.status == WorkflowState.IN_PROGRESS:  # what an earlier driver had at work is at work no more
            unmark_started(connection, execution_id)
        facts = load_facts(connection, row).there(row.away or {})
        return epoch, settings, facts, load_log(connection, execution_id, row)

    async def of_run(self, execution_id: UUID, control: RunControl | None, terms: Terms) -> Drive:
        """Return the drive that this graph run belongs to, starting one where a client runs the bare graph."""
        drive = self._drives.get(execution_id)
        if drive and drive.control is control and not drive.has_lapsed:
            drive.last_used = monotonic()
            return drive
        key = (execution_id, id(control))
        if key not in self._joining:  # a run that goes on in the middle of the board starts with several nodes at once
            self._joining[key] = asyncio.ensure_future(self.start(execution_id, terms=terms, control=control))
            self._joining[key].add_done_callback(lambda _: self._joining.pop(key))
        return await asyncio.shield(self._joining[key])

    async def end(self, drive: Drive) -> None:
        """Give the lease back."""
        try:
            if drive.position is None or drive.position[0] not in FINAL_STATES:  # the last move gave it back by itself
                await self.database.write(lambda connection: lease.release(connection, drive.execution_id, drive.epoch))
        finally:
            if self._drives.get(drive.execution_id) is drive:
                del self._drives[drive.execution_id]
            drive.ended.set()
            if not self._drives:
                await self._stop_renewing()

    @contextmanager
    def awaited(self, execution_id: UUID) -> Iterator[None]:
        """While this is entered, whoever drives the execution in this process does not wait for a listener.

        For whoever waits for something that the driver is to do: it may be the listener itself.
        """
        self._awaited[execution_id] += 1
        self._hurry(execution_id)
        try:
            yield
        finally:
            self._awaited[execution_id] -= 1
            self._hurry(execution_id)
            self._awaited += Counter()  # forgets those at zero

    def _hurry(self, execution_id: UUID) -> None:
        drive = self._drives.get(execution_id)
        if drive and isinstance(drive.control, DriveControl):
            drive.control.expect(self._awaited[execution_id])

    async def drain(self) -> None:
        """Ask every drive to start nothing more, and wait until what they have at work is stored."""
        kept = [drive for drive in self._drives.values() if drive.kept and drive.control]
        for drive in kept:
            if drive.control:
                drive.control.request_drain("the database is being closed")
        await asyncio.gather(*(drive.ended.wait() for drive in kept))
        await self._stop_renewing()

    async def _stop_renewing(self) -> None:
        keeper, self._keeper = self._keeper, None  # first, so that a drive that starts meanwhile gets one of its own
        if keeper and keeper is not asyncio.current_task():
            keeper.cancel()
            await asyncio.wait([keeper])

    async def _keep(self) -> None:
        while self._drives:
            await asyncio.sleep(lease.LEASE_S / 3)
            for drive in [one for one in self._drives.values() if one.has_lapsed]:
                del self._drives[drive.execution_id]
            alive = [one.execution_id for one in self._drives.values() if one.kept or one.running]
            try:
                await self.database.write(lambda connection: lease.renew(connection, self._owner, alive))  # noqa: B023
            except Exception:  # the next round tries again; a lease that lapses fails the step's compare-and-swap
                log.exception("the leases could not be renewed")
