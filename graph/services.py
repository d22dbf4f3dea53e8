"""What the nodes work with, put together in one place: engine, agents, message bus, the database once it is open."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from uuid import UUID

from langchain_core.embeddings import Embeddings
from langgraph.runtime import Runtime

from agents import ContextManager, MessageBus, OwnAgent
from delegation import DelegationEngine, Role
from graph.brains import Brains, Model
from graph.context import RunSettings, chosen_settings
from graph.drive import Drive, Drives
from graph.engine import WorkflowEngine
from graph.fingerprint import Fingerprint, Migration
from graph.live_board import Boards
from graph.terms import Terms
from persistence import (
    Database,
    DatabaseBackground,
    DatabaseContextStore,
    DatabaseMessageStore,
    DatabasePastTasks,
)

__all__ = ["Services"]

_drives: dict[Database, Drives] = {}


class Services:
    """The parts that a graph's nodes share.

    Args:
        database: an open database; without one, ``url`` is opened when the first node runs.
        url: a URL or path; None is the embedded default in ``.squad/``.
    """

    def __init__(
        self,
        *,
        database: Database | None = None,
        url: str | None = None,
        engine: WorkflowEngine | None = None,
        agents: Mapping[Role, OwnAgent] | None = None,
        bus: MessageBus | None = None,
        context: ContextManager | None = None,
        embeddings: Embeddings | None = None,
        migrations: Iterable[Migration] = (),
        model: Model | None = None,
    ) -> None:
        self.engine = engine or WorkflowEngine()
        self.brains = Brains(agents, model)
        self.delegation = DelegationEngine()
        self.defaults: dict[str, Any] = {}
        """What counts as chosen by a run that chooses nothing else, such as the model that a graph was built with."""
        self.bus = bus
        self.context = context or ContextManager(embeddings=embeddings)
        self.boards = Boards()
        self.migrations = tuple(migrations)
        self.fingerprint: Callable[[], Fingerprint] = dict
        """Of the graph that these services serve, which says so once it is built."""
        self._url = url
        self._database = database
        self._known: Database | None = None
        self._opened: tuple[asyncio.AbstractEventLoop, asyncio.Future[Database]] | None = None
        if bus:
            self.engine.add_listener(bus.publish)

    def terms(self, context: RunSettings | Mapping[str, Any] | None) -> Terms:
        """Return what a run under this graph brings along: the settings that its caller chose, and the definition."""
        chosen = self.defaults | chosen_settings(context) if self.defaults else context
        return Terms(chosen, self.fingerprint(), self.brains.check, self.migrations)

    async def drive_of(self, database: Database, execution_id: UUID, runtime: Runtime[RunSettings]) -> Drive:
        """Return the drive that a graph run belongs to, beginning one where a client runs the bare graph."""
        return await drives_of(database).of_run(execution_id, runtime.control, self.terms(runtime.context))

    async def database(self) -> Database:
        """Return the open database, opening it at the first call.

        A database belongs to an event loop: a graph that is run in another one later gets another.
        """
        if self._database:
            return self._database
        loop = asyncio.get_running_loop()
        if self._opened is None or self._opened[0] is not loop or _has_failed(self._opened[1]):
            self._opened = (loop, asyncio.ensure_future(Database.open(self._url)))
        return await asyncio.shield(self._opened[1])

    def use(self, database: Database) -> None:
        """Work on that open database from now on, and keep in it what the bus and the context manager keep."""
        if self._database is not database:
            self._database = database
            if self.bus:
                self.bus.bind(DatabaseMessageStore(database))
            self.knowledge(database)

    def knowledge(self, database: Database) -> ContextManager:
        """Return the context manager, which keeps and finds everything in that database."""
        if self._known is not database:
            self._known = database
            self.context.bind(
                DatabaseContextStore(database),
                messages=self.bus or DatabaseMessageStore(database),
                background=DatabaseBackground(database),
                past=DatabasePastTasks(database),
                memory=database.store,
            )
        return self.context


def _has_failed(opening: asyncio.Future[Database]) -> bool:
    """Tell whether an opening has ended without a database: the next run tries again."""
    return opening.done() and (opening.cancelled() or opening.exception() is not None)


def drives_of(database: Database) -> Drives:
    """Return the drives of this process on the database: one object, so that two orchestrators see each other's."""
    if database not in _drives:
        drives = _drives[database] = Drives(database)

        async def drain() -> None:
            await drives.drain()
            del _drives[database]

        database.on_close(drain)
    return _drives[database]
