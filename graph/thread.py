"""The thread follows the row: at the start of every drive it is rolled forward to the log.

It works on a parked thread, inside an interrupt, in the middle of the board, and where there is no thread at all.
"""

from collections.abc import Mapping
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import CheckpointTuple
from langgraph.types import StateUpdate
from sqlalchemy import Row

from delegation import InputError
from graph.lifecycle import WorkflowState
from graph.state import FRESH, decode
from persistence import TransitionLog

_RESUME = "__resume__"
"""LangGraph's channel for answers to interrupts."""
_BEGINNING = frozenset({"__start__", f"branch:to:{WorkflowState.PENDING}"})
"""LangGraph's channels that hold something while a thread is about to begin with new input."""

__all__ = ["follow", "thread_config"]


def thread_config(thread_id: str) -> RunnableConfig:
    """Return LangGraph's configuration for a thread."""
    return {"configurable": {"thread_id": thread_id}}


async def follow(graph: Any, log: TransitionLog) -> RunnableConfig:
    """Bring the thread to where the execution's row is, one superstep a transition; returns how to reach it."""
    row = log.row
    config = base = thread_config(row.thread_id)
    if row.pruned_at is not None:
        return config  # it has ended, and its checkpoints are not made again
    found = await graph.checkpointer.aget_tuple(config)
    known, answered = _known(found, row)
    if found and (last := await _left_at(graph, found, known, log)):
        # a client's run went elsewhere and was refused: it goes on from where the execution itself was last
        known, base = last.seq - 1, _checkpoint(row.thread_id, last.checkpoint_id)
    elif answered and known == row.seq:
        known = row.seq - 1  # made again, without the answer that LangGraph kept and would hand to the next question
    supersteps = [[_superstep(move, row)] for move in log.moves if move.seq > known]
    if supersteps:
        await graph.abulk_update_state(base, supersteps)
    return config


def _known(found: CheckpointTuple | None, row: Row[Any]) -> tuple[int, bool]:
    """Return the number of the last transition that the stored thread follows, and whether an answer waits in it.

    It is read from the checkpoint itself: a snapshot shows writes that no checkpoint holds yet. A thread that is not
    this execution's follows none.
    """
    values = found.checkpoint["channel_values"] if found else {}
    if found is None or values.get("execution_id") != str(row.id) or not _follows(values, row):
        return 0, False
    return values["seq"], any(channel == _RESUME for _, channel, _ in found.pending_writes or [])


async def _left_at(graph: Any, found: CheckpointTuple, known: int, log: TransitionLog) -> Row[Any] | None:
    """Return the last move whose checkpoint is stored, where a client has led the thread away from its execution.

    That is so after new input, and after a fork from an older checkpoint; a thread that only lags behind has never
    held what came later.
    """
    starts = not _BEGINNING.isdisjoint(found.checkpoint["channel_values"])
    goes_back = found.metadata.get("source") in {"fork", "update"} and known < log.row.seq
    if not known or not (starts or goes_back):
        return None
    move: Row[Any]
    for move in reversed(log.moves):
        named = move.checkpoint_id and move.checkpoint_id != found.checkpoint["id"] and (starts or move.seq > known)
        if named and await graph.checkpointer.aget_tuple(_checkpoint(log.row.thread_id, move.checkpoint_id)):
            return move
    return None


def _checkpoint(thread_id: str, checkpoint_id: str) -> RunnableConfig:
    return {"configurable": {"thread_id": thread_id, "checkpoint_ns": "", "checkpoint_id": checkpoint_id}}


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
