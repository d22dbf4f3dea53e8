"""Gates in the database: each answer is claimed once, whoever else answers at the same time."""

from collections.abc import Collection
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Update, bindparam, func, update

from delegation import Answer, NewGate
from persistence.base import table, utc_now
from persistence.tables import GateRow

__all__ = ["ask_otherwise", "claim_gate", "lead_gates_to", "withdraw_gates", "withdraw_gates_about"]


def claim_gate(connection: Connection, execution_id: UUID, gate_id: UUID, answer: Answer) -> bool:
    """Store the answer if the gate is still open, and tell whether this one counts."""
    row = table(GateRow)
    stored: dict[str, Any] = answer.model_dump(mode="json", exclude_none=True)
    statement = update(row).where(row.c.id == gate_id, row.c.execution_id == execution_id, row.c.status == "open")
    return connection.execute(statement.values(status="answered", answer=stored, closed_at=utc_now())).rowcount == 1


def withdraw_gates(connection: Connection, execution_id: UUID) -> None:
    """Close the execution's open gates without an answer."""
    connection.execute(_withdraw(), {"execution": execution_id, "now": utc_now()})


def withdraw_gates_about(connection: Connection, execution_id: UUID, subtask_ids: Collection[str]) -> None:
    """Close the execution's open gates about these subtasks without an answer: nobody wants to know any more."""
    row = table(GateRow)
    theirs = (row.c.execution_id == execution_id, row.c.status == "open", row.c.subtask_id.in_(subtask_ids))
    connection.execute(update(row).where(*theirs).values(status="withdrawn", closed_at=utc_now()))


def lead_gates_to(connection: Connection, execution_id: UUID, next_state: str, instead_of: Collection[str]) -> None:
    """Have open gates lead to another state, where they would lead to one of those."""
    row = table(GateRow)
    leads_to = func.coalesce(row.c.next_state, row.c.origin_state)
    theirs = (row.c.execution_id == execution_id, row.c.status == "open", leads_to.in_(instead_of))
    connection.execute(update(row).where(*theirs).values(next_state=next_state))


def ask_otherwise(connection: Connection, execution_id: UUID, gate_id: UUID, gate: NewGate) -> None:
    """Have an open gate ask what another asks; it stays the same gate, due at the same time."""
    row = table(GateRow)
    mine = (row.c.id == gate_id, row.c.execution_id == execution_id, row.c.status == "open")
    asked = {row.c.question: gate.question, row.c.details: gate.details, row.c["metadata"]: gate.metadata}
    connection.execute(update(row).where(*mine).values(asked))


@cache
def _withdraw() -> Update:
    row = table(GateRow)
    open_ones = (row.c.execution_id == bindparam("execution"), row.c.status == "open")
    return update(row).where(*open_ones).values(status="withdrawn", closed_at=bindparam("now"))
