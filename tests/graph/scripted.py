"""An agent whose work is a function of the brief, with a record of what it was asked: a double for a model."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from agents import Brief
from delegation import Deliverable, Outcome, OutcomeStatus, Role
from graph.live_board import LiveBoard

Script = Callable[[Brief], Awaitable[Outcome]]


def done(brief: Brief) -> Outcome:
    """Return the outcome of work that covers all that was asked."""
    deliverable = Deliverable(
        kind="work_order", title=brief.subtask.title, body="As asked.", criteria=list(brief.subtask.criteria)
    )
    return Outcome(status=OutcomeStatus.DONE, note="done", deliverable=deliverable)


async def does_it(brief: Brief) -> Outcome:
    """Do the work at once."""
    return done(brief)


class ScriptedAgent:
    """Works by its script and keeps the briefs that it got."""

    def __init__(self, role: Role, script: Script = does_it) -> None:
        self.role = role
        self.script = script
        self.briefs: list[Brief] = []

    async def work(self, brief: Brief) -> Outcome:
        self.briefs.append(brief)
        return await self.script(brief)


class Held:
    """Work that says when it is begun, and waits to be let go."""

    def __init__(self) -> None:
        self.begun, self.go_on = asyncio.Event(), asyncio.Event()

    async def work(self, brief: Brief) -> Outcome:
        self.begun.set()
        await self.go_on.wait()
        return done(brief)


def all_roles(script: Script) -> dict[Role, ScriptedAgent]:
    """Return one scripted agent a role."""
    return {role: ScriptedAgent(role, script) for role in Role}


def board_closing(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Return an event that is set as soon as a board lets nobody take anything more."""
    is_closed, close = asyncio.Event(), LiveBoard.close

    async def closing(self: LiveBoard, because: Exception | None = None) -> None:
        await close(self, because)
        is_closed.set()

    monkeypatch.setattr(LiveBoard, "close", closing)
    return is_closed
