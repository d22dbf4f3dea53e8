"""Standups while members work: the board's watcher notices when one is due, and it is held beside the work."""

import asyncio
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from delegation import BoardStatus, Outcome, Plan
from graph.live_board import LiveBoard
from graph.standups import Standing, hold_standup, standup_told, status_of
from graph.step import Step
from persistence import settled, utc_now

__all__ = ["LiveStandups"]

logger = logging.getLogger(__name__)

MOST_HANDED = 10
"""How many subtasks standups hand to somebody else while a board is open; each of them once."""


@dataclass(frozen=True)
class LiveStandups:
    """The standups of one board."""

    step: Step
    board: LiveBoard

    def look(self) -> None:
        """Hold a standup in a task of its own, where one is due and none is being held."""
        if self.board.aside:
            return
        now = utc_now()
        because = list(self._due(now))
        if not because:
            return
        board = self.board
        board.stood_up_at = now
        work = board.facts.of_plan(self.step.since)
        standing = Standing(
            plan=board.plan,
            board=board.rules,
            begun=min((done.started_at for done in work), default=board.opened_at),
            now=now,
            running={one: work.since for one, work in board.at_work.items()},
            estimates={one: work.hours for one, work in board.at_work.items()},
        )
        # the facts are of this moment, before anything is scheduled anew because of them
        status = status_of(self.step, standing, because=because)
        outcomes = {done.subtask_id: done.outcome for done in work}
        holding = asyncio.create_task(self._hold(board.plan, outcomes, status), name="squad-standup")
        board.aside.add(holding)
        holding.add_done_callback(board.aside.discard)

    def _due(self, now: datetime) -> Iterator[str]:
        """Yield why a standup is due: what has happened counts once, and time from the last standup on."""
        board, every = self.board, self.step.settings.standup_every_s
        if every is not None and (now - (board.stood_up_at or board.opened_at)).total_seconds() >= every:
            yield "it is time"
        for subtask_id in board.behind(now):
            yield from self._once(f"{subtask_id} is behind its estimate by half")
        if board.has_ended_since():
            stuck = board.rules.stuck
            for subtask in board.plan.subtasks:
                if subtask.id in stuck and not stuck.keys() & set(subtask.depends_on):
                    yield from self._once(f"{subtask.id} cannot go on")

    def _once(self, event: str) -> Iterator[str]:
        if event not in self.board.told:
            self.board.told.add(event)
            yield event

    async def _hold(self, plan: Plan, outcomes: Mapping[str, Outcome], status: BoardStatus) -> None:
        """Hold the standup, keep and tell it, and wish for what it decides; the work goes on whatever becomes of it."""
        try:
            standup = await hold_standup(self.step, plan, outcomes, status)
            await settled(asyncio.ensure_future(self.step.say([standup_told(self.step, standup)])))
        except Exception:  # the round's last standup meets the same trouble, and what is raised there counts
            logger.exception("a standup of execution %s could not be held", self.step.execution_id)
            return
        handed = self.board.handed
        for action in standup.actions:
            is_new = action.subtask_id not in handed and len(handed) < MOST_HANDED
            if action.kind == "reassign" and is_new:
                handed.add(action.subtask_id)
                self.board.wishes.append(action)
