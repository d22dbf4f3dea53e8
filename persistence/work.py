"""What members did, read back: how each piece of work on a subtask ended."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, Select, and_, bindparam, func, select, union

from delegation import Deliverable, Outcome, OutcomeStatus
from persistence.base import REFUSED, table
from persistence.effects import Done
from persistence.tables import OutcomeRow

__all__ = ["EarlierWork", "load_earlier_work", "load_present_work", "load_work", "outcome_rows"]

_row = table(OutcomeRow)
_key = (_row.c.execution_id, _row.c.subtask_id, _row.c.turn)


def load_work(connection: Connection, execution_id: UUID) -> list[Done]:
    """Return every stored outcome, oldest first."""
    return [_done(one) for one in outcome_rows(connection, execution_id)]


def load_present_work(connection: Connection, execution_id: UUID) -> list[Done]:
    """Return the outcomes that still say something, oldest first.

    These are each subtask's newest, its newest that is done and has a deliverable, and every refusal. What earlier
    rounds of rework left behind is not read, so a board is opened as fast after a thousand rounds as after ten.
    """
    found = list(connection.execute(_present(), {"execution": execution_id}))
    newest = {one.subtask_id: one for one in sorted(found, key=lambda one: one.turn)}
    for one in newest.values():
        is_delivered = one.deliverable is not None and one.status == OutcomeStatus.DONE
        if not is_delivered and one.turn > 1:
            mine = {"execution": execution_id, "subtask": one.subtask_id}
            found += connection.execute(_delivered(), mine).all()
    return [_done(one) for one in sorted(found, key=lambda one: (one.at, one.turn))]


@dataclass(frozen=True)
class EarlierWork:
    """What tells a plan's work from that of plans before, by subtask's id: the ids of plans repeat.

    ``turns`` is how often work had ended before this plan, ``begun`` when work for this plan was first begun.
    """

    turns: dict[str, int]
    begun: dict[str, datetime]


def load_earlier_work(connection: Connection, execution_id: UUID, since: int) -> EarlierWork:
    """Return what tells the work of the plan that was made in round ``since`` from what was done before."""
    mine = _row.c.execution_id == execution_id
    before = select(_row.c.subtask_id, func.max(_row.c.turn).label("turn")).where(mine, _row.c.round < since)
    after = select(_row.c.subtask_id, func.min(_row.c.started_at).label("begun")).where(mine, _row.c.round >= since)
    turns = {one.subtask_id: one.turn for one in connection.execute(before.group_by(_row.c.subtask_id))}
    begun = {one.subtask_id: one.begun for one in connection.execute(after.group_by(_row.c.subtask_id))}
    return EarlierWork(turns, begun)


def outcome_rows(connection: Connection, execution_id: UUID) -> Sequence[Row[Any]]:
    """Return the rows of every stored outcome, oldest first."""
    return connection.execute(_all(), {"execution": execution_id}).all()


def _done(row: Row[Any]) -> Done:
    deliverable = Deliverable.model_validate(row.deliverable) if row.deliverable else None
    outcome = Outcome(status=OutcomeStatus(row.status), note=row.note, deliverable=deliverable)
    return Done(row.subtask_id, row.member_id, row.round, row.turn, outcome, row.started_at, row.at)


@cache
def _all() -> Select[Any]:
    return select(_row).where(_row.c.execution_id == bindparam("execution")).order_by(_row.c.at, _row.c.turn)


@cache
def _present() -> Select[Any]:
    mine = _row.c.execution_id == bindparam("execution")
    newest = select(_row.c.execution_id, _row.c.subtask_id, func.max(_row.c.turn).label("turn")).where(mine)
    newest = newest.group_by(_row.c.execution_id, _row.c.subtask_id)
    # a join, since SQLite would look through the whole table for keys that are in a list of them
    kept = union(newest, select(*_key).where(mine, REFUSED)).subquery("kept")
    is_kept = [_row.c[name] == kept.c[name] for name in ("execution_id", "subtask_id", "turn")]
    return select(_row).join(kept, and_(*is_kept))


@cache
def _delivered() -> Select[Any]:
    mine = (_row.c.execution_id == bindparam("execution"), _row.c.subtask_id == bindparam("subtask"))
    done = _row.c.status == OutcomeStatus.DONE.value
    delivered = select(_row).where(*mine, done, _row.c.deliverable.is_not(None))
    return delivered.order_by(_row.c.turn.desc()).limit(1)
