"""Whole transactions in one thread hop: the way in which every step reads and writes.

One thread per database and process writes, so the process's own writers queue up fairly instead of racing for
SQLite's lock, and whatever has queued up while it was busy is committed together. Another thread reads. Nothing here
runs on the event loop, and a transaction that has begun is decided, kept or rolled back, before a cancellation of its
caller goes on.
"""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import OperationalError

from delegation import ConfigurationError, DatabaseError
from persistence.connections import BEGUN, WRITE
from persistence.faults import is_locked, translated

__all__ = ["Hops", "driver_of", "patiently", "settled"]

T = TypeVar("T")

PATIENCE_S = 30.0
"""How long a writer goes on asking for the lock; each single try already waits for the busy timeout."""


async def settled(work: asyncio.Future[T]) -> T:
    """Await ``work``; a cancellation is passed on only once it has ended, so that its end is never in doubt."""
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        await _outlast(work)
        raise


async def _outlast(work: "asyncio.Future[Any]") -> None:
    """Wait until the work has ended, however often the waiting is cancelled; how it ended is nobody's business now."""
    while not work.done():
        try:
            await asyncio.wait([work])
        except asyncio.CancelledError:  # asked again: the answer is the same
            continue
    if not work.cancelled():
        work.exception()  # seen


@dataclass(frozen=True, eq=False)
class _Waiting:
    """A piece of writing that waits for the writer, and whoever waits for its end."""

    work: Callable[[Connection], Any]
    end: "asyncio.Future[Any]"


@dataclass(eq=False)
class _Held:
    """This process's turn to write, held by a transaction on a session."""

    hops: "Hops"
    is_over: bool = False


_held: ContextVar[_Held | None] = ContextVar("squad_held_turn", default=None)


