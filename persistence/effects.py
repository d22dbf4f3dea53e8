"""What a step wants stored besides its transition, and the storing of it: in one transaction, all of it or nothing.

Statements are built once: building one costs more than running it.
"""

from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Insert, Select, Update, bindparam, func, insert, select, update

from delegation import ALLOWED_DECISIONS, Message, NewGate, Outcome
from persistence.base import Base, table, utc_now
from persistence.model_calls import carry_on
from persistence.tables import AssignmentRow, ExecutionRow, GateRow, JournalRow, LogRow, MessageRow, OutcomeRow

__all__ = [
    "Done",
    "Effects",
    "Handover",
    "Record",
    "mark_started",
    "message_values",
    "store_effects",
    "unmark_started",
]


@dataclass(frozen=True)
class Handover:
    """A subtask given to a member; ``start`` and ``finish`` are planned hours from now."""

    subtask_id: str
    member_id: str
    start: float
    finish: float
    reason: str | None = None


@dataclass(frozen=True)
class Done:
    """A piece of work on a subtask, ended; ``round`` counts the board's openings, ``turn`` the subtask's ends."""

    subtask_id: str
    member_id: str
    round: int
    turn: int
    outcome: Outcome
    started_at: datetime
    at: datetime


@dataclass(frozen=True)
class Record:
    """What a step leaves in the journal under its LangGraph task id, besides the transition that it makes."""

    task_id: str
    key: str
    value: dict[str, Any]


@dataclass(kw_only=True)
class Effects:
    """What a step wants stored, all of it or nothing."""

    logs: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    handovers: list[Handover] = field(default_factory=list)
    work: list[Done] = field(default_factory=list)
    gates: list[NewGate] = field(default_factory=list)
    columns: dict[str, Any] = field(default_factory=dict)
    record: Record | None = None
    carried: tuple[str, str] | None = None
    """Whose kept answers of models go to which step: to the one that goes on where this one stops."""
    asked: bool = False
    """Set by a move: whether callers' requests were waiting when it was made."""
    delta: dict[str, Any] = field(default_factory=dict)
    """Set by a move: its delta as it was logged, with a plan that had been changed since the last transition."""

    def log(self, event: str, text: str, **data: Any) -> None:
        """Add a line to the audit log."""
        self.logs.append((event, text, data))


def store_effects(
    connection: Connection,
    execution_id: UUID,
    effects: Effects,
    *,
    origin_state: str = "",
    columns: bool = True,
    at: datetime | None = None,
) -> None:
    """Store what a step wants stored besides a transition; ``origin_state`` is where its gates come from."""
    now = at or utc_now()
    if columns and effects.columns:
        values = {f"new_{name}": value for name, value in effects.columns.items()}
        statement = _set_columns(tuple(effects.columns))
        connection.execute(statement, values | {"key": execution_id, "new_updated_at": now})
    logs = [
        {"execution_id": execution_id, "event": event, "text": text, "data": data, "at": now}
        for event, text, data in effects.logs
    ]
    _insert_all(connection, LogRow, logs)
    _insert_all(connection, MessageRow, [message_values(message) for message in effects.messages])
    _store_handovers(connection, execution_id, effects.handovers, now)
    _store_work(connection, execution_id, effects.work)
    _store_gates(connection, execution_id, effects.gates, origin_state, now)
    if effects.carried:
        carry_on(connection, execution_id, *effects.carried)
    if effects.record:
        values = {"task_id": effects.record.task_id, "key": effects.record.key, "record": effects.record.value}
        _insert_all(connection, JournalRow, [{"execution_id": execution_id, "at": now} | values])


def message_values(message: Message) -> dict[str, Any]:
    """Return a message as the columns of its row."""
    return message.model_dump(exclude={"type"}) | {"type": message.type.value}


def mark_started(connection: Connection, execution_id: UUID, subtask_id: str, at: datetime) -> None:
    """Note when the member in force began with a subtask."""
    connection.execute(_mark_started(), {"execution": execution_id, "subtask": subtask_id, "new_started_at": at})


