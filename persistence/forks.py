"""Copying an execution as it stood at one of its transitions."""

from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Connection, Row, insert, select, update

from persistence.tables import (
    AssignmentRow,
    Base,
    ExecutionRow,
    GateRow,
    OutcomeRow,
    TaskRow,
    TransitionRow,
    as_dict,
    table,
    utc_now,
)

__all__ = ["copy_execution"]


def copy_execution(connection: Connection, row: Row[Any], transition: Row[Any], new_id: UUID) -> None:
    """Store a copy of the execution as the transition left it, with a copy of the task's row.

    The copied transitions carry no LangGraph ids: those belong to the original's thread.
    """
    task_id = uuid4()
    _copy(connection, TaskRow, TaskRow.id == row.task_id, id=task_id, created_at=utc_now())
    moves = connection.execute(
        select(table(TransitionRow))
        .where(TransitionRow.execution_id == row.id, TransitionRow.seq <= transition.seq)
        .order_by(TransitionRow.seq)
    ).all()
    connection.execute(insert(table(ExecutionRow)), _as_of(row, moves, new_id, task_id))
    mine = {"execution_id": new_id}
    before = transition.at
    _copy(
        connection,
        TransitionRow,
        (TransitionRow.execution_id == row.id) & (TransitionRow.seq <= transition.seq),
        **mine,
        task_id=None,
        checkpoint_id=None,
    )
    _copy(connection, OutcomeRow, (OutcomeRow.execution_id == row.id) & (OutcomeRow.at <= before), **mine)
    given = (AssignmentRow.at <= before) | AssignmentRow.at.is_(None)  # those of the first version have no time
    _copy(connection, AssignmentRow, (AssignmentRow.execution_id == row.id) & given, **mine)
    begun_later = (AssignmentRow.execution_id == new_id) & (AssignmentRow.started_at > before)
    connection.execute(update(table(AssignmentRow)).where(begun_later).values(started_at=None))
    if transition.to_state == "blocked":
        _copy_gates(connection, row, transition, new_id)


def _as_of(row: Row[Any], moves: Any, new_id: UUID, task_id: UUID) -> dict[str, Any]:
    kept: dict[str, Any] = {"plan": None, "requirements": None}
    for move in moves:
        kept |= {name: move.delta[name] for name in kept if move.delta.get(name)}
    last, now = moves[-1], utc_now()
    return kept | {
        "id": new_id,
        "task_id": task_id,
        "squad_id": row.squad_id,
        "thread_id": str(new_id),
        "status": last.to_state,
        "seq": last.seq,
        "origin_state": last.from_state if last.to_state == "blocked" else None,
        "blocked_at": last.at if last.to_state == "blocked" else None,
        "started_at": row.started_at,
        "updated_at": now,
        "forked_from": row.id,
        "forked_at": last.seq,
        "lease_epoch": 0,
        "settings": row.settings,
        "fingerprint": row.fingerprint,
    }


def _copy_gates(connection: Connection, row: Row[Any], transition: Row[Any], new_id: UUID) -> None:
    """Copy the questions that the blocked execution asked at that time, open again."""
    gate = table(GateRow)
    query = select(gate).where(gate.c.execution_id == row.id, gate.c.opened_at >= transition.at)
    after = select(TransitionRow.at).where(
        TransitionRow.execution_id == row.id, TransitionRow.seq == transition.seq + 1
    )
    if (left_at := connection.execute(after).scalar()) is not None:
        query = query.where(gate.c.opened_at < left_at)
    reopened = {"execution_id": new_id, "status": "open", "answer": None, "closed_at": None}
    reopened |= {"remind_at": None, "reminded_at": None, "deadline": None, "overdue_at": None}  # those have passed
    rows = [as_dict(one) | reopened | {"id": uuid4()} for one in connection.execute(query)]
    if rows:
        connection.execute(insert(gate), rows)


def _copy(connection: Connection, model: type[Base], where: Any, **changed: Any) -> None:
    rows = [as_dict(one) | changed for one in connection.execute(select(table(model)).where(where))]
    if rows:
        connection.execute(insert(table(model)), rows)
