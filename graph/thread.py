"""The thread follows the row: at the start of every drive it is rolled forward to the log.

It works on a parked thread, inside an interrupt, in the middle of the board, and where there is no thread at all.
"""

from typing import Any
from uuid import UUID

from langchain_core.runnables import RunnableConfig
from langgraph.types import StateUpdate
from sqlalchemy import Connection, Row

from graph.starting import FRESH
from graph.state import decode
from persistence import Database, load_execution, load_transitions

__all__ = ["follow", "thread_config"]


def thread_config(thread_id: str) -> RunnableConfig:
    """Return LangGraph's configuration for a thread."""
    return {"configurable": {"thread_id": thread_id}}


async def follow(graph: Any, database: Database, execution_id: UUID) -> tuple[RunnableConfig, Row[Any]]:
    """Bring the thread to where the execution's row is, one superstep a transition; returns how to reach both."""
    row, moves = await database.read(lambda connection: _row_and_moves(connection, execution_id))
    config = thread_config(row.thread_id)
    known = await _known(graph, config, execution_id)
    supersteps = [[_superstep(move, row)] for move in moves if move.seq > (known or 0)]
    if supersteps:
        await graph.abulk_update_state(config, supersteps)
    return config, row


def _row_and_moves(connection: Connection, execution_id: UUID) -> tuple[Row[Any], list[Row[Any]]]:
    return load_execution(connection, execution_id), list(load_transitions(connection, execution_id))


async def _known(graph: Any, config: RunnableConfig, execution_id: UUID) -> int | None:
    """Return the number of the last transition that the stored thread follows; None where it is not this execution's.

    It is read from the checkpoint itself: a snapshot shows writes that no checkpoint holds yet.
    """
    found = await graph.checkpointer.aget_tuple(config)
    values = found.checkpoint["channel_values"] if found else {}
    if values.get("execution_id") != str(execution_id):
        return None
    seq: int = values.get("seq", 0)
    return seq


def _superstep(move: Row[Any], row: Row[Any]) -> StateUpdate:
    made = (
        FRESH | {"execution_id": str(row.id), "task": {"id": str(row.task_id)}} if move.seq == 1 else {}
    )  # the first move makes the execution
    return StateUpdate(made | decode(move.delta) | {"seq": move.seq, "status": move.to_state}, move.from_state)
