"""What each SQLite connection is told when it opens, and how its transactions begin.

A writing transaction takes the lock at once (``BEGIN IMMEDIATE``): one that starts by reading and then writes would
fail without waiting wherever another writer came between. Whoever wants one says so with the execution option
``write=True``; all others get a plain ``BEGIN``, which holds up nobody.
"""

from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

__all__ = ["BEGUN", "BUSY_TIMEOUT_MS", "WRITE", "async_engine", "begin_writing", "has_written", "sync_engine"]

BUSY_TIMEOUT_MS = 5000
WRITE = {"write": True}
BEGUN = "squad_begun"
"""Set in a connection's info while somebody else has begun its transaction."""
_WROTE = "squad_wrote"
_NOT_WRITING = ("SELECT", "PRAGMA", "SAVEPOINT", "RELEASE", "ROLLBACK", "BEGIN", "WITH")


def sync_engine(url: URL, synchronous: str) -> Engine:
    """Return the engine for whole transactions in one thread hop."""
    engine = create_engine(url.set(drivername="sqlite"), connect_args={"check_same_thread": False})
    _prepare(engine, synchronous)
    return engine


def async_engine(url: URL, synchronous: str) -> AsyncEngine:
    """Return the engine behind the callers' sessions; idle connections are few, and more open when needed."""
    engine = create_async_engine(url, pool_size=4, max_overflow=-1)
    _prepare(engine.sync_engine, synchronous)
    _watch_writing(engine.sync_engine)
    return engine


def has_written(connection: Connection) -> bool:
    """Tell whether the connection's present transaction has sent a writing statement."""
    return bool(connection.info.get(_WROTE))


def begin_writing(connection: Connection) -> None:
    """Turn a transaction that has written nothing into a writing one, which sees what is stored now."""
    connection.exec_driver_sql("ROLLBACK")
    try:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    except BaseException:
        connection.exec_driver_sql("BEGIN")
        raise


def _prepare(engine: Engine, synchronous: str) -> None:
    @event.listens_for(engine, "connect")
    def connected(dbapi_connection: Any, _record: object) -> None:
        dbapi_connection.isolation_level = None  # the driver begins nothing by itself
        cursor = dbapi_connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        cursor.execute(f"PRAGMA synchronous = {synchronous}")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        if connection.info.get(BEGUN):
            return
        immediate = connection.get_execution_options().get("write")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")
        connection.info[_WROTE] = False

    @event.listens_for(engine, "invalidate")
    def invalidated(dbapi_connection: Any, _record: object, _error: object) -> None:
        # closing alone would keep the lock for as long as anybody, an error's traceback say, holds a cursor of it
        if dbapi_connection is not None:
            dbapi_connection.rollback()


def _watch_writing(engine: Engine) -> None:
    """Note for each transaction whether it has written: only callers' sessions have to be asked that."""

    @event.listens_for(engine, "before_cursor_execute")
    def executing(connection: Connection, _cursor: Any, statement: str, *_rest: object) -> None:
        if not statement.lstrip()[:9].upper().startswith(_NOT_WRITING):
            connection.info[_WROTE] = True
