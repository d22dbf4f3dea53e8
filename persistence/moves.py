"""The step's transaction: one compare-and-swap of the row, with everything that the step wants stored.

These functions run on a connection inside a transaction that somebody else begins and commits, so the same code
serves a step's one hop and a caller's session.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from sqlalchemy import Connection, func, insert, select, update

from delegation import ALLOWED_DECISIONS, Message, MessageType, NewGate, Outcome
from persistence.gates import withdraw_gates
from persistence.tables import (
    FINAL_STATES,
    AssignmentRow,
    Base,
    ExecutionRow,
    GateRow,
    JournalRow,
    LogRow,
    MessageRow,
    OutcomeRow,
    TransitionRow,
    table,
    utc_now,
)

__all__ = [
    "Effects",
    "Handover",
    "Move",
    "MovedOn",
    "Record",
    "Work",
    "apply_move",
    "guard",
    "mark_started",
    "store_effects",
]

BLOCKED = "blocked"


class MovedOn(Exception):
    """The row is not where the move starts from: somebody else moved it, or drives it now. Nothing was changed."""

    def __init__(self, status: str | None) -> None:
        super().__init__(status)
        self.status = status


@dataclass(frozen=True, kw_only=True)
class Move:
    """One transition.

    ``seq`` and ``epoch``, where given, must be the row's too: the last transition's number, and the lease under which
    the step ran. ``delta`` is what the step changed in the working state, as JSON.
    """

    execution_id: UUID
    from_state: str
    to_state: str
    reason: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    delta: dict[str, Any] = field(default_factory=dict)
    seq: int | None = None
    epoch: int | None = None
    task_id: str | None = None
    checkpoint_id: str | None = None

    def under(self, epoch: int | None) -> Self:
        """Return the move as one that counts only under that lease."""
        return replace(self, epoch=epoch)


@dataclass(frozen=True)
class Handover:
    """A subtask given to a member; ``start`` and ``finish`` are planned hours from now."""

    subtask_id: str
    member_id: str
    start: float
    finish: float
    reason: str | None = None


@dataclass(frozen=True)
class Work:
    """A member's piece of work on a subtask, ended; ``round`` counts the board's openings."""

    subtask_id: str
    member_id: str
    round: int
    outcome: Outcome
    started_at: datetime


@dataclass(frozen=True)
class Record:
    """What a step leaves in the journal under its LangGraph task id."""

    task_id: str
    key: str
    value: dict[str, Any]


@dataclass(kw_only=True)
class Effects:
    """What a step wants stored, all of it or nothing."""

    logs: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    handovers: list[Handover] = field(default_factory=list)
    work: list[Work] = field(default_factory=list)
    gates: list[NewGate] = field(default_factory=list)
    columns: dict[str, Any] = field(default_factory=dict)
    record: Record | None = None

    def log(self, event: str, text: str, **data: Any) -> None:
        """Add a line to the audit log."""
        self.logs.append((event, text, data))


def apply_move(connection: Connection, move: Move, effects: Effects) -> int:
    """Move the execution and store the effects; return the transition's number.

    The broadcast of the transition is added to ``effects.messages``, so that the caller can deliver it afterwards.

    Raises:
        MovedOn: the row is not in the state, at the number or under the lease that the move starts from.
    """
    now = utc_now()
    values: dict[str, Any] = {"status": move.to_state, "seq": ExecutionRow.seq + 1, "updated_at": now}
    if move.to_state == BLOCKED:
        values |= {"origin_state": move.from_state, "blocked_at": now}
    if move.to_state in FINAL_STATES:
        values["ended_at"] = now
    values |= {name: move.delta[name] for name in ("plan", "requirements") if move.delta.get(name)}
    row = table(ExecutionRow)
    statement = update(row).where(row.c.id == move.execution_id, row.c.status == move.from_state)
    if move.seq is not None:
        statement = statement.where(row.c.seq == move.seq)
    if move.epoch is not None:
        statement = statement.where(row.c.lease_epoch == move.epoch)
    seq = connection.execute(statement.values(**values, **effects.columns).returning(row.c.seq)).scalar()
    if seq is None:
        raise MovedOn(connection.execute(select(row.c.status).where(row.c.id == move.execution_id)).scalar())
    _insert(
        connection,
        TransitionRow,
        execution_id=move.execution_id,
        seq=seq,
        from_state=move.from_state,
        to_state=move.to_state,
        reason=move.reason,
        metadata=move.metadata,
        delta=move.delta,
        task_id=move.task_id,
        checkpoint_id=move.checkpoint_id,
        at=now,
    )
    _announce(move, int(seq), effects)
    store_effects(connection, move.execution_id, effects, origin_state=move.from_state, columns=False)
    if move.from_state == BLOCKED or move.to_state in FINAL_STATES:
        withdraw_gates(connection, move.execution_id)  # whatever is still open has nobody waiting for it
    return int(seq)


def guard(connection: Connection, execution_id: UUID, state: str, epoch: int | None) -> None:
    """Raise MovedOn unless the execution is in that state and under that lease: for what is stored without a move."""
    row = table(ExecutionRow)
    statement = update(row).where(row.c.id == execution_id, row.c.status == state)
    if epoch is not None:
        statement = statement.where(row.c.lease_epoch == epoch)
    if connection.execute(statement.values(updated_at=utc_now())).rowcount != 1:
        raise MovedOn(connection.execute(select(row.c.status).where(row.c.id == execution_id)).scalar())


def _announce(move: Move, seq: int, effects: Effects) -> None:
    text = f"{move.from_state} -> {move.to_state}" + (f": {move.reason}" if move.reason else "")
    effects.log("transition", text, seq=seq)
    message = Message(
        execution_id=move.execution_id,
        sender="workflow",
        type=MessageType.STATE_TRANSITION,
        content=text,
        metadata={"seq": seq, "from_state": move.from_state, "to_state": move.to_state},
    )
    effects.messages.append(message)


def store_effects(
    connection: Connection, execution_id: UUID, effects: Effects, *, origin_state: str = "", columns: bool = True
) -> None:
    """Store what a step wants stored besides a transition; ``origin_state`` is where its gates come from."""
    now = utc_now()
    if columns and effects.columns:
        row = table(ExecutionRow)
        connection.execute(update(row).where(row.c.id == execution_id).values(updated_at=now, **effects.columns))
    logs = [
        {"execution_id": execution_id, "event": event, "text": text, "data": data, "at": now}
        for event, text, data in effects.logs
    ]
    _insert_all(connection, LogRow, logs)
    _insert_all(connection, MessageRow, [message_values(message) for message in effects.messages])
    _store_handovers(connection, execution_id, effects.handovers)
    _store_work(connection, execution_id, effects.work)
    _store_gates(connection, execution_id, effects.gates, origin_state)
    if effects.record:
        values = {"task_id": effects.record.task_id, "key": effects.record.key, "record": effects.record.value}
        _insert(connection, JournalRow, execution_id=execution_id, at=now, **values)


def message_values(message: Message) -> dict[str, Any]:
    """Return a message as the columns of its row."""
    return message.model_dump(exclude={"type"}) | {"type": message.type.value}


def mark_started(connection: Connection, execution_id: UUID, subtask_id: str, at: datetime) -> None:
    """Note when the member in force began with a subtask."""
    row = table(AssignmentRow)
    newest = select(func.max(row.c.turn)).where(row.c.execution_id == execution_id, row.c.subtask_id == subtask_id)
    key = (row.c.execution_id == execution_id, row.c.subtask_id == subtask_id, row.c.turn == newest.scalar_subquery())
    connection.execute(update(row).where(*key).values(started_at=at))


def _store_handovers(connection: Connection, execution_id: UUID, handovers: list[Handover]) -> None:
    turns = _turns(connection, AssignmentRow, execution_id) if handovers else {}
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
        }
        for one in handovers
    ]
    _insert_all(connection, AssignmentRow, rows)


def _store_work(connection: Connection, execution_id: UUID, work: list[Work]) -> None:
    turns = _turns(connection, OutcomeRow, execution_id) if work else {}
    rows = [
        {
            "execution_id": execution_id,
            "subtask_id": one.subtask_id,
            "turn": turns.get(one.subtask_id, 0) + 1,
            "round": one.round,
            "member_id": one.member_id,
            "status": one.outcome.status.value,
            "note": one.outcome.note,
            "deliverable": one.outcome.deliverable.model_dump(mode="json") if one.outcome.deliverable else None,
            "started_at": one.started_at,
            "at": utc_now(),
        }
        for one in work
    ]
    _insert_all(connection, OutcomeRow, rows)


def _store_gates(connection: Connection, execution_id: UUID, gates: list[NewGate], origin_state: str) -> None:
    if not gates:
        return
    row = table(GateRow)
    last = connection.execute(select(func.max(row.c.position)).where(row.c.execution_id == execution_id)).scalar() or 0
    rows = [
        gate.model_dump(mode="json", exclude={"id"})
        | {
            "id": gate.id,
            "execution_id": execution_id,
            "position": last + index,
            "origin_state": origin_state,
            "allowed": [decision.value for decision in ALLOWED_DECISIONS[gate.kind]],
            "status": "open",
            "opened_at": utc_now(),
        }
        for index, gate in enumerate(gates, start=1)
    ]
    _insert_all(connection, GateRow, rows)


def _turns(connection: Connection, model: type[AssignmentRow | OutcomeRow], execution_id: UUID) -> dict[str, int]:
    row = table(model)
    query = select(row.c.subtask_id, func.max(row.c.turn).label("turn")).where(row.c.execution_id == execution_id)
    return {one.subtask_id: one.turn for one in connection.execute(query.group_by(row.c.subtask_id))}


def _insert(connection: Connection, model: type[Base], **values: Any) -> None:
    connection.execute(insert(table(model)), values)


def _insert_all(connection: Connection, model: type[Base], rows: list[dict[str, Any]]) -> None:
    if rows:
        connection.execute(insert(table(model)), rows)
