"""Driving an execution: the lease, the thread's roll forward, the graph, and whatever callers asked meanwhile."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from langgraph.errors import GraphDrained
from langgraph.runtime import RunControl

from delegation import DatabaseError, ExecutionBusy, StaleTransition
from graph.context import RunSettings
from graph.drive import Drive, Sink
from graph.events import Event
from graph.lifecycle import FINAL_STATES
from graph.requests import honour_next
from graph.services import Services, drives_of
from graph.stream import EventStream
from graph.summary import summary_of
from graph.thread import follow
from persistence import Database, TransitionLog, load_dossier, load_execution, load_log

__all__ = ["Driver"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Driver:
    """Drives executions of one database through one graph."""

    services: Services
    graph: Any
    database: Database

    async def run(
        self, execution_id: UUID, settings: RunSettings, *, control: RunControl | None = None, sink: Sink | None = None
    ) -> dict[str, Any]:
        """Drive the execution until it ends, needs a human or is drained, and return its summary.

        Raises:
            ExecutionBusy: somebody else drives it.
            NotFound: there is no such execution.
        """
        control = control or RunControl()
        async with self._lease(execution_id, settings, control, sink) as drive:
            summary = await self._drive(drive, settings, control)
            if summary is None:
                summary = summary_of(
                    await self.database.read(lambda connection: load_dossier(connection, execution_id))
                )
            seq = len(summary["transitions"])
            await drive.tell(Event(kind="end", execution_id=execution_id, seq=seq, data={"status": summary["status"]}))
        return summary

    def stream(self, execution_id: UUID, settings: RunSettings) -> EventStream:
        """Return an iterator that drives the execution while it is asked for what happens."""

        async def drive(control: RunControl, sink: Sink) -> None:
            await self.run(execution_id, settings, control=control, sink=sink)

        return EventStream(drive, str(execution_id))

    @asynccontextmanager
    async def _lease(
        self, execution_id: UUID, settings: RunSettings, control: RunControl, sink: Sink | None
    ) -> AsyncIterator[Drive]:
        drives = drives_of(self.database)
        drive = await drives.start(
            execution_id, terms=self.services.terms(settings), control=control, sink=sink, kept=True
        )
        try:
            yield drive
        finally:
            try:
                await drives.end(drive)
            except DatabaseError:  # the lease runs out by itself, and what led here is the error to tell
                logger.warning("the lease of execution %s was not given back", execution_id)

    async def _drive(self, drive: Drive, settings: RunSettings, control: RunControl) -> dict[str, Any] | None:
        """Run the graph until nothing more is to be done; returns the graph's own summary where it gave one."""
        stuck_at = -1
        while True:
            log = drive.log or await self._log(drive.execution_id)
            drive.log = None
            config = await follow(self.graph, log)
            drive.position, drive.asked = (log.row.status, log.row.seq), log.asked
            if log.row.status in FINAL_STATES:
                return None
            output: dict[str, Any] = {}
            try:
                output = await self.graph.ainvoke(None, config, durability="sync", control=control, context=settings)
            except GraphDrained:
                return None
            except (StaleTransition, ExecutionBusy):
                # somebody moved the execution by hand; as long as the lease is ours, we go on from where it is now
                if not await self._still_ours(drive) or stuck_at == log.row.seq:
                    raise
                stuck_at = log.row.seq
                continue
            if "transitions" in output:
                return output
            if not await self._honour_rest(drive):
                return None

    async def _log(self, execution_id: UUID) -> TransitionLog:
        return await self.database.read(lambda connection: load_log(connection, execution_id))

    async def _honour_rest(self, drive: Drive) -> bool:
        """Honour what was asked while the run was ending; tells whether the execution moved by that."""
        moved, engine = False, self.services.engine
        while honoured := await honour_next(self.database, engine, drive.execution_id, epoch=drive.epoch):
            moved = moved or bool(honoured.planned and honoured.planned.move)
        return moved

    async def _still_ours(self, drive: Drive) -> bool:
        row = await self.database.read(lambda connection: load_execution(connection, drive.execution_id))
        return int(row.lease_epoch) == drive.epoch
