"""A unit of work on a caller's session: a savepoint that is committed at success and alone undone on an error."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncSession, AsyncSessionTransaction
from sqlalchemy.orm import SessionTransactionOrigin

from delegation import ConfigurationError
from persistence.connections import WRITE, begin_writing, has_written
from persistence.faults import translated
from persistence.hops import patiently

if TYPE_CHECKING:
    from persistence.database import Database

__all__ = ["after_commit", "database_of", "fresh", "is_idle", "on_session", "unit"]

T = TypeVar("T")
_INSIDE = "squad_inside_unit"
_LATER = "squad_after_commit"


def database_of(session: AsyncSession) -> "Database":
    """Return the open database that the session came from.

    Raises:
        ConfigurationError: the session is not one of ``database.session()``.
    """
    database: Database | None = session.info.get("database")
    if database is None:
        raise ConfigurationError(
            "the session belongs to no open Database", hint="use `async with database.session() as db:`"
        )
    return database


async def on_session(session: AsyncSession, work: Callable[[Connection], T]) -> T:
    """Run ``work`` on the session's connection, in the session's own transaction."""
    return await session.run_sync(lambda sync: work(sync.connection()))


@asynccontextmanager
async def unit(session: AsyncSession) -> AsyncIterator[None]:
    """Write within a savepoint of the session, and commit at the end.

    On an error only the savepoint is undone: what the caller wrote before stays pending, rows that it loaded stay
    usable, and a transaction that holds nothing of the caller's is ended, so that its lock is not kept. A unit
    inside a unit is a savepoint of the outer one's transaction.
    """
    database = database_of(session)
    if session.info.get(_INSIDE):
        async with _savepoint(session):
            yield
        return
    if _is_managed(session):
        raise ConfigurationError(
            "what takes a session commits by itself, and this one's transaction is another's to commit",
            hint="call it outside of `async with db.begin():`",
        )
    later: list[Callable[[], Awaitable[None]]] = []
    session.info[_LATER] = later
    with translated(database.name):
        async with _transaction(session, database):
            yield
    for call in later:
        await call()


def after_commit(session: AsyncSession, call: Callable[[], Awaitable[None]]) -> None:
    """Call and await ``call`` once the outermost unit has committed; not at all if this unit is undone."""
    session.info[_LATER].append(call)


@asynccontextmanager
async def _savepoint(session: AsyncSession) -> AsyncIterator[None]:
    later = session.info[_LATER]
    known = len(later)
    try:
        async with session.begin_nested() as savepoint:
            yield
            _check_open(savepoint)
    except BaseException:
        del later[known:]
        raise


def _check_open(savepoint: AsyncSessionTransaction) -> None:
    if not savepoint.is_active:
        raise ConfigurationError(
            "the transaction was committed or rolled back by what runs inside it, a state's action say",
            hint="leave commit and rollback to whoever called it",
        )


@asynccontextmanager
async def _transaction(session: AsyncSession, database: "Database") -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        callers_own = bool(session.new or session.dirty or session.deleted)
        if await _holds_lock(session):
            callers_own = True  # and it must not wait for this process's turn, which may be waiting for its lock
        else:
            await stack.enter_async_context(database.turn())
            await _begin_writing(session, callers_own=callers_own)
        session.info[_INSIDE] = True
        try:
            async with _savepoint(session):
                yield
        except BaseException:
            if not callers_own:
                await _end(session)
            raise
        finally:
            session.info[_INSIDE] = False
        await session.commit()


async def _begin_writing(session: AsyncSession, *, callers_own: bool) -> None:
    """Begin a writing transaction. A reading one ends by that: its snapshot could not be written from."""
    if session.in_transaction() and not callers_own:
        await session.commit()
    if not session.in_transaction():
        await patiently(lambda: session.connection(execution_options=WRITE))
    elif not session.in_nested_transaction():
        await patiently(
            lambda: on_session(session, begin_writing)
        )  # not by a commit: that flushes what is the caller's


async def _end(session: AsyncSession) -> None:
    """End a transaction that holds nothing of the caller's; not by a rollback, which would expire its loaded rows."""
    if not (await session.connection()).invalidated:
        await session.commit()
        return
    loaded = list(session)  # a cancellation amid a statement took the connection with it: only a rollback is left
    session.expunge_all()
    await session.rollback()
    session.add_all(loaded)


async def fresh(session: AsyncSession) -> None:
    """End a reading transaction of the session, so that what is read next is what is stored now.

    A session that polls would otherwise see the same moment for ever. One that has written keeps its transaction.
    """
    await is_idle(session)


async def is_idle(session: AsyncSession) -> bool:
    """Tell whether the session holds nothing that is yet to be committed; its reading transaction, if any, is ended."""
    if session.new or session.dirty or session.deleted or session.info.get(_INSIDE) or _is_managed(session):
        return False
    if await _holds_lock(session):
        return False
    if session.in_transaction():
        await session.commit()
    return True


def _is_managed(session: AsyncSession) -> bool:
    """Tell whether the caller began the transaction by ``begin()``, whose end alone may commit it."""
    transaction = session.sync_session.get_transaction()
    return transaction is not None and transaction.origin is SessionTransactionOrigin.BEGIN


async def _holds_lock(session: AsyncSession) -> bool:
    if not session.in_transaction():
        return False
    connection = await session.connection()
    return await connection.run_sync(has_written)
