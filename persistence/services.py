"""What callers store and look up on a session of their own: squads, tasks, executions."""

from collections.abc import Sequence
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from delegation import InputError, NotFound, Squad, SquadMember, Task
from persistence.erasure import erase_squad
from persistence.tables import ExecutionRow, MemberRow, SquadRow, TaskRow
from persistence.unit import fresh, on_session, unit

_HINTS: dict[type[Any], str] = {
    SquadRow: "store one first: SquadService.create_squad",
    TaskRow: "store one first: TaskService.create_task",
    ExecutionRow: "`squad list` shows the executions that there are",
}

Row = TypeVar("Row", SquadRow, TaskRow, ExecutionRow)

__all__ = ["SquadService", "TaskExecutionService", "TaskService", "as_uuid", "squad_of", "task_of"]


def as_uuid(value: Any, what: str = "id") -> UUID:
    """Return a UUID given as itself, as text, or as an object whose ``id`` is one.

    Raises:
        InputError: it is none of these.
    """
    value = getattr(value, "id", value)
    if isinstance(value, UUID):
        return value
    try:
        return UUID(str(value))
    except ValueError:
        raise InputError(f"{str(value)[:80]!r} is not the id of {what}", hint="ids are UUIDs") from None


def squad_of(row: SquadRow) -> Squad:
    """Return the squad that a row holds."""
    return Squad(name=row.name, members=[member_of(member) for member in row.members])


def member_of(row: Any) -> SquadMember:
    """Return the member that a row of ``members`` holds."""
    values = {name: getattr(row, name) for name in SquadMember.model_fields}
    return SquadMember(**{name: value for name, value in values.items() if value is not None})


def task_of(row: Any) -> Task:
    """Return the task that a row of ``tasks`` holds."""
    return Task(**{name: getattr(row, name) for name in Task.model_fields})


class SquadService:
    """Squads."""

    @staticmethod
    async def create_squad(db: AsyncSession, squad: Squad) -> SquadRow:
        """Store a squad with its members and return its row."""
        row = SquadRow(name=squad.name)
        row.members = [
            MemberRow(position=position, **member.model_dump(mode="json"))
            for position, member in enumerate(squad.members)
        ]
        async with unit(db):
            db.add(row)
        return row

    @staticmethod
    async def get_squad(db: AsyncSession, squad_id: UUID | str) -> SquadRow:
        """Return a squad's row with its members; NotFound where there is none."""
        return await _get(db, SquadRow, squad_id, "squad")

    @staticmethod
    async def delete_squad(db: AsyncSession, squad_id: UUID | str) -> None:
        """Erase a squad: its executions with their tasks, logs and threads, and all that it remembers.

        Raises:
            NotFound: there is no such squad.
            ExecutionBusy: one of its executions is still open; nothing is erased then.
        """
        wanted = as_uuid(squad_id, "a squad")
        async with unit(db):
            await on_session(db, lambda connection: erase_squad(connection, wanted))
            db.expire_all()


class TaskService:
    """Tasks."""

    @staticmethod
    async def create_task(db: AsyncSession, task: Task) -> TaskRow:
        """Store a task and return its row."""
        row = TaskRow(**task.model_dump())
        async with unit(db):
            db.add(row)
        return row

    @staticmethod
    async def get_task(db: AsyncSession, task_id: UUID | str) -> TaskRow:
        """Return a task's row; NotFound where there is none."""
        return await _get(db, TaskRow, task_id, "task")


class TaskExecutionService:
    """Executions, as rows. They are made and moved by the orchestrator alone."""

    @staticmethod
    async def get_task_execution(db: AsyncSession, execution_id: UUID | str) -> ExecutionRow:
        """Return an execution's row as it is stored now; NotFound where there is none."""
        return await _get(db, ExecutionRow, execution_id, "execution")

    @staticmethod
    async def list_task_executions(db: AsyncSession) -> Sequence[tuple[ExecutionRow, TaskRow]]:
        """Return every execution with its task, newest first."""
        await fresh(db)
        query = select(ExecutionRow, TaskRow).join(TaskRow, ExecutionRow.task_id == TaskRow.id)
        newest_first = query.order_by(ExecutionRow.started_at.desc(), ExecutionRow.id)
        rows = await db.execute(newest_first.execution_options(populate_existing=True))
        return [(execution, task) for execution, task in rows]


async def _get(db: AsyncSession, model: type[Row], key: Any, what: str) -> Row:
    await fresh(db)
    row = await db.get(model, as_uuid(key, f"a {what}"), populate_existing=True)
    if row is None:
        raise NotFound(f"there is no {what} {key}", hint=_HINTS.get(model))
    return row
