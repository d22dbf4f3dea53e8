"""The checkpointer: LangGraph's own for SQLite, with each write committed in one hop of the database's writer.

The stock saver takes the lock in one hop of its thread and commits in another, so for that time it holds up every
other writer. What is stored, and how, stays the library's.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import aiosqlite
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    DeltaChannelHistory,
    get_checkpoint_metadata,
)
from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from sqlalchemy import Connection

from delegation import ConfigurationError
from persistence.hops import Hops

__all__ = ["OneHopSaver"]

_PUT = (
    "INSERT OR REPLACE INTO checkpoints (thread_id, checkpoint_ns, checkpoint_id, parent_checkpoint_id, type,"
    " checkpoint, metadata) VALUES (?, ?, ?, ?, ?, ?, ?)"
)
_PUT_WRITES = (
    "INSERT OR {} INTO writes (thread_id, checkpoint_ns, checkpoint_id, task_id, task_path, idx, channel, type, value)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


class OneHopSaver(AsyncSqliteSaver):
    """An ``AsyncSqliteSaver`` whose writes go through the database's one writing thread."""

    def __init__(self, conn: aiosqlite.Connection, hops: Hops, *, serde: SerializerProtocol) -> None:
        super().__init__(conn, serde=serde)
        self._hops = hops

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Store a checkpoint."""
        where = config["configurable"]
        thread_id, ns = str(where["thread_id"]), where["checkpoint_ns"]
        about = json.dumps(get_checkpoint_metadata(config, metadata), ensure_ascii=False).encode("utf-8", "ignore")
        parent = where.get("checkpoint_id")
        row = (thread_id, ns, checkpoint["id"], parent, *self.serde.dumps_typed(checkpoint), about)
        await self._hops.insert(_PUT, [row])
        return {"configurable": {"thread_id": thread_id, "checkpoint_ns": ns, "checkpoint_id": checkpoint["id"]}}

    async def aput_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        """Store what one task wrote, next to the checkpoint that it started from."""
        where = config["configurable"]
        place = (str(where["thread_id"]), str(where["checkpoint_ns"]), str(where["checkpoint_id"]), task_id, task_path)
        known = all(channel in WRITES_IDX_MAP for channel, _ in writes)
        rows = [
            (*place, WRITES_IDX_MAP.get(channel, index), channel, *self.serde.dumps_typed(value))
            for index, (channel, value) in enumerate(writes)
        ]
        statement = _PUT_WRITES.format("REPLACE" if known else "IGNORE")
        await self._hops.insert(statement, rows)

    async def adelete_thread(self, thread_id: str) -> None:
        """Delete everything that is stored of a thread."""

        def delete(connection: Connection) -> None:
            for statement in ("DELETE FROM checkpoints WHERE thread_id = ?", "DELETE FROM writes WHERE thread_id = ?"):
                connection.exec_driver_sql(statement, (str(thread_id),))

        await self._hops.write(delete)

    # The library's synchronous methods wait for an event loop; called on that loop, some of them wait for ever.

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Refuse: this checkpointer is asynchronous."""
        raise _asynchronous()

    def list(self, config: RunnableConfig | None, **_filters: Any) -> Iterator[CheckpointTuple]:
        """Refuse: this checkpointer is asynchronous."""
        raise _asynchronous()

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Refuse: this checkpointer is asynchronous."""
        raise _asynchronous()

    def put_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Refuse: this checkpointer is asynchronous."""
        raise _asynchronous()

    def delete_thread(self, thread_id: str) -> None:
        """Refuse: this checkpointer is asynchronous."""
        raise _asynchronous()

    def get_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        """Refuse: this checkpointer is asynchronous."""
        raise _asynchronous()


def _asynchronous() -> ConfigurationError:
    return ConfigurationError("this checkpointer is asynchronous", hint="use ainvoke, astream and aget_state")
