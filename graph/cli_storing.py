"""Storing what a run begins with: squad, task and execution in one transaction, or nothing of it."""

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from delegation import Squad, Task
from graph.orchestrator import TaskOrchestrator
from persistence import SquadService, TaskService, squad_of, unit
from persistence.tables import SquadRow

__all__ = ["store_execution", "store_task"]


async def store_task(db: AsyncSession, orchestrator: TaskOrchestrator, task: Task) -> UUID:
    """Store a new task and its execution, and return the execution's id."""
    async with unit(db):
        row = await TaskService.create_task(db, task)
        return await orchestrator.execute_task(db=db, task=row, squad_id=await _default_squad(db))


async def store_execution(db: AsyncSession, orchestrator: TaskOrchestrator, task_id: UUID) -> UUID:
    """Make an execution of a stored task and return its id.

    Raises:
        NotFound: there is no such task.
        ExecutionExists: it has an open execution.
    """
    async with unit(db):
        row = await TaskService.get_task(db, task_id)
        return await orchestrator.execute_task(db=db, task=row, squad_id=await _default_squad(db))


async def _default_squad(db: AsyncSession) -> UUID:
    """Return the newest squad that is the default one, or store that one; another of that name is somebody's own.

    The unit holds the write lock, so that processes that begin at once end up with one squad among them.
    """
    squad = Squad.default()
    query = select(SquadRow).where(SquadRow.name == squad.name).order_by(SquadRow.created_at.desc())
    for row in (await db.execute(query)).scalars():
        if squad_of(row) == squad:
            return row.id
    return (await SquadService.create_squad(db, squad)).id
