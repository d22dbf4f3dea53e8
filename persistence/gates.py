"""Gates in the database: each answer is claimed once, whoever else answers at the same time."""

from typing import Any
from uuid import UUID

from sqlalchemy import Connection, update

from delegation import Answer
from persistence.tables import GateRow, table, utc_now

__all__ = ["claim_gate", "withdraw_gates"]


def claim_gate(connection: Connection, execution_id: UUID, gate_id: UUID, answer: Answer) -> bool:
    """Store the answer if the gate is still open, and tell whether this one counts."""
    row = table(GateRow)
    stored: dict[str, Any] = answer.model_dump(mode="json", exclude_none=True)
    statement = update(row).where(row.c.id == gate_id, row.c.execution_id == execution_id, row.c.status == "open")
    return connection.execute(statement.values(status="answered", answer=stored, closed_at=utc_now())).rowcount == 1


def withdraw_gates(connection: Connection, execution_id: UUID, gate_ids: list[UUID] | None = None) -> None:
    """Close the execution's open gates, or the named ones, without an answer."""
    row = table(GateRow)
    statement = update(row).where(row.c.execution_id == execution_id, row.c.status == "open")
    if gate_ids is not None:
        statement = statement.where(row.c.id.in_(gate_ids))
    connection.execute(statement.values(status="withdrawn", closed_at=utc_now()))
