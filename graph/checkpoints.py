"""Which checkpoint a step runs under, and what is stored of its thread: told from the configuration of the run."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver, CheckpointTuple
from langgraph.runtime import ExecutionInfo, Runtime
from sqlalchemy import Row

from delegation import ConfigurationError, InputError

__all__ = [
    "board_checkpoint",
    "check_addressed",
    "check_durability",
    "forked_from_checkpoints",
    "goes_back",
    "has_gone_beyond",
    "root_checkpoint_id",
    "root_task_id",
    "who_left",
]

_CHECKPOINTER, _DURABILITY = "__pregel_checkpointer", "__pregel_durability"
_RESUMING, _REPLAY = "__pregel_resuming", "__pregel_replay_state"
_MADE_BY_GOING_BACK = frozenset({"fork", "update"})


def check_durability(config: RunnableConfig, runtime: Runtime[Any]) -> None:
    """Refuse a run whose steps could not be found again after a crash."""
    where = config["configurable"]
    if where.get(_DURABILITY) == "exit":
        raise ConfigurationError(
            "durability='exit' loses the thread when the process dies", hint="leave durability out, or use 'sync'"
        )
    if not where.get(_CHECKPOINTER) and runtime.server_info is None:
        raise ConfigurationError(
            "the graph was built without a checkpointer, so nothing of a run could be resumed",
            hint="build_graph(database.checkpointer, database=database)",
        )


def check_addressed(config: RunnableConfig) -> None:
    """Refuse a run that is to go on from a checkpoint inside the board: LangGraph would begin the whole board again.

    The map names each graph's checkpoint down to this step's; another graph's in it is one that the client named.
    """
    where = config["configurable"]
    above: dict[str, str] = where.get("checkpoint_map") or {}
    here = where.get("checkpoint_ns") or ""
    if any(not here.startswith(ns) for ns in above):
        raise InputError(
            "a run cannot go on from a checkpoint inside the board",
            hint="name a checkpoint of the thread itself, such as the one before 'in_progress'",
        )


def root_checkpoint_id(config: RunnableConfig, runtime: Runtime[Any]) -> str | None:
    """Return the id of the root graph's checkpoint that this step runs under, also inside the board's graph."""
    above: dict[str, str] = config["configurable"].get("checkpoint_map") or {}
    info = runtime.execution_info
    return above.get("") or (info.checkpoint_id if info else None)


def root_task_id(info: ExecutionInfo) -> str:
    """Return the id of the root graph's task that a step is part of: its own, or that of the board as a whole.

    The board makes one move. Its own tasks may come back under other ids, where its graph's checkpoints were lost and
    the root's were not.
    """
    return info.checkpoint_ns.split("|", 1)[0].rpartition(":")[2] or info.task_id


async def has_gone_beyond(
    config: RunnableConfig, root: str | None, execution_id: UUID, seq: int, later: Iterable[Row[Any]]
) -> bool:
    """Tell whether the thread has ever held more of the execution than this step, which follows transition ``seq``.

    Then the step is one of a fork, or of a thread that was led elsewhere. If not, what came ``later`` was lost with
    its process. A root checkpoint that a later move was made under tells, and so does the newest one of the thread.
    """
    newest = await _find(config)
    if newest is not None and newest.checkpoint["id"] != root:
        values = newest.checkpoint["channel_values"]
        if values.get("execution_id") == str(execution_id) and (values.get("seq") or 0) > seq:
            return True
    for move in later:
        if move.checkpoint_id and move.checkpoint_id != root and await _find(config, move.checkpoint_id):
            return True
    return False


def goes_back(config: RunnableConfig) -> bool:
    """Tell whether the run's client named the checkpoint to go on from."""
    where = config["configurable"]
    return where.get(_REPLAY) is not None and bool(where.get(_RESUMING, True))


async def forked_from_checkpoints(config: RunnableConfig, root: str | None) -> list[str]:
    """Return the root checkpoints that this step's own was forked from, nearest first; none where it was not."""
    found: list[str] = []
    here = await _find(config, root)
    if here is None and goes_back(config):  # the fork's own checkpoint is still on its way into the checkpointer
        here = await _find(config, config["configurable"][_REPLAY].checkpoint_id)
        found += [here.checkpoint["id"]] if here else []
    while here is not None and here.metadata.get("source") in _MADE_BY_GOING_BACK and here.parent_config:
        found.append(here.parent_config["configurable"]["checkpoint_id"])
        here = await _find(config, found[-1])
    return found


def board_checkpoint(config: RunnableConfig) -> tuple[str, str]:
    """Return namespace and id of the board graph's checkpoint, which all turns of one opening share."""
    above: dict[str, str] = config["configurable"].get("checkpoint_map") or {}
    return next(reversed(above.items()), ("", ""))


async def who_left(config: RunnableConfig) -> set[str]:
    """Return the members whose turn at this opening ended in an earlier drive: LangGraph does not run theirs again."""
    ns, checkpoint_id = board_checkpoint(config)
    found = await _find(config, checkpoint_id, ns)
    writes = found.pending_writes or [] if found else []
    return {member_id for _, channel, value in writes if channel == "left" for member_id in value or []}


async def _find(config: RunnableConfig, checkpoint_id: str | None = None, ns: str = "") -> CheckpointTuple | None:
    """Return the checkpoint of that id, or the newest one, from the run's own checkpointer; the root's unless named."""
    saver: BaseCheckpointSaver[Any] | bool | None = config["configurable"].get(_CHECKPOINTER)
    if not saver or isinstance(saver, bool):
        return None
    where = {"thread_id": config["configurable"]["thread_id"], "checkpoint_ns": ns}
    return await saver.aget_tuple({"configurable": where | ({"checkpoint_id": checkpoint_id} if checkpoint_id else {})})
