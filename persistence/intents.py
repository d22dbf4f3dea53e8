"""Intents: outside effects written down before they begin, and their ends.

One that was begun and has no end is in doubt: its process died, or it raised. Only a human's answer settles that.
"""

from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Connection, Row, insert, select, update

from persistence.base import table, utc_now
from persistence.records import load_gates
from persistence.tables import IntentRow

__all__ = ["Intent", "begin_intent", "end_intent", "load_doubts", "note_failed_intent"]


@dataclass(frozen=True)
class Intent:
    """Where an effect stands: to be done now, done with that result, or in doubt, perhaps since it raised."""

    stands: Literal["to do", "done", "in doubt"]
    result: Any = None
    error: str | None = None


def begin_intent(connection: Connection, execution_id: UUID, scope: str, name: str) -> Intent:
    """Write that the effect begins, unless it was begun before; one that is in doubt follows a human's word on it."""
    key = {"execution_id": execution_id, "scope": scope, "name": name}
    found = connection.execute(select(table(IntentRow)).filter_by(**key)).one_or_none()
    if found is None:
        begun = key | {"status": "started", "started_at": utc_now()}
        connection.execute(insert(table(IntentRow)), begun)
        return Intent("to do")
    if found.status == "done":
        return Intent("done", (found.result or {}).get("value"))
    said = _said_of(connection, found)
    if said is None:
        return Intent("in doubt", error=found.error)
    if said["decision"] == "approve":
        again = {"status": "started", "started_at": utc_now(), "error": None}
        connection.execute(update(table(IntentRow)).filter_by(**key).values(**again))
        return Intent("to do")
    end_intent(connection, execution_id, scope, name, said.get("text"))
    return Intent("done", said.get("text"))


def end_intent(connection: Connection, execution_id: UUID, scope: str, name: str, result: Any) -> None:
    """Write that the effect has happened, with what it gave back, as a JSON value."""
    values = {"status": "done", "result": {"value": result}, "ended_at": utc_now(), "error": None}
    _change(connection, execution_id, scope, name, values)


def note_failed_intent(connection: Connection, execution_id: UUID, scope: str, name: str, error: str) -> None:
    """Write what the effect raised; whether it happened all the same stays in doubt."""
    _change(connection, execution_id, scope, name, {"error": error})


def load_doubts(connection: Connection, execution_id: UUID, scope: str) -> dict[str, str | None]:
    """Return the names of the scope's effects that have no end, each with what it raised, where it did."""
    row = table(IntentRow)
    query = select(row.c.name, row.c.error).filter_by(execution_id=execution_id, scope=scope, status="started")
    return {one.name: one.error for one in connection.execute(query.order_by(row.c.started_at))}


def _change(connection: Connection, execution_id: UUID, scope: str, name: str, values: dict[str, Any]) -> None:
    key = {"execution_id": execution_id, "scope": scope, "name": name}
    connection.execute(update(table(IntentRow)).filter_by(**key).values(**values))


def _said_of(connection: Connection, intent: Row[Any]) -> dict[str, Any] | None:
    """Return what a human answered about the effect since it was begun."""
    about = {"effect": intent.name, "scope": intent.scope}
    for gate in reversed(load_gates(connection, intent.execution_id)):
        asked = {name: gate.metadata.get(name) for name in about} == about
        if asked and gate.answer and gate.opened_at >= intent.started_at:
            return gate.answer
    return None
