"""Copying an execution as it stood at one of its transitions."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Connection, Row, insert, select, update

from persistence.base import Base, as_dict, table, utc_now
from persistence.tables import AssignmentRow, ExecutionRow, GateRow, IntentRow, OutcomeRow, TaskRow, TransitionRow

__all__ = ["copy_execution"]


def copy_execution(
    connection: Connection,
    row: Row[Any],
    transition: Row[Any],
    new_id: UUID,
    *,
    thread_id: str | None = None,
    changed: Mapping[str, Any] | None = None,
) -> None:
    """Store a copy of the execution as the transition left it, with a copy of the task's row.

    The copied transitions carry no LangGraph ids: those belong to the original's steps.

    Args:
        connection: inside a writing transaction.
        row: the original's row.
        transition: the original's transition after which the copy starts.
        new_id: the copy's id.
        thread_id: the copy's thread; one of its own, named for it, where it is left out.
        changed: what is to be another in the copy's working state; its last transition tells of it.
    """
    task_id = uuid4()
    _copy(connection, TaskRow, TaskRow.id == row.task_id, id=task_id, created_at=utc_now())
    query = select(table(TransitionRow)).where(
        TransitionRow.execution_id == row.id, TransitionRow.seq <= transition.seq
    )
    log = [as_dict(move) for move in connection.execute(query.order_by(TransitionRow.seq))]
    log[-1]["delta"] |= dict(changed or {})
    new = _as_of(row, log) | {"id": new_id, "task_id": task_id, "thread_id": thread_id or str(new_id)}
    connection.execute(insert(table(ExecutionRow)), new)
    mine = {"execution_id": new_id}
    before = transition.at
    theirs = mine | {"task_id": None, "checkpoint_id": None}
    connection.execute(insert(table(TransitionRow)), [move | theirs for move in log])
    _copy(connection, OutcomeRow, (OutcomeRow.execution_id == row.id) & (OutcomeRow.at <= before), **mine)
    # what had begun outside by then is known to the copy, with how it ended since: the world is not forked
    _copy(connection, IntentRow, (IntentRow.execution_id == row.id) & (IntentRow.started_at <= before), **mine)
    given = (AssignmentRow.at <= before) | AssignmentRow.at.is_(None)  # those of the first version have no time
    _copy(connection, AssignmentRow, (AssignmentRow.execution_id == row.id) & given, **mine)
    begun_later = (AssignmentRow.execution_id == new_id) & (AssignmentRow.started_at > before)
    connection.execute(update(table(AssignmentRow)).where(begun_later).values(started_at=None))
    _copy_gates(connection, row, transition, new_id)


def _as_of(row: Row[Any], log: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    kept: dict[str, Any] = {"plan": None, "requirements": None}
    for move in log:
        kept |= {name: move["delta"][name] for name in kept if move["delta"].get(name)}
    last, now = log[-1], utc_now()
    is_blocked = last["to_state"] == "blocked"
    return kept | {
        "squad_id": row.squad_id,
        "status": last["to_state"],
        "seq": last["seq"],
        "origin_state": last["from_state"] if is_blocked else None,
        "blocked_at": last["at"] if is_blocked else None,
        "started_at": row.started_at,
        "updated_at": now,
        "forked_from": row.id,
        "forked_at": last["seq"],
        "lease_epoch": 0,
        "settings": row.settings,
        "fingerprint": row.fingerprint,
        "away": row.away,  # who has dropped out is not there for a copy either: the world is not forked
    }


def _copy_gates(connection: Connection, row: Row[Any], transition: Row[Any], new_id: UUID) -> None:
    """Copy the questions asked before, closed as they are, and those that it waits for there, open again."""
    gate = table(GateRow)
    mine = select(gate).where(gate.c.execution_id == row.id)
    rows = [as_dict(one) for one in connection.execute(mine.where(gate.c.opened_at < transition.at))]
    if transition.to_state == "blocked":
        waits = mine.where(gate.c.opened_at >= transition.at)
        after = select(TransitionRow.at).where(
            TransitionRow.execution_id == row.id, TransitionRow.seq == transition.seq + 1
        )
        if (left_at := connection.execute(after).scalar()) is not None:
            waits = waits.where(gate.c.opened_at < left_at)
        rows += [_reopened(as_dict(one)) for one in connection.execute(waits)]
    if rows:
        connection.execute(insert(gate), [one | {"execution_id": new_id, "id": uuid4()} for one in rows])


def _reopened(gate: dict[str, Any]) -> dict[str, Any]:
    """Return a gate's row open again, with as much time until its reminder and its deadline as it had at first."""
    later = utc_now() - gate["opened_at"]
    times = {name: gate[name] and gate[name] + later for name in ("remind_at", "deadline")}
    cleared = dict.fromkeys(("answer", "closed_at", "reminded_at", "overdue_at"))
    return gate | times | cleared | {"status": "open"}


def _copy(connection: Connection, model: type[Base], where: Any, **changed: Any) -> None:
    rows = [as_dict(one) | changed for one in connection.execute(select(table(model)).where(where))]
    if rows:
        connection.execute(insert(table(model)), rows)
