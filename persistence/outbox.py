"""Notifications of gates on their way to sinks: queued where a sink has not been told, claimed, sent or given up.

The queue follows from the gates: whoever delivers makes the rows that are missing. So a gate that any process opened
is told by whoever has sinks, and one that was answered before anybody looked is not told at all.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, case, exists, func, insert, literal, select, update

from delegation import Gate
from persistence.base import as_dict, table, utc_now
from persistence.tables import ExecutionRow, GateRow, OutboxRow, RequestRow, TaskRow

__all__ = ["Notice", "claim", "due", "fill", "is_complete", "next_due", "record_failure", "record_sent"]

_execution, _gate, _outbox, _request = table(ExecutionRow), table(GateRow), table(OutboxRow), table(RequestRow)

_EVENT: ColumnElement[str] = case(
    (_gate.c.overdue_at.is_not(None), "overdue"), (_gate.c.reminded_at.is_not(None), "reminder"), else_="opened"
)
"""What there is to tell of an open gate: only how it stands now, since an older event is no news any more."""


@dataclass(frozen=True)
class Notice:
    """One notification that is due: which, to which sink, how often it was tried, and of what it tells."""

    id: int
    sink: str
    event: str
    attempts: int
    gate: Gate
    task_title: str


def is_complete(connection: Connection, sinks: Collection[str]) -> bool:
    """Tell whether every sink has its row for how each open gate stands: a look that needs no write lock."""
    return not any(connection.execute(_untold(name).limit(1)).first() for name in sinks)


def fill(connection: Connection, sinks: Collection[str], now: datetime) -> None:
    """Add the rows that are missing, due at once."""
    for name in sinks:
        values = _untold(name).add_columns(literal(0), literal(now), literal(now))
        names = ["gate_id", "event", "sink", "attempts", "due_at", "created_at"]
        connection.execute(insert(_outbox).from_select(names, values))


def due(connection: Connection, sinks: Collection[str], now: datetime, limit: int) -> list[Notice]:
    """Return the notifications that may be sent now: the least tried first, so that none stands in the others' way."""
    task = table(TaskRow)
    own = (_outbox.c.id.label("notice_id"), _outbox.c.sink, _outbox.c.event, _outbox.c.attempts)
    query = (
        select(*own, task.c.title.label("task_title"), *_gate.c)
        .join_from(_outbox, _gate, _outbox.c.gate_id == _gate.c.id)
        .join(_execution, _execution.c.id == _gate.c.execution_id)
        .join(task, task.c.id == _execution.c.task_id)
        .where(*_waiting(sinks), _outbox.c.due_at <= now)
        .order_by(_outbox.c.attempts, _outbox.c.due_at, _outbox.c.id)
        .limit(limit)
    )
    return [
        Notice(one.notice_id, one.sink, one.event, one.attempts, Gate.model_validate(as_dict(one)), one.task_title)
        for one in connection.execute(query)
    ]


def next_due(connection: Connection, sinks: Collection[str]) -> datetime | None:
    """Return when the next notification may be sent; None where none is waiting."""
    query = select(func.min(_outbox.c.due_at)).join_from(_outbox, _gate, _outbox.c.gate_id == _gate.c.id)
    found: datetime | None = connection.execute(query.where(*_waiting(sinks))).scalar()
    return found


def claim(connection: Connection, notice: Notice, until: datetime) -> bool:
    """Take a notification to send it, and tell whether nobody else has: until then it is nobody else's to send."""
    still_open = exists().where(_gate.c.id == _outbox.c.gate_id, _gate.c.status == "open")
    mine = (_outbox.c.id == notice.id, _outbox.c.attempts == notice.attempts, *_unsettled(), still_open)
    statement = update(_outbox).where(*mine).values(attempts=_outbox.c.attempts + 1, due_at=until)
    return connection.execute(statement).rowcount == 1


def record_sent(connection: Connection, notice: Notice, at: datetime) -> None:
    """Note that the sink took it."""
    connection.execute(update(_outbox).where(_outbox.c.id == notice.id).values(sent_at=at, error=None))


def record_failure(
    connection: Connection, notice: Notice, error: str, *, again_at: datetime, given_up_at: datetime | None = None
) -> None:
    """Note why a claimed notification did not go out. Nothing else goes to that sink before ``again_at`` either."""
    values: dict[str, Any] = {"error": error, "due_at": again_at, "given_up_at": given_up_at}
    mine = (_outbox.c.id == notice.id, _outbox.c.attempts == notice.attempts + 1)
    connection.execute(update(_outbox).where(*mine, *_unsettled()).values(values))
    others = (_outbox.c.sink == notice.sink, _outbox.c.due_at < again_at)
    connection.execute(update(_outbox).where(*others, *_unsettled()).values(due_at=again_at))


def _untold(sink: str) -> Select[Any]:
    """Select the open gates of which the sink has no row that tells how they stand now.

    One whose driver has a request waiting is about to be decided, and not told of.
    """
    told = exists().where(_outbox.c.gate_id == _gate.c.id, _outbox.c.event == _EVENT, _outbox.c.sink == sink)
    driven = exists().where(_execution.c.id == _gate.c.execution_id, _execution.c.lease_until > utc_now())
    asked = driven & exists().where(_request.c.execution_id == _gate.c.execution_id, _request.c.status == "open")
    return select(_gate.c.id, _EVENT, literal(sink)).where(_gate.c.status == "open", ~told, ~asked)


def _waiting(sinks: Collection[str]) -> tuple[ColumnElement[bool], ...]:
    return (*_unsettled(), _outbox.c.sink.in_(sinks), _outbox.c.event == _EVENT, _gate.c.status == "open")


def _unsettled() -> tuple[ColumnElement[bool], ...]:
    return (_outbox.c.sent_at.is_(None), _outbox.c.given_up_at.is_(None))
