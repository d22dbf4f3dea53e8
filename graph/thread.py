"""The thread follows the row: at the start of every drive it is rolled forward to the log.

It works on a parked thread, inside an interrupt, in the middle of the board, and where there is no thread at all.
"""

from collections.abc import Mapping
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.types import StateUpdate
from sqlalchemy import Row

from delegation import InputError
from graph.starting import FRESH
from graph.state import decode
from persistence import TransitionLog

_RESUME = "__resume__"
"""LangGraph's channel for answers to interrupts."""

__all__ = ["follow", "thread_config"]


def thread_config(thread_id: str) -> RunnableConfig:
    """Return LangGraph's configuration for a thread."""
    return {"configurable": {"thread_id": thread_id}}


async def follow(graph: Any, log: TransitionLog) -> RunnableConfig:
    """Bring the thread to where the execution's row is, one superstep a transition; returns how to reach it."""
    row = log.row
    config = thread_config(row.thread_id)
    known, answered = await _known(graph, config, row)
    if answered and known == row.seq:
        known = row.seq - 1  # made again, without the answer that LangGraph kept and would hand to the next question
    supersteps = [[_superstep(move, row)] for move in log.moves if move.seq > known]
    if supersteps:
        await graph.abulk_update_state(config, supersteps)
    return config


async def _known(graph: Any, config: RunnableConfig, row: Row[Any]) -> tuple[int, bool]:
    """Return the number of the last transition that the stored thread follows, and whether an answer waits in it.

    It is read from the checkpoint itself: a snapshot shows writes that no checkpoint holds yet. A thread that is not
    this execution's follows none.
    """
    found = await graph.checkpointer.aget_tuple(config)
    values = found.checkpoint["channel_values"] if found else {}
    if found is None or values.get("execution_id") != str(row.id) or not _follows(values, row):
        return 0, False
    return values["seq"], any(channel == _RESUME for _, channel, _ in found.pending_writes or [])


def _follows(values: Mapping[str, Any], row: Row[Any]) -> bool:
    """Tell whether a thread's values are of that execution's log, and not what a client has put there instead."""
    seq = values.get("seq")
    if not isinstance(seq, int) or not 0 < seq <= row.seq:
        return False
    try:
        decode(values)
    except InputError:
        return False
    return True


def _superstep(move: Row[Any], row: Row[Any]) -> StateUpdate:
    made = {}
    if move.seq == 1:  # the first move makes the execution
        made = FRESH | {"execution_id": str(row.id), "task": {"id": str(row.task_id)}}
    return StateUpdate(made | move.delta | {"seq": move.seq, "status": move.to_state}, move.from_state)
