"""The graph's final nodes: nothing moves any more, and the run gives back its summary."""

from typing import Any
from uuid import UUID

from langchain_core.runnables import RunnableConfig
from langgraph.runtime import Runtime

from graph.context import RunSettings
from graph.requests import give_back
from graph.services import Services, drives_of
from graph.site import leave_site
from graph.state import SquadState
from graph.summary import summary_of
from persistence import load_dossier

__all__ = ["end_execution"]


async def end_execution(
    services: Services,
    state: SquadState,
    _config: RunnableConfig,
    runtime: Runtime[RunSettings],
) -> dict[str, Any]:
    """Read the summary, give a bare run's lease back, and return the summary as the graph's output."""
    database = await services.database()
    execution_id = UUID(state["execution_id"])
    summary = summary_of(await database.read(lambda connection: load_dossier(connection, execution_id)))
    drive = await services.drive_of(database, execution_id, runtime)
    if drive.settings.workspace is not None:
        await leave_site(database, execution_id)
    if not drive.kept:
        await give_back(drives_of(database), services.engine, drive)
    return summary
