"""Changes of plan and squad while members work: made between two takes, without closing the board.

What runs goes on, unless the change ends it. The board is held meanwhile, so that rows and rules say the same.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from sqlalchemy import Connection

from delegation import PlanChange, PlanError, Reassign, ReviseEstimate
from graph.board_facts import BoardFacts, read_board
from graph.board_rules import rules_of
from graph.engine import Planned
from graph.live_board import LiveBoard
from graph.rearranging import Rearrange
from graph.requests import honour_next, plan_for
from graph.step import Step
from persistence import mark_started, next_request, settled, utc_now

__all__ = ["LiveChanges"]

logger = logging.getLogger(__name__)

_LEFT = 1 / 3
"""Work that is behind is expected to take a third more than it has taken by now."""


@dataclass(frozen=True)
class LiveChanges:
    """What the board's watcher does besides closing it."""

    step: Step
    board: LiveBoard

    async def mark_begun(self) -> None:
        """Let the database know what is at work; work that ends before the watcher's first look needs no mark.

        Raises:
            MovedOn: the execution is not there any more, or somebody else drives it.
        """
        if begun := self.board.begun_since():
            await self.step.write(lambda connection: self._mark(connection, begun))

    def _mark(self, connection: Connection, begun: dict[str, datetime]) -> None:
        for subtask_id, at in begun.items():
            mark_started(connection, self.step.execution_id, subtask_id, at)

    async def make(self, *, asked: bool) -> None:
        """Make the changes that callers asked for, and those that follow from how the work goes.

        Raises:
            StaleTransition: the execution moved, or its lease was lost.
        """
        while asked:
            request = await self.step.database.read(lambda c: next_request(c, self.step.execution_id))
            if request is None or request.kind != "replan":
                break
            change = Rearrange.model_validate(request.payload)
            await self._make(self._honour, ends=await self._ended_by(change))
        for change in self._noticed():
            await self._make(partial(self._perform, change))
        for change in self._wished():
            await self._make(partial(self._perform, change))

    def _wished(self) -> Iterable[Rearrange]:
        """Return what standups have decided on, as far as the rules of the board still allow it."""
        wishes, self.board.wishes = self.board.wishes, []
        for one in wishes:
            if one.to is not None and one.to in self.board.takers(one.subtask_id):
                given = Reassign(subtask_id=one.subtask_id, member_id=one.to, reason=one.reason)
                yield Rearrange(changes=(given,), reason=one.reason)

    async def _ended_by(self, change: Rearrange) -> set[str]:
        """Return what is at work and the change would end; nothing where it is going to be refused."""
        try:
            await self.step.database.read(partial(self._plan, change=change))
        except PlanError:
            return set()
        return change.ends(self.board.rules.taken)

    async def _honour(self) -> Planned | None:
        """Honour the oldest request; None where it was refused."""
        step = self.step
        found = await honour_next(step.database, step.services.engine, step.execution_id, epoch=step.drive.epoch)
        return found.planned if found else None

    async def _perform(self, change: Rearrange) -> Planned | None:
        """Make a change that nobody asked for."""
        try:
            return await self.step.services.engine.perform(self.step.database, partial(self._plan, change=change))
        except PlanError as error:
            logger.warning("execution %s was not scheduled anew: %s", self.step.execution_id, error)
            return None

    def _plan(self, connection: Connection, *, change: Rearrange) -> Planned:
        return plan_for(connection, self.step.execution_id, change, epoch=self.step.drive.epoch)

    async def _make(self, perform: Callable[[], Awaitable[Planned | None]], *, ends: Collection[str] = ()) -> None:
        """Make a change as a whole, whatever is cancelled meanwhile: else rows and rules would say different things."""
        await settled(asyncio.ensure_future(self._made(perform, ends)))

    async def _made(self, perform: Callable[[], Awaitable[Planned | None]], ends: Collection[str]) -> None:
        async with self.board.held(ends):
            await self.mark_begun()
            if (planned := await perform()) is None:
                return
            try:
                await self.step.take_over(planned)
                await self._rebuild()
            except Exception as error:
                await self.board.close(error)  # the rules are not what is stored any more
                raise

    async def _rebuild(self) -> None:
        step, board = self.step, self.board
        since = step.since
        facts: BoardFacts = await step.database.read(
            lambda connection: read_board(connection, step.execution_id, since)
        )
        plan = step.drive.amended[1] if step.drive.amended else board.plan
        board.rules = rules_of(step, facts, plan, present=board.present, taken=board.rules.taken)
        board.facts, board.plan = facts, plan

    def _noticed(self) -> Iterable[Rearrange]:
        """Return what is to be scheduled anew since work is behind its estimate, or could not be done."""
        now = utc_now()
        revised: list[PlanChange] = []
        for subtask_id in self.board.overran(now):
            hours = (now - self.board.at_work[subtask_id].since).total_seconds() / 3600
            revised.append(ReviseEstimate(subtask_id=subtask_id, hours=round(hours * (1 + _LEFT), 6)))
        if revised:
            yield Rearrange(changes=tuple(revised), reason="behind the estimate by half")
        is_upset, self.board.is_upset = self.board.is_upset, False
        rules = self.board.rules
        if is_upset and len(rules.remaining) > len(rules.taken):
            yield Rearrange(reason="some of the work cannot go on")
