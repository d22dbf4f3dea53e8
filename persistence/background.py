"""What stands around an execution, for whoever is to know more than the work at hand: squad, work done, answers."""

from typing import Any
from uuid import UUID

from sqlalchemy import Connection, select

from delegation import Background, DoneWork
from persistence.base import table
from persistence.database import Database
from persistence.effects import Done
from persistence.records import load_facts, load_gates
from persistence.tables import ExecutionRow
from persistence.work import load_present_work

__all__ = ["DatabaseBackground"]


class DatabaseBackground:
    """Reads it, all of one moment."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load(self, execution_id: UUID) -> Background | None:
        """Return what stands around an execution; None where there is no such execution."""
        return await self._database.read(lambda connection: _load(connection, execution_id))


def _load(connection: Connection, execution_id: UUID) -> Background | None:
    row = table(ExecutionRow)
    execution = connection.execute(select(row).where(row.c.id == execution_id)).one_or_none()
    if execution is None:
        return None
    newest = {one.subtask_id: one for one in load_present_work(connection, execution_id)}
    gates = load_gates(connection, execution_id)
    return Background(
        squad_id=execution.squad_id,
        squad=load_facts(connection, execution).squad,
        work=[_told(one) for one in newest.values()],
        answers=[f"{gate.question}: {said}" for gate in gates if (said := _said(gate.answer))],
    )


def _told(done: Done) -> DoneWork:
    deliverable = done.outcome.deliverable
    return DoneWork(
        subtask_id=done.subtask_id,
        member_id=done.member_id,
        status=done.outcome.status,
        note=done.outcome.note,
        title=deliverable.title if deliverable else None,
        interfaces=deliverable.interfaces if deliverable else [],
    )


def _said(answer: dict[str, Any] | None) -> str:
    """Return what a human answered: the words, or the bare decision."""
    return str(answer.get("text") or answer.get("decision") or "") if answer else ""
