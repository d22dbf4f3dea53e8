"""Driving an execution from the command line: progress while it works, and the summary that is the reply."""

import asyncio
import shlex
from argparse import Namespace
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from rich.console import Console

from delegation import ExecutionBusy
from graph.cli_output import Reply
from graph.lifecycle import WorkflowState
from graph.orchestrator import TaskOrchestrator
from graph.render import ProgressView, print_summary
from graph.render_progress import ProgressEvent
from graph.render_text import Ink
from persistence import Database, lease, utc_now

__all__ = ["AT_REST", "Desk", "drive", "summary_reply"]

AT_REST = {WorkflowState.COMPLETED: 0, WorkflowState.FAILED: 1, WorkflowState.BLOCKED: 2}
"""The states in which a drive ends by itself, with the exit status of each."""


@dataclass
class Desk:
    """What a command works with. ``execution_id`` is known once there is something to go on with."""

    args: Namespace
    database: Database
    orchestrator: TaskOrchestrator
    console: Console
    execution_id: UUID | None = None

    def say(self, line: str) -> None:
        """Tell something beside the document."""
        self.console.print(Ink.of(self.console).text(line, limit=2_000), soft_wrap=True)

    def resume_command(self) -> str:
        """Return what to type to go on."""
        where, own = self.args.db, getattr(self.args, "agents", None)
        words = [f"squad resume {self.execution_id}"]
        words += [f"--agents {shlex.quote(own)}"] if own else []
        words += [f"--db {_quoted(where)}"] if where else []
        return " ".join(words)

    async def summary(self, execution_id: UUID) -> dict[str, Any]:
        """Return the execution's summary."""
        return await self.orchestrator.get_execution_summary(execution_id)


async def drive(desk: Desk, execution_id: UUID, before: Mapping[str, Any] | None = None) -> Reply:
    """Drive the execution; a driver on another host that may be dead is waited for as long as its lease lasts."""
    try:
        await _follow(desk, execution_id, before)
    except ExecutionBusy as busy:
        if busy.until is None:
            raise
        rest = min(max((busy.until - utc_now()).total_seconds(), 0.0) + 0.1, lease.LEASE_S)
        desk.say(f"squad: {busy.message}; unless it lives, its hold ends in {rest:.0f} s: waiting for that")
        await asyncio.sleep(rest)
        await _follow(desk, execution_id, before)
    return summary_reply(await desk.summary(execution_id))


async def _follow(desk: Desk, execution_id: UUID, before: Mapping[str, Any] | None) -> None:
    """Drive once and show what happens. A signal cancels this, which leaves the stream and so drains the step."""
    try:
        with ProgressView(desk.console) as view:
            async with desk.orchestrator.stream(execution_id) as events:
                first = True
                async for event in events:
                    if first:
                        _recall(view.update, before)
                        first = False
                    view.update(event)
    except asyncio.CancelledError:
        summary = await desk.summary(execution_id)
        if summary["status"] not in AT_REST:
            raise
        # the step that was running was the last one, so nothing is left to resume
        current = asyncio.current_task()
        assert current is not None
        current.uncancel()


def _recall(update: Callable[[ProgressEvent], None], before: Mapping[str, Any] | None) -> None:
    """Show where an execution stands that is taken up again."""
    if not before or not before["subtasks"]:
        return
    subtasks = before["subtasks"]
    update(_Told("plan", {"subtasks": subtasks}))
    last = before["transitions"][-1]
    update(_Told("transition", {**last, "progress_percentage": before["progress_percentage"]}))
    for one in subtasks:
        if one["member"] and one["status"] != "pending":
            update(_Told("subtask", {"subtask_id": one["id"], "member_id": one["member"], **one}))


def summary_reply(summary: dict[str, Any], exit_status: int | None = None) -> Reply:
    """Return the reply that shows the summary; the exit status is that of where it stands, unless one is given."""
    found = AT_REST.get(WorkflowState(summary["status"]), 0)
    return Reply(summary, partial(print_summary, summary), found if exit_status is None else exit_status)


def _quoted(text: str) -> str:
    """Return the database as it can be typed again, unless it may hold a password, which is not to be shown."""
    return "…" if "@" in text else shlex.quote(text)


@dataclass(frozen=True)
class _Told:
    """Something for the progress view that was not streamed but is known from before."""

    kind: str
    data: Mapping[str, Any]
