"""Erasing a squad: everything that is stored of it, in one transaction, and nothing of any other's.

What belongs to a squad is worked out from the tables themselves: those that name the squad, those that name one of its
executions, and those that refer to a row of these. So a table that is new is not forgotten here.
"""

from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Select, Table, bindparam, delete, exists, insert, select, text

from delegation import ExecutionBusy, NotFound
from persistence.base import FINAL_STATES, Base, table, utc_now
from persistence.memory import under
from persistence.memory_tables import ErasureRow, MemoryRow
from persistence.prune import delete_checkpoints
from persistence.tables import ExecutionRow, SquadRow, TaskRow

__all__ = ["erase_squad"]

_execution, _squad, _task = (table(one) for one in (ExecutionRow, SquadRow, TaskRow))


def erase_squad(connection: Connection, squad_id: UUID) -> None:
    """Delete a squad with its executions, their tasks, logs, threads, and all that it remembers.

    That the squad was erased and when is kept, and lets the log's rows go, which are never removed otherwise. The
    pages that held any of it are overwritten.

    Raises:
        NotFound: there is no such squad.
        ExecutionBusy: one of its executions is still open.
    """
    if connection.execute(select(_squad.c.id).where(_squad.c.id == squad_id)).scalar() is None:
        raise NotFound(f"there is no squad {squad_id}")
    mine = _execution.c.squad_id == squad_id
    is_open = select(_execution.c.id).where(mine, _execution.c.status.not_in(FINAL_STATES)).limit(1)
    if (open_id := connection.execute(is_open).scalar()) is not None:
        raise ExecutionBusy(
            f"execution {open_id} of squad {squad_id} is still open: nothing was erased", hint=f"squad cancel {open_id}"
        )
    connection.exec_driver_sql("PRAGMA secure_delete = ON")
    try:
        connection.execute(insert(table(ErasureRow)), {"squad_id": squad_id, "at": utc_now()})
        _erase(connection, squad_id)
        connection.execute(text("INSERT INTO past_tasks_text (past_tasks_text) VALUES ('optimize')"))
    finally:
        connection.exec_driver_sql("PRAGMA secure_delete = OFF")


def _erase(connection: Connection, squad_id: UUID) -> None:
    theirs = _execution.c.squad_id != squad_id
    tasks = list(connection.execute(select(_execution.c.task_id).where(_execution.c.squad_id == squad_id)).scalars())
    threads = select(_execution.c.thread_id).where(_execution.c.squad_id == squad_id)
    # a thread on which others go on is theirs too
    going_on = select(_execution.c.thread_id).where(theirs, _execution.c.status.not_in(FINAL_STATES))
    delete_checkpoints(connection, threads.where(_execution.c.thread_id.not_in(going_on)))
    last = [_execution, _squad]  # by which the others are known
    for one in [one for one in reversed(Base.metadata.sorted_tables) if one not in last] + last:
        if (belongs := _belongs(one, squad_id)) is not None:
            connection.execute(delete(one).where(belongs))
    connection.execute(delete(table(MemoryRow)).where(under(["squads", squad_id.hex])))
    is_used = exists().where(_execution.c.task_id == _task.c.id)  # by another squad
    unused = delete(_task).where(_task.c.id == bindparam("of_id"), ~is_used)
    if tasks:
        connection.execute(unused, [{"of_id": one} for one in tasks])


def _belongs(one: Table, squad_id: UUID) -> ColumnElement[bool] | None:
    """Return what holds for the rows of a table that belong to the squad; None where no row belongs to any."""
    if one is table(ErasureRow):
        return None
    if one is _squad:
        return one.c.id == squad_id
    if "squad_id" in one.c:
        return one.c.squad_id == squad_id
    if "execution_id" in one.c:
        return one.c.execution_id.in_(_executions(squad_id))
    for key in one.foreign_keys:
        owner = key.column.table
        if owner is not one and owner is not _task and (belongs := _belongs(owner, squad_id)) is not None:
            return key.parent.in_(select(key.column).where(belongs))
    return None


def _executions(squad_id: UUID) -> Select[tuple[UUID]]:
    return select(_execution.c.id).where(_execution.c.squad_id == squad_id)
