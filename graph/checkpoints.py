"""Which checkpoint a step runs under, and whether one is still stored: told from the configuration of the run."""

from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.runtime import ExecutionInfo, Runtime

from delegation import ConfigurationError

__all__ = ["check_durability", "is_stored", "root_checkpoint_id", "root_task_id"]

_CHECKPOINTER, _DURABILITY = "__pregel_checkpointer", "__pregel_durability"


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


async def is_stored(config: RunnableConfig, checkpoint_id: str | None) -> bool:
    """Tell whether the run's checkpointer still has the root checkpoint of that id."""
    saver = config["configurable"].get(_CHECKPOINTER)
    if not checkpoint_id or not saver or isinstance(saver, bool):
        return False
    where = {"thread_id": config["configurable"]["thread_id"], "checkpoint_ns": "", "checkpoint_id": checkpoint_id}
    return await saver.aget_tuple({"configurable": where}) is not None
