"""The board while members work at it: the pure rules of ``delegation.Board``, with waiting and waking."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID
from weakref import WeakValueDictionary

from delegation import Board, OutcomeStatus, Plan, Requirements, StandupAction, Subtask
from delegation.board_status import BEHIND
from graph.board_facts import BoardFacts
from persistence import Done, utc_now

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


@dataclass
class AtWork:
    """Work on a subtask: in which task, since when, and for how many hours by its estimate."""

    task: asyncio.Task[Any]
    since: datetime
    hours: float
    is_noticed: bool = False
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def is_overdue(self, now: datetime) -> bool:
        """Tell whether it is behind, and nobody has noticed yet."""
        return not self.is_noticed and self.is_behind(now)

    def is_behind(self, now: datetime) -> bool:
        """Tell whether it takes half as long again as it was estimated, where it was estimated at all."""
        return 0 < self.hours * BEHIND * 3600 <= (now - self.since).total_seconds()


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
    team: Collection[str] = ()
    """Whose turn it is in this opening."""
    hands: dict[str, int] = field(default_factory=dict)
    """How many lanes each member that has come still has at the board."""
    at_work: dict[str, AtWork] = field(default_factory=dict)
    """What is at work, by subtask id."""
    is_upset: bool = False
    """Whether something could not be done since the rest was last scheduled."""
    opened_at: datetime = field(default_factory=utc_now)
    stood_up_at: datetime | None = None
    """When the last standup was held on it."""
    told: set[str] = field(default_factory=set)
    """What standups have been held for."""
    handed: set[str] = field(default_factory=set)
    """The subtasks that standups gave to somebody else."""
    wishes: list[StandupAction] = field(default_factory=list)
    """What standups decided on, for the watcher to carry out."""
    aside: set[asyncio.Task[None]] = field(default_factory=set)
    """What goes on beside the work, and ends with it."""
    _ended: int = 0
    _let_go: set[str] = field(default_factory=set)
    _is_held: bool = False
    _storing: int = 0
    _still: asyncio.Event = field(default_factory=asyncio.Event)
    _thawed: asyncio.Event = field(default_factory=asyncio.Event)
    _attending: int = 0
    _watcher: asyncio.Task[None] | None = None

    def __post_init__(self) -> None:
        """Take what had ended before for known."""
        self._ended = len(self.facts.work)

    async def next(self, member_id: str) -> Subtask | None:
        """Wait for the member's next ready subtask and take it; None when the member may leave."""
        async with self.changed:
            while not self.is_closing:
                if not self._is_held:
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
            if subtask_id not in self.rules:
                return None  # it was cancelled while its end was being stored
            self.facts.work.append(done)
            self.is_upset = self.is_upset or status in {OutcomeStatus.BLOCKED, OutcomeStatus.FAILED}
            successor = self.rules.finish(subtask_id, status, by=by)
            self.changed.notify_all()
            return successor

    async def close(self, because: Exception | None = None) -> None:
        """Let nobody take anything more; who waits may leave. What runs goes on."""
        async with self.changed:
            self.is_closing = True
            self.trouble = self.trouble or because
            self.changed.notify_all()

    @contextmanager
    def working(self, subtask: Subtask) -> Iterator[None]:
        """Say that this task works on the subtask, and when."""
        task = asyncio.current_task()
        assert task is not None
        now = utc_now()
        self.begun[subtask.id] = now
        work = self.at_work[subtask.id] = AtWork(task, now, subtask.effort)
        try:
            yield
        finally:
            if self.at_work.get(subtask.id) is work:  # and not yet whoever takes over what was refused
                del self.at_work[subtask.id]
            work.ended.set()

    @asynccontextmanager
    async def storing(self) -> AsyncIterator[None]:
        """Store an end of a subtask, and let the board know, once the board is not held."""
        while self._is_held and not self._thawed.is_set():
            await self._thawed.wait()
        self._storing += 1
        try:
            yield
        finally:
            self._storing -= 1
            self._still.set()

    @asynccontextmanager
    async def held(self, ends: Collection[str] = ()) -> AsyncIterator[None]:
        """Hold the board as it is: nobody takes anything, nothing is stored. The work named is ended before."""
        self._is_held = True
        self._thawed.set()
        try:
            await self._end_work(ends)
            self._thawed.clear()
            while self._storing:
                self._still.clear()
                await self._still.wait()
            yield
        finally:
            self._is_held = False
            self._thawed.set()
            async with self.changed:
                self.changed.notify_all()

    async def _end_work(self, ends: Collection[str]) -> None:
        for work in (concerned := [self.at_work[one] for one in ends if one in self.at_work]):
            work.task.cancel()
        self._let_go = {one for one in ends if one in self.at_work}
        for work in concerned:
            await work.ended.wait()

    def was_let_go(self, subtask_id: str) -> bool:
        """Tell whether the running task was cancelled for the sake of the board alone; then it may go on."""
        task = asyncio.current_task()
        if subtask_id not in self._let_go or task is None:
            return False
        self._let_go.discard(subtask_id)
        return task.uncancel() == 0

    @property
    def present(self) -> set[str]:
        """Who is still to come, or is here and has not left."""
        return {one for one in self.team if self.hands.get(one, 1) > 0}

    def overran(self, now: datetime) -> list[str]:
        """Return what has been at work for half as long again as it was estimated, each once for an estimate."""
        late = [one for one, work in self.at_work.items() if work.is_overdue(now)]
        for one in late:
            self.at_work[one].is_noticed = True
        return late

    def takers(self, subtask_id: str) -> list[str]:
        """Return who may take a subtask over now, best first; nobody one that has been cancelled meanwhile."""
        known = any(subtask.id == subtask_id for subtask in self.plan.subtasks)
        return self.rules.takers(subtask_id) if known else []

    def behind(self, now: datetime) -> list[str]:
        """Return what is behind its estimate by half."""
        return [one for one, work in self.at_work.items() if work.is_behind(now)]

    def has_ended_since(self) -> bool:
        """Tell whether any work has ended since this was last asked."""
        before, self._ended = self._ended, len(self.facts.work)
        return before != self._ended

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
                watcher, self._watcher = self._watcher, None
                ending = [watcher, *self.aside]
                for task in ending:
                    task.cancel()
                await asyncio.wait(ending)  # it may be amid a change, which is made as a whole

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
