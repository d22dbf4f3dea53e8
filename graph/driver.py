"""Driving an execution: the lease, the thread's roll forward, the graph, and whatever callers asked meanwhile."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from langgraph.errors import GraphDrained

from delegation import DatabaseError, ExecutionBusy, StaleTransition
from graph.context import RunSettings
from graph.control import DriveControl
from graph.drive import Drive, Sink
from graph.events import Event
from graph.lifecycle import FINAL_STATES
from graph.requests import give_back, honour_next
from graph.services import Services, drives_of
from graph.stream import EventStream
from graph.summary import summary_of
from graph.thread import follow
from persistence import Database, TransitionLog, lease, load_dossier, load_execution, load_log, settled

__all__ = ["Driver"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Driver:
    """Drives executions of one database through one graph."""

    services: Services
    graph: Any
    database: Database

    async def run(
        self,
        execution_id: UUID,
        settings: RunSettings,
        *,
        control: DriveControl | None = None,
        sink: Sink | None = None,
    ) -> dict[str, Any]:
        """Drive the execution until it ends, needs a human or is drained, and return its summary.

        Once a drain has lasted for the settings' grace period, the running step is cancelled. What it had stored by
        then stays, and the rest is worked again by whoever drives the execution next.

        Raises:
            ExecutionBusy: somebody else drives it, or has taken it over because the lease was not renewed in time.
            NotFound: there is no such execution.
        """
        control = control or DriveControl()
        async with self._lease(execution_id, settings, control, sink) as drive:
            summary = await self._drive(drive, settings, control)
            if summary is None:
                dossier = await self.database.read(lambda connection: load_dossier(connection, execution_id))
                summary = summary_of(dossier, is_driven=False)
            seq = len(summary["transitions"])
            await drive.tell(Event(kind="end", execution_id=execution_id, seq=seq, data={"status": summary["status"]}))
        return summary

    def stream(self, execution_id: UUID, settings: RunSettings) -> EventStream:
        """Return an iterator that drives the execution while it is asked for what happens."""

        async def drive(control: DriveControl, sink: Sink) -> None:
            await self.run(execution_id, settings, control=control, sink=sink)

        return EventStream(drive, str(execution_id))

    @asynccontextmanager
    async def _lease(
        self, execution_id: UUID, settings: RunSettings, control: DriveControl, sink: Sink | None
    ) -> AsyncIterator[Drive]:
        drives = drives_of(self.database)
        drive = await drives.start(
            execution_id, terms=self.services.terms(settings), control=control, sink=sink, kept=True
        )
        try:
            yield drive
        finally:
            try:
                await settled(asyncio.ensure_future(give_back(drives, self.services.engine, drive)))
            except DatabaseError:  # the lease runs out by itself, and what led here is the error to tell
                logger.warning("the lease of execution %s was not given back", execution_id)

    async def _drive(self, drive: Drive, settings: RunSettings, control: DriveControl) -> dict[str, Any] | None:
        """Run the graph until nothing more is to be done; returns the graph's own summary where it gave one."""
        stuck_at = -1
        while True:
            log = drive.log or await self._log(drive.execution_id)
            drive.log = None
            drive.look_at(log.row)
            config = await follow(self.graph, log)
            drive.position, drive.asked = (log.row.status, log.row.seq), log.asked
            if log.row.status in FINAL_STATES:
                return None
            try:
                async with control.grace(settings.drain_grace_s):
                    output: dict[str, Any] = await self.graph.ainvoke(
                        None, config, durability="sync", control=control, context=settings
                    )
                if "transitions" in output:
                    return output
                if not await self._honour_rest(drive):
                    return None
            except GraphDrained:
                return None
            except (StaleTransition, ExecutionBusy) as moved:
                await self._check_lease(drive, moved)
                # somebody moved the execution by hand; as long as the lease is ours, we go on from where it is now
                if stuck_at == log.row.seq:
                    raise
                stuck_at = log.row.seq

    async def _log(self, execution_id: UUID) -> TransitionLog:
        return await self.database.read(lambda connection: load_log(connection, execution_id))

    async def _honour_rest(self, drive: Drive) -> bool:
        """Honour what was asked while the run was ending; tells whether the execution moved by that."""
        moved, engine = False, self.services.engine
        while honoured := await honour_next(self.database, engine, drive.execution_id, epoch=drive.epoch):
            if planned := honoured.planned:
                drive.learn(planned.at, planned.plan, planned.facts)
            moved = moved or bool(planned and planned.move)
        return moved

    async def _check_lease(self, drive: Drive, error: Exception) -> None:
        row = await self.database.read(lambda connection: load_execution(connection, drive.execution_id))
        if row.lease_epoch != drive.epoch:
            raise lease.lost(row) from error
