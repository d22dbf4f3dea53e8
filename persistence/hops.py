"""Whole transactions in one thread hop: the way in which every step reads and writes.

One thread per database and process writes, so the process's own writers queue up fairly instead of racing for
SQLite's lock; another reads. Nothing here runs on the event loop, and a transaction that has begun is decided, kept
or rolled back, before a cancellation of its caller goes on.
"""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import OperationalError

from delegation import DatabaseError
from persistence.connections import WRITE
from persistence.faults import is_locked, translated

__all__ = ["Hops", "settled"]

T = TypeVar("T")

PATIENCE_S = 30.0
"""How long a writer goes on asking for the lock; each single try already waits for the busy timeout."""


async def settled(work: asyncio.Future[T]) -> T:
    """Await ``work``; a cancellation is passed on only once it has ended, so that its end is never in doubt."""
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        while not work.done():
            try:
                await asyncio.wait([work])
            except asyncio.CancelledError:  # asked again: the answer is the same
                continue
        if not work.cancelled():
            work.exception()  # seen: the cancellation is what the caller hears of
        raise


class Hops:
    """The reading and the writing thread of one open database."""

    def __init__(self, engine: Engine, name: str) -> None:
        self._engine, self._name = engine, name
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="squad-write")
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="squad-read")
        self._connections: dict[str, Connection] = {}
        self._turn = asyncio.Lock()
        self._closed = False

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Hold this process's turn to write: for transactions that run elsewhere than in :meth:`write`."""
        async with self._turn:
            yield

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` in one writing transaction and commit it; what it raises rolls back whole.

        Raises:
            DatabaseLocked: another process kept the lock for longer than the patience.
            DatabaseError: the database cannot be written.
        """
        async with self._turn:
            return await self._hop(self._writer, self._write, work)

    async def insert(self, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Run one statement for each row in one writing transaction, on the driver's own connection.

        For the checkpointer, whose many small writes need none of SQLAlchemy's care; raises like :meth:`write`.
        """
        async with self._turn:
            await self._hop(self._writer, self._insert, statement, rows)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` in one reading transaction: everything that it sees is of one moment."""
        return await self._hop(self._reader, self._read, work)

    async def close(self) -> None:
        """End both threads and their connections; doing so again does nothing."""
        if self._closed:
            return
        self._closed = True
        for pool, kind in ((self._writer, "write"), (self._reader, "read")):
            await settled(asyncio.get_running_loop().run_in_executor(pool, self._release, kind))
            pool.shutdown(wait=False)
        self._engine.dispose()

    async def _hop(self, pool: ThreadPoolExecutor, call: Callable[..., T], *args: object) -> T:
        if self._closed:
            raise DatabaseError(f"{self._name} is closed", hint="use it within `async with await Database.open(…)`")
        return await settled(asyncio.get_running_loop().run_in_executor(pool, call, *args))

    def _connection(self, kind: str) -> Connection:
        if kind not in self._connections:
            options = WRITE if kind == "write" else {}
            self._connections[kind] = self._engine.connect().execution_options(**options)
        return self._connections[kind]

    def _release(self, kind: str) -> None:
        if connection := self._connections.pop(kind, None):
            connection.close()

    def _write(self, work: Callable[[Connection], T]) -> T:
        with translated(self._name):
            connection = self._connection("write")
            _patiently(lambda: _begin(connection))
            try:
                result = work(connection)
                connection.commit()
            except BaseException:
                connection.rollback()
                raise
            return result

    def _insert(self, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
        with translated(self._name):
            driver = self._connection("write").connection.driver_connection
            assert driver is not None  # connected
            try:
                _patiently(lambda: driver.execute("BEGIN IMMEDIATE"))
                driver.executemany(statement, rows)
                driver.execute("COMMIT")
            except BaseException:
                if driver.in_transaction:
                    driver.execute("ROLLBACK")
                raise

    def _read(self, work: Callable[[Connection], T]) -> T:
        with translated(self._name):
            connection = self._connection("read")
            with connection.begin():
                return work(connection)


def _begin(connection: Connection) -> None:
    try:
        connection.begin()
    except BaseException:
        connection.rollback()
        raise


def _patiently(begin: Callable[[], object]) -> None:
    """Begin a writing transaction, asking again while somebody else holds the lock; nothing is done twice by that."""
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            begin()
        except (OperationalError, sqlite3.OperationalError) as error:
            if not is_locked(error) or time.monotonic() > until:
                raise
        else:
            return
