"""The board while members work at it: the pure rules of ``delegation.Board``, with waiting and waking."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from uuid import UUID
from weakref import WeakValueDictionary

from delegation import Board, OutcomeStatus, Subtask

__all__ = ["Boards", "LiveBoard"]


@dataclass(eq=False)
class LiveBoard:
    """One superstep's board, shared by the members that work in it."""

    rules: Board
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    trouble: Exception | None = None
    """Why no more work can be stored, where that is so: it is raised once every member has left."""
    is_closing: bool = False

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

    async def finish(self, subtask_id: str, status: OutcomeStatus, by: str) -> str | None:
        """Record the end of a subtask; returns who takes over one that was refused, if anybody."""
        async with self.changed:
            successor = self.rules.finish(subtask_id, status, by=by)
            self.changed.notify_all()
            return successor

    async def close(self, because: Exception | None = None) -> None:
        """Let nobody take anything more; who waits may leave. What runs goes on."""
        async with self.changed:
            self.is_closing = True
            self.trouble = self.trouble or because
            self.changed.notify_all()

    def give_back(self, subtask_id: str) -> None:
        """Make a subtask that was taken but not worked ready again."""
        self.rules.release(subtask_id)


class Boards:
    """The open boards of this process; one goes away with the last member that works at it."""

    def __init__(self) -> None:
        self.troubles: dict[UUID, Exception] = {}
        """What went wrong on an execution's board, for whoever closes it."""
        self._boards: WeakValueDictionary[tuple[str, str], LiveBoard] = WeakValueDictionary()
        self._opening: dict[tuple[str, str], asyncio.Future[LiveBoard]] = {}

    async def join(self, key: tuple[str, str], build: Callable[[], Awaitable[Board]]) -> LiveBoard:
        """Return the board of that key; the first member to arrive builds it, the others wait for that."""
        if board := self._boards.get(key):
            return board
        if (opening := self._opening.get(key)) is None:
            opening = self._opening[key] = asyncio.ensure_future(self._open(key, build))
        return await asyncio.shield(opening)

    async def _open(self, key: tuple[str, str], build: Callable[[], Awaitable[Board]]) -> LiveBoard:
        try:
            board = LiveBoard(await build())
            self._boards[key] = board
            return board
        finally:
            del self._opening[key]
