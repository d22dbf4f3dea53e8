"""Making rows inside a transaction that somebody else begins and commits: tasks, squads, executions."""

from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Insert, Select, Update, bindparam, insert, select, update

from delegation import ExecutionExists, NotFound, Squad, Task
from persistence.base import FINAL_STATES, table, utc_now
from persistence.tables import ExecutionRow, MemberRow, SquadRow, TaskRow

__all__ = ["create_execution", "insert_squad", "insert_task", "keep_terms"]


def insert_task(connection: Connection, task_id: UUID, task: Task) -> None:
    """Store a task under that id."""
    connection.execute(insert(table(TaskRow)), {"id": task_id, "created_at": utc_now()} | task.model_dump())


def insert_squad(connection: Connection, squad_id: UUID, squad: Squad) -> None:
    """Store a squad with its members under that id."""
    connection.execute(insert(table(SquadRow)), {"id": squad_id, "name": squad.name, "created_at": utc_now()})
    members = [
        member.model_dump(mode="json") | {"squad_id": squad_id, "position": position}
        for position, member in enumerate(squad.members)
    ]
    connection.execute(insert(table(MemberRow)), members)


def create_execution(
    connection: Connection,
    *,
    execution_id: UUID,
    task_id: UUID,
    squad_id: UUID,
    thread_id: str,
    settings: dict[str, Any] | None = None,
    forked_from: UUID | None = None,
) -> None:
    """Store a new execution in pending, with the run's settings that were chosen for it.

    ``forked_from`` is the execution that began where this one begins, where a client went back to there.

    Raises:
        NotFound: the task or the squad is not there.
        ExecutionExists: the task has an open execution; the error holds its id. The transaction holds the write
            lock, so no other process can come between the look and the insert.
    """
    for model, key, what in ((TaskRow, task_id, "task"), (SquadRow, squad_id, "squad")):
        if connection.execute(_exists(model), {"key": key}).scalar() is None:
            raise NotFound(
                f"there is no {what} {key}", hint=f"store one first: {what.capitalize()}Service.create_{what}"
            )
    if (open_id := connection.execute(_open_execution(), {"task": task_id}).scalar()) is not None:
        raise ExecutionExists(open_id)
    now = utc_now()
    values = {"status": "pending", "seq": 0, "lease_epoch": 0, "started_at": now, "updated_at": now}
    ids = {"id": execution_id, "task_id": task_id, "squad_id": squad_id, "thread_id": thread_id}
    ids["settings"] = settings or None
    if forked_from:
        ids |= {"forked_from": forked_from, "forked_at": 0}
    connection.execute(_insert_execution(), [values | ids])


def keep_terms(connection: Connection, execution_id: UUID, columns: dict[str, Any]) -> None:
    """Store what an execution keeps of a run's terms: ``settings``, ``fingerprint``, or nothing."""
    if columns:
        values = {f"new_{name}": value for name, value in columns.items()}
        connection.execute(_keep(tuple(columns)), values | {"key": execution_id})


@cache
def _keep(names: tuple[str, ...]) -> Update:
    row = table(ExecutionRow)
    new: dict[str, Any] = {name: bindparam(f"new_{name}") for name in names}
    return update(row).where(row.c.id == bindparam("key")).values(new)


@cache
def _exists(model: type[TaskRow | SquadRow]) -> Select[Any]:
    return select(table(model).c.id).where(table(model).c.id == bindparam("key"))


@cache
def _open_execution() -> Select[Any]:
    row = table(ExecutionRow)
    return select(row.c.id).where(row.c.task_id == bindparam("task"), row.c.status.not_in(FINAL_STATES))


@cache
def _insert_execution() -> Insert:
    return insert(table(ExecutionRow))
