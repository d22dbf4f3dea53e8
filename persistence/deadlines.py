"""What is due of open gates: reminders and deadlines, each served once, and whom a deadline has left to go on."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select, union_all, update

from delegation import Gate
from persistence import lease
from persistence.base import FINAL_STATES, as_dict, table
from persistence.tables import ExecutionRow, GateRow, RequestRow, TransitionRow

__all__ = ["due_gates", "left_alone", "mark_overdue", "mark_reminded", "next_moment", "unheard"]

_gate = table(GateRow)
_REMINDABLE = (_gate.c.status == "open", _gate.c.reminded_at.is_(None), _gate.c.overdue_at.is_(None))
_UNDECIDED = (_gate.c.status == "open", _gate.c.overdue_at.is_(None))


def due_gates(connection: Connection, now: datetime) -> list[Gate]:
    """Return the open gates whose reminder or deadline is due and was not served, the oldest first."""
    late = and_(*_UNDECIDED, _gate.c.deadline <= now)
    query = select(_gate).where(or_(late, and_(*_REMINDABLE, _gate.c.remind_at <= now)))
    rows = connection.execute(query.order_by(_gate.c.opened_at, _gate.c.position))
    return [Gate.model_validate(as_dict(one)) for one in rows]


def next_moment(connection: Connection) -> datetime | None:
    """Return the earliest reminder or deadline that is not served yet."""
    moments = union_all(
        select(_gate.c.remind_at.label("at")).where(*_REMINDABLE), select(_gate.c.deadline).where(*_UNDECIDED)
    ).subquery()
    found: datetime | None = connection.execute(select(func.min(moments.c.at))).scalar()
    return found


def mark_reminded(connection: Connection, gate_id: UUID, at: datetime) -> bool:
    """Take the reminder to serve it, and tell whether nobody else has."""
    statement = update(_gate).where(_gate.c.id == gate_id, *_REMINDABLE).values(reminded_at=at)
    return connection.execute(statement).rowcount == 1


def mark_overdue(connection: Connection, gate_id: UUID, at: datetime) -> bool:
    """Take the deadline to serve it, and tell whether nobody else has."""
    statement = update(_gate).where(_gate.c.id == gate_id, *_UNDECIDED).values(overdue_at=at)
    return connection.execute(statement).rowcount == 1


def left_alone(connection: Connection, by: str) -> list[UUID]:
    """Return the open executions that left blocked on the word of ``by``, and that nobody drives on.

    Either nobody has driven one since, or whoever did died. One that was stopped on purpose gave its lease back, and is
    left alone. So is a fork: its original left blocked, and whoever made it drives it.
    """
    execution, move, later = table(ExecutionRow), table(TransitionRow), table(TransitionRow).alias()
    last = select(func.max(later.c.seq)).where(later.c.execution_id == execution.c.id, later.c.from_state == "blocked")
    same_epoch = execution.c.lease_epoch == move.c["metadata"]["epoch"].as_integer()
    untouched = and_(execution.c.lease_owner.is_(None), execution.c.seq == move.c.seq, same_epoch)
    query = (
        select(execution.c.id)
        .join_from(execution, move, move.c.execution_id == execution.c.id)
        .where(execution.c.status.not_in(("blocked", *FINAL_STATES)))
        .where(move.c.seq == last.scalar_subquery(), _said(move.c["metadata"]["by"].as_string(), by))
        .where(move.c.seq > func.coalesce(execution.c.forked_at, 0))
        .where(or_(untouched, execution.c.lease_owner.is_not(None)))
        .order_by(execution.c.updated_at)
    )
    return _undriven(connection, connection.execute(query).scalars().all())


def unheard(connection: Connection, by: str) -> list[UUID]:
    """Return the executions with an answer of ``by`` that their driver was asked to take, and died before it did."""
    request = table(RequestRow)
    words = request.c.payload["answer"]["answered_by"].as_string()
    query = select(request.c.execution_id).where(
        request.c.status == "open", request.c.kind == "answer", _said(words, by)
    )
    return _undriven(connection, connection.execute(query.distinct()).scalars().all())


def _said(words: ColumnElement[str], by: str) -> ColumnElement[bool]:
    return words == by


def _undriven(connection: Connection, execution_ids: Sequence[UUID]) -> list[UUID]:
    return [one for one in execution_ids if lease.driver(connection, one) is None]
