"""Requests to an execution that somebody drives: rows, honoured in order, each once."""

from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, Select, bindparam, insert, select, update

from persistence.base import table, utc_now
from persistence.tables import RequestRow

__all__ = ["add_request", "close_request", "load_request", "next_request", "requests_waiting"]


def add_request(connection: Connection, execution_id: UUID, kind: str, payload: dict[str, Any]) -> int:
    """Store a request and return its number."""
    row = table(RequestRow)
    values = {"execution_id": execution_id, "kind": kind, "payload": payload, "status": "open", "created_at": utc_now()}
    number: int = connection.execute(insert(row).returning(row.c.id), values).scalar_one()
    return number


def next_request(connection: Connection, execution_id: UUID) -> Row[Any] | None:
    """Return the oldest open request, or None."""
    return connection.execute(_oldest_open(), {"execution": execution_id}).one_or_none()


def requests_waiting(connection: Connection, execution_id: UUID) -> set[str]:
    """Return the kinds of the open requests."""
    row = table(RequestRow)
    query = select(row.c.kind).where(row.c.execution_id == execution_id, row.c.status == "open")
    return set(connection.execute(query).scalars())


def load_request(connection: Connection, number: int) -> Row[Any]:
    """Return one request."""
    return connection.execute(select(table(RequestRow)).where(RequestRow.id == number)).one()


def close_request(connection: Connection, number: int, status: str, outcome: dict[str, Any]) -> bool:
    """Close an open request with its outcome, ``done`` or ``refused``, and tell whether it was still open."""
    row = table(RequestRow)
    statement = update(row).where(row.c.id == number, row.c.status == "open")
    values = {"status": status, "outcome": outcome, "closed_at": utc_now()}
    return connection.execute(statement.values(**values)).rowcount == 1


@cache
def _oldest_open() -> Select[Any]:
    row = table(RequestRow)
    mine = (row.c.execution_id == bindparam("execution"), row.c.status == "open")
    return select(row).where(*mine).order_by(row.c.id).limit(1)
