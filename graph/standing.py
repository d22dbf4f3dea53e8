"""Where a step stands: still to be made, made before, lost with its checkpoint, or not this thread's to make."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from langchain_core.runnables import RunnableConfig
from sqlalchemy import Connection, Row

from delegation import ExecutionBusy
from graph.checkpoints import is_stored
from graph.lifecycle import WorkflowState
from persistence import Database, load_execution, load_move, load_transition, next_request

__all__ = ["Place", "Standing", "look"]


@dataclass(frozen=True)
class Place:
    """The place that a step believes to be at: state and number of the last transition, and LangGraph's task id."""

    execution_id: UUID
    node: WorkflowState
    seq: int
    task_id: str


@dataclass(frozen=True)
class Standing:
    """What was found: ``recorded`` is the thread's update where the move is made already."""

    recorded: dict[str, Any] | None = None
    asked: bool = False
    """Whether callers' requests are waiting."""


async def look(database: Database, place: Place, config: RunnableConfig) -> Standing:
    """Look into journal and log where the step stands.

    Raises:
        ExecutionBusy: the execution has moved on, and this thread is not the one to follow.
    """

    def read(connection: Connection) -> tuple[Row[Any], Row[Any] | None, Row[Any] | None, bool]:
        row = load_execution(connection, place.execution_id)
        moved = load_transition(connection, row.id, place.seq + 1) if row.seq > place.seq else None
        asked = next_request(connection, row.id) is not None
        return row, load_move(connection, place.task_id), moved, asked

    row, made, moved, asked = await database.read(read)
    if made is not None:
        return Standing(_update(made))
    if row.status == place.node and row.seq == place.seq:
        return Standing(asked=asked)
    if moved is not None and moved.from_state == place.node and not await is_stored(config, moved.checkpoint_id):
        # the checkpoint that the step was made under was lost with its process: this is that step, under a new id
        return Standing(_update(moved))
    raise _moved_on(row, place)


def _update(move: Row[Any]) -> dict[str, Any]:
    """Return a stored move as the update of the thread that its step made."""
    delta: dict[str, Any] = move.delta
    return delta | {"status": move.to_state, "seq": move.seq}


def _moved_on(row: Row[Any], place: Place) -> ExecutionBusy:
    """Return the error for a thread that is not where its execution is."""
    return ExecutionBusy(
        f"execution {row.id} is in {row.status!r} at transition {row.seq}, and this thread wants to run "
        f"{place.node.value!r} at {place.seq}: it was moved on elsewhere, or the thread was forked",
        hint=f"squad resume {row.id} brings the thread to where the execution is",
    )
