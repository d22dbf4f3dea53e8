"""The step's transaction: one compare-and-swap of the row, with everything that the step wants stored.

These functions run on a connection inside a transaction that somebody else begins and commits, so the same code
serves a step's one hop and a caller's session.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache
from typing import Any, Self
from uuid import UUID

from sqlalchemy import Connection, Insert, Update, bindparam, case, exists, insert, null, select, update

from delegation import Message, MessageType
from persistence.base import FINAL_STATES, table, utc_now
from persistence.effects import Effects, store_effects
from persistence.gates import withdraw_gates
from persistence.tables import ExecutionRow, RequestRow, TransitionRow

__all__ = ["Move", "MovedOn", "apply_move", "guard"]

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


def apply_move(connection: Connection, move: Move, effects: Effects) -> int:
    """Move the execution and store the effects; return the transition's number.

    The broadcast of the transition is added to ``effects.messages``, so that the caller can deliver it afterwards.

    Raises:
        MovedOn: the row is not in the state, at the number or under the lease that the move starts from.
    """
    now = utc_now()
    values = _row_values(move, now) | effects.columns
    statement = _compare_and_swap(tuple(values), move.seq is not None, move.epoch is not None)
    expected = {"key": move.execution_id, "from_state": move.from_state, "at_seq": move.seq, "at_epoch": move.epoch}
    found = connection.execute(statement, expected | {f"new_{name}": value for name, value in values.items()}).first()
    if found is None:
        raise moved_on(connection, move.execution_id)
    seq, effects.asked = int(found.seq), bool(found.asked)
    effects.delta = ({"plan": found.amended} if found.amended else {}) | move.delta
    transition = {
        "execution_id": move.execution_id,
        "seq": seq,
        "from_state": move.from_state,
        "to_state": move.to_state,
        "reason": move.reason,
        "metadata": move.metadata,
        "delta": effects.delta,
        "task_id": move.task_id,
        "checkpoint_id": move.checkpoint_id,
        "at": now,
    }
    connection.execute(_insert_transition(), [transition])
    _announce(move, seq, effects)
    store_effects(connection, move.execution_id, effects, origin_state=move.from_state, columns=False, at=now)
    if move.from_state == BLOCKED or move.to_state in FINAL_STATES:
        withdraw_gates(connection, move.execution_id)  # whatever is still open has nobody waiting for it
    return seq


def guard(connection: Connection, execution_id: UUID, state: str, epoch: int | None) -> None:
    """Raise MovedOn unless the execution is in that state and under that lease: for what is stored without a move."""
    statement = _compare_and_swap(("updated_at",), False, epoch is not None, moves=False)
    expected = {"key": execution_id, "from_state": state, "at_epoch": epoch, "new_updated_at": utc_now()}
    if connection.execute(statement, expected).scalar() is None:
        raise moved_on(connection, execution_id)


def moved_on(connection: Connection, execution_id: UUID) -> MovedOn:
    """Return the error that says where the execution is instead."""
    return MovedOn(connection.execute(select(ExecutionRow.status).where(ExecutionRow.id == execution_id)).scalar())


def _row_values(move: Move, now: datetime) -> dict[str, Any]:
    values: dict[str, Any] = {"status": move.to_state, "updated_at": now}
    if move.to_state == BLOCKED:
        values |= {"origin_state": move.from_state, "blocked_at": now}
    if move.to_state in FINAL_STATES:
        values |= {"ended_at": now, "lease_owner": None, "lease_until": None}
    return values | {name: move.delta[name] for name in ("plan", "requirements") if move.delta.get(name)}


def _announce(move: Move, seq: int, effects: Effects) -> None:
    text = f"{move.from_state} -> {move.to_state}" + (f": {move.reason}" if move.reason else "")
    message = Message(
        execution_id=move.execution_id,
        sender="workflow",
        type=MessageType.STATE_TRANSITION,
        content=text,
        metadata={"seq": seq, "from_state": move.from_state, "to_state": move.to_state},
    )
    effects.messages.append(message)


@cache
def _compare_and_swap(names: tuple[str, ...], with_seq: bool, with_epoch: bool, *, moves: bool = True) -> Update:  # noqa: FBT001 - a cache's key
    """Return the update of a row that is where it is expected; built once, since that costs more than running it."""
    row = table(ExecutionRow)
    new: dict[str, Any] = {name: bindparam(f"new_{name}") for name in names}
    if moves:
        new["seq"] = row.c.seq + 1
    statement = update(row).where(row.c.id == bindparam("key"), row.c.status == bindparam("from_state"))
    if with_seq:
        statement = statement.where(row.c.seq == bindparam("at_seq"))
    if with_epoch:
        statement = statement.where(row.c.lease_epoch == bindparam("at_epoch"))
    request = table(RequestRow)
    asked = exists().where(request.c.execution_id == bindparam("key"), request.c.status == "open")
    # the row as it is afterwards: a plan that was changed since the last transition, which this one tells the thread
    amended = case((row.c.amended_at == row.c.seq - 1, row.c.plan)) if moves else null()
    return statement.values(new).returning(row.c.seq, asked.label("asked"), amended.label("amended"))


@cache
def _insert_transition() -> Insert:
    return insert(table(TransitionRow))
