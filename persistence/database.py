"""An open database: sessions for callers, one-hop transactions for steps, and the checkpointer, on one file."""

import asyncio
import shutil
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Literal, Self, TypeVar

import aiosqlite
from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from sqlalchemy import URL, Connection, Engine
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from delegation import vocabulary
from persistence.connections import BUSY_TIMEOUT_MS, async_engine, sync_engine
from persistence.faults import is_locked, translated
from persistence.hops import Hops
from persistence.location import Location, default_database, resolve
from persistence.memory import DatabaseStore
from persistence.migrate import current_revision, migrate
from persistence.migrations import HEAD
from persistence.saver import OneHopSaver

__all__ = ["Database"]

T = TypeVar("T")


class Database:
    """One open database. Use :meth:`open`; it belongs to the event loop that opened it.

    Attributes:
        checkpointer: LangGraph's saver on the same file, so that a power cut loses only a common suffix of both.
        store: what agents remember, of all squads; an agent is handed its squad's part of it alone.
        name: the URL for people, without any password.
    """

    def __init__(self, location: Location, synchronous: str) -> None:
        url = location.url
        self.name = location.name
        self.checkpointer: OneHopSaver
        self.store: DatabaseStore
        self._url, self._synchronous, self._folder = url, synchronous, location.temporary
        self._hops: Hops
        self._closing: list[Callable[[], Awaitable[None]]] = []
        self.worktrees = Path(f"{url.database}-worktrees")
        """The folder beside the file, as its journal is, in which executions have their working copies; it may not be
        there, and goes away with a database in memory."""
        self._engine = async_engine(url, synchronous)
        self._sessions = async_sessionmaker(self._engine, expire_on_commit=False, info={"database": self})

    @classmethod
    async def open(
        cls,
        url: str | None = None,
        *,
        synchronous: Literal["NORMAL", "FULL"] = "NORMAL",
        state_types: Collection[type] = (),
    ) -> Self:
        """Open a database, making and migrating it where needed; safe among processes that do so at once.

        Args:
            url: an SQLAlchemy URL or a path; ``sqlite+aiosqlite:///:memory:`` is a private temporary file that goes
                away at the end; None is the embedded default in ``.squad/``.
            synchronous: SQLite's setting. With NORMAL a power cut may lose the last commits, never a part of one.
            state_types: types of your own that graph states hold, for the checkpointer to give back as themselves.

        Raises:
            InputError: the URL cannot be used.
            NewerDatabase: the schema is newer than this version.
            DatabaseError: the file cannot be opened or written.
        """
        location = await asyncio.to_thread(lambda: resolve(default_database() if url is None else url))
        database = cls(location, synchronous)
        try:
            await database._start([*vocabulary(), *state_types])
        except BaseException:
            await database.close()
            raise
        return database

    async def _start(self, state_types: Collection[type]) -> None:
        engine = await asyncio.to_thread(_prepared_engine, self._url, self._synchronous, self.name)
        self._hops = Hops(engine, self.name)
        self.store = DatabaseStore(self._hops)
        connection = aiosqlite.connect(str(self._url.database))
        # as SQLAlchemy does with its own: a database that nobody closed must not keep the process from ending
        connection._thread.daemon = True  # noqa: SLF001
        await connection
        await connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        await connection.execute(f"PRAGMA synchronous = {self._synchronous}")
        serde = state_serializer(state_types)
        self.checkpointer = OneHopSaver(connection, self._hops, serde=serde)
        with translated(self.name):
            await _patiently(self.checkpointer.setup)

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        """Yield a session for a caller's own reading and writing; what was not committed is rolled back."""
        async with self._sessions() as session:
            yield session

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` in one writing transaction, in one hop; see :meth:`Hops.write`."""
        return await self._hops.write(work)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` in one reading transaction, in one hop."""
        return await self._hops.read(work)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Hold this process's turn to write, for a transaction on a session of one's own."""
        async with self._hops.turn():
            yield

    @property
    def is_closed(self) -> bool:
        """Whether the database has been closed."""
        return self._hops.is_closed

    def on_close(self, call: Callable[[], Awaitable[None]]) -> None:
        """Await ``call`` before the database closes: for whoever has something to bring to an end on it."""
        self._closing.append(call)

    async def close(self) -> None:
        """Close every connection; a private database is deleted."""
        while self._closing:
            await self._closing.pop()()
        if hasattr(self, "checkpointer"):
            await self.checkpointer.conn.close()
        if hasattr(self, "_hops"):
            await self._hops.close()
        await self._engine.dispose()
        if self._folder:
            await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def state_serializer(types: Collection[type]) -> SerializerProtocol:
    """Return the checkpointer's serializer; ``types`` come back as themselves, others as plain values."""
    return JsonPlusSerializer(allowed_msgpack_modules=list(types))


def _prepared_engine(url: URL, synchronous: str, name: str) -> Engine:
    """Return an engine whose database is in WAL mode and at this version's schema."""
    engine = sync_engine(url, synchronous)
    try:
        with translated(name), engine.connect() as connection:
            _ensure_wal(connection)
            if current_revision(connection) != HEAD:
                connection.rollback()
                with connection.execution_options(write=True).begin():
                    migrate(connection, name)
    except BaseException:
        engine.dispose()
        raise
    return engine


def _ensure_wal(connection: Connection) -> None:
    """Switch to write-ahead logging. The switch needs the whole file and does not wait for it, so it is tried again."""
    for _ in range(200):
        try:
            if connection.connection.cursor().execute("PRAGMA journal_mode").fetchone()[0] == "wal":
                return
            connection.connection.cursor().execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if not is_locked(error):
                raise OperationalError("PRAGMA journal_mode", None, error) from error
            time.sleep(0.02)  # in a thread of its own, while another process opens the same fresh file


async def _patiently(attempt: Callable[[], Awaitable[None]], tries: int = 10) -> None:
    """Await ``attempt``, again while another process holds the lock."""
    for left in reversed(range(tries)):
        try:
            await attempt()
        except sqlite3.OperationalError as error:
            if not is_locked(error) or not left:
                raise OperationalError("checkpointer set-up", None, error) from error
            await asyncio.sleep(0.02)
        else:
            return
