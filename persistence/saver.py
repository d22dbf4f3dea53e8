"""The checkpointer: LangGraph's own for SQLite, with each write committed in one hop of the database's writer.

The stock saver takes the lock in one hop of its thread and commits in another, so for that time it holds up every
other writer. What is stored, and how, stays the library's.
"""

import asyncio
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
    get_checkpoint_id,
    get_checkpoint_metadata,
)
from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.checkpoint.sqlite.utils import load_pending_writes, pending_writes_sql
from sqlalchemy import Connection

from delegation import ConfigurationError
from persistence.hops import Hops, driver_of, settled

__all__ = ["OneHopSaver"]

Statement = tuple[str, Sequence[tuple[Any, ...]]]

HOLD_S = 0.002
"""How long what a task wrote waits for a checkpoint to be stored with, in seconds."""

_PUT = (
    "INSERT OR REPLACE INTO checkpoints (thread_id, checkpoint_ns, checkpoint_id, parent_checkpoint_id, type,"
    " checkpoint, metadata) VALUES (?, ?, ?, ?, ?, ?, ?)"
)
_PUT_WRITES = (
    "INSERT OR {} INTO writes (thread_id, checkpoint_ns, checkpoint_id, task_id, task_path, idx, channel, type, value)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


_GET = (
    "SELECT checkpoint_id, parent_checkpoint_id, type, checkpoint, metadata FROM checkpoints"
    " WHERE thread_id = ? AND checkpoint_ns = ?"
)
_GET_WRITES = pending_writes_sql(has_task_path=True)


class _Held:
    """What tasks of one thread wrote, on its way into the database."""

    def __init__(self) -> None:
        self.statements: list[Statement] = []
        self.stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class OneHopSaver(AsyncSqliteSaver):
    """An ``AsyncSqliteSaver`` whose reads and writes each are one hop of the database's threads.

    What a task wrote waits a moment for the checkpoint that usually follows at once, so that both are one transaction;
    whoever stored it waits as well.
    """

    def __init__(self, conn: aiosqlite.Connection, hops: Hops, *, serde: SerializerProtocol) -> None:
        super().__init__(conn, serde=serde)
        self._hops = hops
        self._held: dict[str, _Held] = {}

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Store a checkpoint."""
        where = config["configurable"]
        thread_id, ns = str(where["thread_id"]), where.get("checkpoint_ns", "")
        about = json.dumps(get_checkpoint_metadata(config, metadata), ensure_ascii=False).encode("utf-8", "ignore")
        parent = where.get("checkpoint_id")
        row = (thread_id, ns, checkpoint["id"], parent, *self.serde.dumps_typed(checkpoint), about)
        await self._store(self._held.pop(thread_id, _Held()), (_PUT, [row]))
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
        thread_id = str(where["thread_id"])
        place = (thread_id, str(where.get("checkpoint_ns", "")), str(where["checkpoint_id"]), task_id, task_path)
        known = all(channel in WRITES_IDX_MAP for channel, _ in writes)
        rows = [
            (*place, WRITES_IDX_MAP.get(channel, index), channel, *self.serde.dumps_typed(value))
            for index, (channel, value) in enumerate(writes)
        ]
        held = self._held.get(thread_id)
        if held is None:
            held = self._held[thread_id] = _Held()
            asyncio.get_running_loop().call_later(HOLD_S, self._let_go, thread_id, held)
        held.statements.append((_PUT_WRITES.format("REPLACE" if known else "IGNORE"), rows))
        await settled(held.stored)

    def _let_go(self, thread_id: str, held: "_Held") -> None:
        if self._held.get(thread_id) is held:
            del self._held[thread_id]
            task = asyncio.ensure_future(self._store(held))
            task.add_done_callback(lambda done: done.cancelled() or done.exception())  # told to those who wait

    async def _store(self, held: "_Held", *more: Statement) -> None:
        statements = [*held.statements, *more]

        def store(connection: Connection) -> None:
            driver = driver_of(connection)
            for statement, rows in statements:
                driver.executemany(statement, rows)

        try:
            await self._hops.write(store)
        except BaseException as error:
            if not held.stored.done():
                held.stored.set_exception(error)
                held.stored.exception()  # seen, where nobody waits
            raise
        if not held.stored.done():
            held.stored.set_result(None)

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Return a checkpoint with what was written next to it: the one that is named, or the thread's newest."""
        where = config["configurable"]
        thread_id, ns = str(where["thread_id"]), where.get("checkpoint_ns", "")
        if held := self._held.pop(thread_id, None):
            await self._store(held)
        named = get_checkpoint_id(config)

        def find(connection: Connection) -> tuple[Any, list[Any]] | None:
            driver = driver_of(connection)
            newest = "AND checkpoint_id = ?" if named else "ORDER BY checkpoint_id DESC LIMIT 1"
            key = (thread_id, ns, named) if named else (thread_id, ns)
            row = driver.execute(f"{_GET} {newest}", key).fetchone()
            return row and (row, driver.execute(_GET_WRITES, (thread_id, ns, row[0])).fetchall())

        found = await self._hops.read(find)
        if not found:
            return None
        (checkpoint_id, parent_id, kind, checkpoint, metadata), writes = found
        place = {"thread_id": thread_id, "checkpoint_ns": ns}
        return CheckpointTuple(
            config if named else {"configurable": place | {"checkpoint_id": checkpoint_id}},
            self.serde.loads_typed((kind, checkpoint)),
            json.loads(metadata) if metadata is not None else {},
            {"configurable": place | {"checkpoint_id": parent_id}} if parent_id else None,
            load_pending_writes(writes, self.serde),
        )

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