class Hops:
    """The reading and the writing thread of one open database."""

    def __init__(self, engine: Engine, name: str) -> None:
        self._engine, self._name = engine, name
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="squad-write")
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="squad-read")
        self._connections: dict[str, Connection] = {}
        self._turn = asyncio.Lock()
        self._waiting: list[_Waiting] = []
        self._committing: asyncio.Task[None] | None = None
        self._closed = False

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Hold this process's turn to write: for transactions that run elsewhere than in :meth:`write`."""
        async with self._turn:
            held = _Held(self)
            token = _held.set(held)
            try:
                yield
            finally:
                held.is_over = True
                with suppress(ValueError):  # entered and left in two contexts: it is over all the same
                    _held.reset(token)

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` in a writing transaction and commit it; what it raises rolls all of it back, and only that.

        Raises:
            DatabaseLocked: another process kept the lock for longer than the patience.
            DatabaseError: the database cannot be written.
        """
        self._check_open()
        if (held := _held.get()) is not None and held.hops is self and not held.is_over:
            raise ConfigurationError(
                "something inside a transaction wants to write outside of it, and would wait for itself",
                hint="write on the session that a state's action is given; send messages before or after the move",
            )
        waiting = _Waiting(work, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        if self._committing is None:
            self._committing = asyncio.create_task(self._commit_all(), name="squad-commit")
        try:
            await asyncio.shield(waiting.end)
        except asyncio.CancelledError:
            if waiting in self._waiting:  # not begun, so it never will be
                self._waiting.remove(waiting)
            else:
                await _outlast(waiting.end)
            raise
        result: T = waiting.end.result()
        return result

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` in one reading transaction: everything that it sees is of one moment."""
        self._check_open()
        return await settled(asyncio.get_running_loop().run_in_executor(self._reader, self._read, work))

    async def close(self) -> None:
        """End both threads and their connections; doing so again does nothing."""
        if self._closed:
            return
        self._closed = True
        if self._committing:
            await self._committing
        for pool, kind in ((self._writer, "write"), (self._reader, "read")):
            await settled(asyncio.get_running_loop().run_in_executor(pool, self._release, kind))
            pool.shutdown(wait=False)
        self._engine.dispose()

    @property
    def is_closed(self) -> bool:
        """Whether nothing more can be read or written here."""
        return self._closed

    def _check_open(self) -> None:
        if self._closed:
            raise DatabaseError(f"{self._name} is closed", hint="use it within `async with await Database.open(…)`")

    async def _commit_all(self) -> None:
        """Hand what waits to the writer until nothing does any more."""
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                async with self._turn:
                    batch, self._waiting = self._waiting, []
                    work = loop.run_in_executor(self._writer, self._commit, batch)
                    # by a callback, since everybody must hear even where this task is cancelled with its loop
                    work.add_done_callback(partial(_tell, batch))
                    await settled(work)
        finally:
            self._committing = None

    def _connection(self, kind: str) -> Connection:
        if kind not in self._connections:
            options = WRITE if kind == "write" else {}
            self._connections[kind] = self._engine.connect().execution_options(**options)
        return self._connections[kind]

    def _release(self, kind: str) -> None:
        if connection := self._connections.pop(kind, None):
            connection.close()

    def _commit(self, batch: Sequence[_Waiting]) -> list[tuple[Any, BaseException | None]]:
        """Do a batch in one transaction; returns value and error of each."""
        try:
            with translated(self._name):
                connection = self._connection("write")
                driver = driver_of(connection)
                _patiently(lambda: driver.execute("BEGIN IMMEDIATE"))
                connection.info[BEGUN] = True
                try:
                    results = [self._one(connection, waiting, alone=len(batch) == 1) for waiting in batch]
                    _end(connection, keep=any(error is None for _, error in results))
                except BaseException:
                    _end(connection, keep=False)
                    raise
                finally:
                    connection.info[BEGUN] = False
        except BaseException as error:  # noqa: BLE001 - it goes to everybody whose work is lost by it
            return [(None, error)] * len(batch)
        return results

    def _one(self, connection: Connection, waiting: _Waiting, *, alone: bool) -> tuple[Any, BaseException | None]:
        """Do one piece of work; among several, what it raises undoes its own part alone."""
        driver = driver_of(connection)
        if not alone:
            driver.execute("SAVEPOINT work")
        try:
            with translated(self._name):
                value, failure = waiting.work(connection), None
        except BaseException as error:  # whatever it is, it goes to whoever waits for this work
            if not driver.in_transaction:
                raise  # the database gave the whole transaction up
            value, failure = None, error
            if not alone:
                driver.execute("ROLLBACK TO work")
        if not alone:
            driver.execute("RELEASE work")
        return value, failure

    def _read(self, work: Callable[[Connection], T]) -> T:
        with translated(self._name):
            connection = self._connection("read")
            with connection.begin():
                return work(connection)


def _tell(batch: Sequence[_Waiting], work: "asyncio.Future[list[tuple[Any, BaseException | None]]]") -> None:
    """Tell everybody who waits how their work ended."""
    for waiting, (value, error) in zip(batch, work.result(), strict=True):
        if error is None:
            waiting.end.set_result(value)
        elif isinstance(error, StopIteration):  # which no future can hold
            waiting.end.set_exception(RuntimeError("what was to be written raised StopIteration"))
        else:
            waiting.end.set_exception(error)


def driver_of(connection: Connection) -> Any:
    """Return the driver's own connection."""
    return connection.connection.driver_connection


def _end(connection: Connection, *, keep: bool) -> None:
    """Commit or roll back, whether SQLAlchemy has taken part in the transaction or not."""
    if connection.in_transaction():
        if keep:
            connection.commit()
        else:
            connection.rollback()
    elif driver_of(connection).in_transaction:
        driver_of(connection).execute("COMMIT" if keep else "ROLLBACK")


def _patiently(begin: Callable[[], object]) -> None:
    """Begin a writing transaction, asking again while somebody else holds the lock; nothing is done twice by that."""
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            begin()
        except sqlite3.OperationalError as error:
            if not is_locked(error) or time.monotonic() > until:
                raise
        else:
            return


async def patiently(begin: Callable[[], Awaitable[object]]) -> None:
    """Begin a writing transaction on a session with the same patience as a step's; each try waits in a thread."""
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            await begin()
        except OperationalError as error:
            if not is_locked(error) or time.monotonic() > until:
                raise
        else:
            return