def unmark_started(connection: Connection, execution_id: UUID) -> None:
    """Take back every note of a subtask's beginning: nothing of the execution is at work."""
    connection.execute(_unmark_started(), {"execution": execution_id})


def _store_handovers(connection: Connection, execution_id: UUID, handovers: list[Handover], at: datetime) -> None:
    turns = _turns(connection, execution_id) if handovers else {}
    rows = [
        {
            "execution_id": execution_id,
            "subtask_id": one.subtask_id,
            "turn": turns.get(one.subtask_id, 0) + 1,
            "member_id": one.member_id,
            "start": one.start,
            "finish": one.finish,
            "reason": one.reason,
            "started_at": None,
            "at": at,
        }
        for one in handovers
    ]
    _insert_all(connection, AssignmentRow, rows)


def _store_work(connection: Connection, execution_id: UUID, work: list[Done]) -> None:
    rows = [
        {
            "execution_id": execution_id,
            "subtask_id": one.subtask_id,
            "turn": one.turn,
            "round": one.round,
            "member_id": one.member_id,
            "status": one.outcome.status.value,
            "note": one.outcome.note,
            "deliverable": one.outcome.deliverable.model_dump(mode="json") if one.outcome.deliverable else None,
            "started_at": one.started_at,
            "at": one.at,
        }
        for one in work
    ]
    _insert_all(connection, OutcomeRow, rows)


def _store_gates(
    connection: Connection, execution_id: UUID, gates: list[NewGate], origin_state: str, at: datetime
) -> None:
    if not gates:
        return
    row = table(GateRow)
    last = connection.execute(select(func.max(row.c.position)).where(row.c.execution_id == execution_id)).scalar() or 0
    rows = [
        gate.model_dump(exclude={"kind", "default_answer"})
        | {
            "kind": gate.kind.value,
            "default_answer": gate.default_answer and gate.default_answer.model_dump(mode="json", exclude_none=True),
            "execution_id": execution_id,
            "position": last + index,
            "origin_state": origin_state,
            "allowed": [decision.value for decision in ALLOWED_DECISIONS[gate.kind]],
            "status": "open",
            "opened_at": at,
        }
        for index, gate in enumerate(gates, start=1)
    ]
    _insert_all(connection, GateRow, rows)


def _turns(connection: Connection, execution_id: UUID) -> dict[str, int]:
    return {one.subtask_id: one.turn for one in connection.execute(_newest_turns(), {"execution": execution_id})}


def _insert_all(connection: Connection, model: type[Base], rows: list[dict[str, Any]]) -> None:
    if rows:
        connection.execute(_insert_into(model), rows)


@cache
def _insert_into(model: type[Base]) -> Insert:
    return insert(table(model))


@cache
def _newest_turns() -> Select[Any]:
    row = table(AssignmentRow)
    query = select(row.c.subtask_id, func.max(row.c.turn).label("turn"))
    return query.where(row.c.execution_id == bindparam("execution")).group_by(row.c.subtask_id)


@cache
def _set_columns(names: tuple[str, ...]) -> Update:
    row = table(ExecutionRow)
    new: dict[str, Any] = {name: bindparam(f"new_{name}") for name in (*names, "updated_at")}
    return update(row).where(row.c.id == bindparam("key")).values(new)


@cache
def _unmark_started() -> Update:
    row = table(AssignmentRow)
    marked = (row.c.execution_id == bindparam("execution"), row.c.started_at.is_not(None))
    return update(row).where(*marked).values(started_at=None)


@cache
def _mark_started() -> Update:
    row = table(AssignmentRow)
    mine = (row.c.execution_id == bindparam("execution"), row.c.subtask_id == bindparam("subtask"))
    newest = select(func.max(row.c.turn)).where(*mine).scalar_subquery()
    return update(row).where(*mine, row.c.turn == newest).values(started_at=bindparam("new_started_at"))
