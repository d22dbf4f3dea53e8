"""Which executions are on a LangGraph thread: one after another, and copies of one that went on from an older place."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, Select, select

from persistence.base import table
from persistence.tables import ExecutionRow, TransitionRow

__all__ = ["copy_on_thread", "execution_on_thread", "started_under"]

_row, _move = table(ExecutionRow), table(TransitionRow)


def execution_on_thread(connection: Connection, thread_id: str) -> Row[Any] | None:
    """Return the open execution on a LangGraph thread, else the one that ended last, or None."""
    return connection.execute(_newest_first(thread_id)).one_or_none()


def copy_on_thread(connection: Connection, thread_id: str, origin: UUID, seq: int) -> Row[Any] | None:
    """Return the thread's copy of an execution as transition ``seq`` left it.

    It is the open one, else the one that ended last, or None.
    """
    copied = (_row.c.forked_from == origin, _row.c.forked_at == seq)
    return connection.execute(_newest_first(thread_id).where(*copied)).one_or_none()


def started_under(connection: Connection, thread_id: str, checkpoint_ids: Sequence[str]) -> Row[Any] | None:
    """Return the execution on the thread that was made under the first of these root checkpoints, as far as any was."""
    query = select(_row, _move.c.checkpoint_id).join(_move, _move.c.execution_id == _row.c.id)
    query = query.where(_row.c.thread_id == thread_id, _move.c.seq == 1, _move.c.checkpoint_id.in_(checkpoint_ids))
    found = connection.execute(query).all()
    return min(found, key=lambda one: checkpoint_ids.index(one.checkpoint_id), default=None)


def _newest_first(thread_id: str) -> Select[Any]:
    # not by the start: a copy has its original's
    ended = _row.c.ended_at
    return select(_row).where(_row.c.thread_id == thread_id).order_by(ended.is_not(None), ended.desc()).limit(1)
