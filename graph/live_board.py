"""The board while members work at it: the pure rules of ``delegation.Board``, with waiting and waking."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import UUID
from weakref import WeakValueDictionary

from delegation import Board, Plan, Requirements, Subtask
from graph.board_facts import BoardFacts
from persistence import Done

__all__ = ["Boards", "LiveBoard", "Opening", "Wish"]

Wish = Literal["go on", "close", "cancel"]
"""What callers want of a board: to go on, to start nothing more, or to end what runs as well."""

BoardKey = tuple[str, str, int]
"""Namespace and id of the checkpoint that a board was opened at, and the lease of the drive that works at it: one that
failed may be kept alive by its error, and the next drive starts from the same checkpoint."""

logger = logging.getLogger(__name__)

WATCH_S = 0.2
"""How often callers' requests are looked for while members work, in seconds."""


@dataclass(frozen=True)
class Opening:
    """What was found when the board was opened, under which lease, at which transition and in which round."""

    epoch: int
    seq: int
    round: int
    facts: BoardFacts
    plan: Plan
    requirements: Requirements


@dataclass(eq=False)
class LiveBoard:
    """One superstep's board, shared by the members that work in it."""

    rules: Board
    facts: BoardFacts
    plan: Plan
    requirements: Requirements
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    trouble: Exception | None = None
    """Why no more work can be stored, where that is so: it is raised once every member has left."""
    is_closing: bool = False
    lanes: set[asyncio.Task[None]] = field(default_factory=set)
    """The work in progress, which a cancellation ends."""
    begun: dict[str, datetime] = field(default_factory=dict)
    """When what is at work was begun, as far as the database has not been told."""
    _attending: int = 0
    _watcher: asyncio.Task[None] | None = None

    async def next(self, member_id: str) -> Subtask | None:
        """Wait for the member's next ready subtask and take it; None when the member may leave."""
        async with self.changed:
            while not self.is_closing:
                if (subtask := self.rules.take(member_id)) is not None:
                    return subtask
                if self.rules.may_leave(member_id):
                    return None
                await self.changed.wait()
        return None

    async def finish(self, done: Done) -> str | None:
        """Record the end of a subtask; returns who takes over one that was refused, if anybody."""
        subtask_id, status, by = done.subtask_id, done.outcome.status, done.member_id
        async with self.changed:
            self.facts.work.append(done)
            successor = self.rules.finish(subtask_id, status, by=by)
            self.changed.notify_all()
            return successor

    async def close(self, because: Exception | None = None) -> None:
        """Let nobody take anything more; who waits may leave. What runs goes on."""
        async with self.changed:
            self.is_closing = True
            self.trouble = self.trouble or because
            self.changed.notify_all()

    @asynccontextmanager
    async def attended(self, asked: Callable[[], Awaitable[Wish]]) -> AsyncIterator[None]:
        """Take part in the board; while anybody does, one watcher looks at what callers ``asked`` meanwhile."""
        self._attending += 1
        if self._watcher is None:
            self._watcher = asyncio.create_task(self._watch(asked), name="squad-board-watcher")
        try:
            yield
        finally:
            self._attending -= 1
            if not self._attending:
                self._watcher.cancel()
                self._watcher = None

    async def _watch(self, asked: Callable[[], Awaitable[Wish]]) -> None:
        while True:  # until nobody attends any more: a cancellation may come after a first wish to close
            await asyncio.sleep(WATCH_S)
            try:
                wish = await asked()
            except Exception:  # the database's trouble, say: the next look may fare better, and nobody else looks
                logger.exception("the board's watcher could not look for requests")
                continue
            if wish != "go on":
                await self.close()
            if wish == "cancel":
                for lane in self.lanes:
                    lane.cancel()

    def begun_since(self) -> dict[str, datetime]:
        """Return what was begun since the last call and is still at work."""
        begun, self.begun = self.begun, {}
        return {subtask_id: at for subtask_id, at in begun.items() if subtask_id in self.rules.taken}

    def give_back(self, subtask_id: str) -> None:
        """Make a subtask that was taken but not worked ready again."""
        self.rules.release(subtask_id)


class Boards:
    """The open boards of this process; one goes away with the last member that works at it."""

    def __init__(self) -> None:
        self.troubles: dict[UUID, tuple[int, Exception]] = {}
        """What went wrong on an execution's board, and under which lease, for the drive that closes it."""
        self.openings: dict[UUID, Opening] = {}
        """What an execution's board was opened with, for the first member to arrive: it need not read it again."""
        self._boards: WeakValueDictionary[BoardKey, LiveBoard] = WeakValueDictionary()
        self._opening: dict[BoardKey, asyncio.Future[LiveBoard]] = {}

    async def join(self, key: BoardKey, build: Callable[[], Awaitable[LiveBoard]]) -> LiveBoard:
        """Return the board of that key; the first member to arrive builds it, the others wait for that."""
        if board := self._boards.get(key):
            return board
        if (opening := self._opening.get(key)) is None:
            opening = self._opening[key] = asyncio.ensure_future(self._open(key, build))
        return await asyncio.shield(opening)

    async def _open(self, key: BoardKey, build: Callable[[], Awaitable[LiveBoard]]) -> LiveBoard:
        try:
            board = await build()
            self._boards[key] = board
            return board
        finally:
            del self._opening[key]
