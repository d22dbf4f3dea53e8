"""A standup: the board's facts are worked out, the project manager sums them up, and both are kept as a message."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from delegation import Board, BoardStatus, Message, MessageType, Outcome, Plan, Role, Standup, board_status
from graph.consulting import consult
from graph.groundwork import speaker_for
from graph.hours import hours_left
from graph.step import Step
from persistence import utc_now

__all__ = ["Standing", "hold_standup", "standup_told", "status_of"]


@dataclass(frozen=True)
class Standing:
    """A board at one moment: its rules, and what the clock says."""

    plan: Plan
    board: Board
    begun: datetime | None
    """When the plan's work began; None where it has not."""
    now: datetime
    running: Mapping[str, datetime] = field(default_factory=dict)
    """Since when each subtask is at work that is."""
    estimates: Mapping[str, float] = field(default_factory=dict)
    """How many hours those were estimated at when they were begun."""


def status_of(step: Step, standing: Standing, *, because: Collection[str] = ()) -> BoardStatus:
    """Work out how the board stands; ``because`` is what the standup is held for."""
    now = standing.now
    return board_status(
        standing.board,
        standing.plan,
        step.facts.squad.members,
        running={one: _hours(since, now) for one, since in standing.running.items()},
        estimates=standing.estimates,
        elapsed=_hours(standing.begun, now) if standing.begun else 0.0,
        hours_to_deadline=hours_left(step.facts.task, utc_now()),
        because=because,
    )


async def hold_standup(step: Step, plan: Plan, outcomes: Mapping[str, Outcome], status: BoardStatus) -> Standup:
    """Have the project manager sum up how the board stands; the facts in it are the board's, whatever is said of them.

    Raises:
        AgentFailed: it failed to.
    """
    manager, offered = step.roster.project_manager, {"board": status}
    found = await consult(step, manager, "standup", plan, outcomes, returns=Standup, offered=offered)
    known = {subtask.id for subtask in plan.subtasks}
    actions = [one for one in found.actions if one.subtask_id in known]
    return found.model_copy(update={"status": status, "actions": actions})


def standup_told(step: Step, standup: Standup) -> Message:
    """Return the standup as it is told to everybody, its facts and actions in the metadata."""
    return Message(
        execution_id=step.execution_id,
        sender=speaker_for(step.facts.squad.members, Role.PROJECT_MANAGER),
        type=MessageType.STANDUP,
        content=standup.summary,
        metadata=standup.model_dump(mode="json", exclude={"summary"}),
    )


def _hours(since: datetime, now: datetime) -> float:
    return max((now - since).total_seconds(), 0.0) / 3600
