"""Giving space back: the checkpoints, the journal and the models' answers of executions that ended long ago.

A thread is pruned whole or not at all, since several executions may be on it and its checkpoints say nothing of whose
they are. Log, outcomes, messages, gates and everything else that a summary tells is kept, and so are intents: a fork
must know what was done outside.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import CTE, Connection, Select, case, column, delete, func, select, update
from sqlalchemy import table as lightweight

from persistence.base import FINAL_STATES, table, utc_now
from persistence.model_tables import ModelCallRow
from persistence.tables import ExecutionRow, JournalRow

__all__ = ["delete_checkpoints", "free_bytes", "held_bytes", "open_executions", "prunable_threads", "prune_threads"]

_row = table(ExecutionRow)
_checkpoints = lightweight("checkpoints", column("thread_id"), column("checkpoint"), column("metadata"))
_writes = lightweight("writes", column("thread_id"), column("value"))


def prunable_threads(connection: Connection, before: datetime, only: Collection[str] | None = None) -> dict[str, int]:
    """Return the threads whose executions all ended before that time, with how many of them are not pruned yet.

    A thread is left out while an execution on it is open or younger, or is one that an open fork came from, be it
    through others.
    """
    origins = _origins_of_open_forks()
    is_kept = case((_row.c.ended_at < before, _row.c.id.in_(select(origins.c.id))), else_=True)
    left = func.sum(_row.c.pruned_at.is_(None))
    query = select(_row.c.thread_id, left).group_by(_row.c.thread_id).having(func.sum(is_kept) == 0, left > 0)
    if only is not None:
        query = query.where(_row.c.thread_id.in_(only))
    return {thread_id: int(count) for thread_id, count in connection.execute(query)}


def prune_threads(connection: Connection, thread_ids: Collection[str], before: datetime) -> int:
    """Prune those of the threads that still may be, and return how many executions that were."""
    chosen = list(prunable_threads(connection, before, thread_ids))
    here = _row.c.thread_id.in_(chosen)
    delete_checkpoints(connection, chosen)
    executions = select(_row.c.id).where(here)
    journal, calls = table(JournalRow), table(ModelCallRow)
    connection.execute(delete(journal).where(journal.c.execution_id.in_(executions)))
    # no step is made again, so nobody asks for these; what they took is still told
    connection.execute(update(calls).where(calls.c.execution_id.in_(executions)).values(answer=None))
    marked = update(_row).where(here, _row.c.pruned_at.is_(None)).values(pruned_at=utc_now())
    return connection.execute(marked).rowcount


def delete_checkpoints(connection: Connection, thread_ids: Collection[str] | Select[tuple[str]]) -> None:
    """Delete everything that the checkpointer holds of those threads."""
    for one in (_checkpoints, _writes):
        connection.execute(delete(one).where(one.c.thread_id.in_(thread_ids)))


def open_executions(connection: Connection) -> set[UUID]:
    """Return the executions that have not ended."""
    return set(connection.execute(select(_row.c.id).where(_row.c.status.not_in(FINAL_STATES))).scalars())


def held_bytes(connection: Connection, thread_ids: Sequence[str]) -> int:
    """Return how many bytes the checkpoints of those threads hold."""
    sizes = (
        select(func.sum(func.length(_checkpoints.c.checkpoint) + func.length(_checkpoints.c.metadata))).where(
            _checkpoints.c.thread_id.in_(thread_ids)
        ),
        select(func.sum(func.length(_writes.c.value))).where(_writes.c.thread_id.in_(thread_ids)),
    )
    return sum(int(connection.execute(size).scalar() or 0) for size in sizes)


def free_bytes(connection: Connection) -> int:
    """Return how many bytes of the database's file are free to be used again."""
    pages, size = (connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("freelist_count", "page_size"))
    return int(pages or 0) * int(size or 0)


def _origins_of_open_forks() -> CTE:
    forks = select(_row.c.forked_from.label("id"))
    is_fork = _row.c.forked_from.is_not(None)
    found = forks.where(is_fork, _row.c.status.not_in(FINAL_STATES)).cte("origins", recursive=True)
    return found.union(forks.join(found, _row.c.id == found.c.id).where(is_fork))
