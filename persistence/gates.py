"""Gates in the database: each answer is claimed once, whoever else answers at the same time."""

from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Update, bindparam, update

from delegation import Answer
from persistence.base import table, utc_now
from persistence.tables import GateRow

__all__ = ["claim_gate", "withdraw_gates"]


def claim_gate(connection: Connection, execution_id: UUID, gate_id: UUID, answer: Answer) -> bool:
    """Store the answer if the gate is still open, and tell whether this one counts."""
    row = table(GateRow)
    stored: dict[str, Any] = answer.model_dump(mode="json", exclude_none=True)
    statement = update(row).where(row.c.id == gate_id, row.c.execution_id == execution_id, row.c.status == "open")
    return connection.execute(statement.values(status="answered", answer=stored, closed_at=utc_now())).rowcount == 1


def withdraw_gates(connection: Connection, execution_id: UUID) -> None:
    """Close the execution's open gates without an answer."""
    connection.execute(_withdraw(), {"execution": execution_id, "now": utc_now()})


@cache
def _withdraw() -> Update:
    row = table(GateRow)
    open_ones = (row.c.execution_id == bindparam("execution"), row.c.status == "open")
    return update(row).where(*open_ones).values(status="withdrawn", closed_at=bindparam("now"))
