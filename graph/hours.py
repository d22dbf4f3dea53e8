"""Moments as hours from now: the clock for the rules of delegation, which have none.

Hours are counted in whole minutes, which is finer than any estimate, so that what was stored a moment ago keeps the
figures that it was given.
"""

from collections.abc import Iterable
from datetime import datetime

from delegation import SquadMember, Task
from delegation.windows import Span, presence
from delegation.workload import Claim, taken_by
from persistence import Elsewhere, Facts

__all__ = ["away_at", "busy_hours", "hours_between", "hours_left", "members_at"]

_MINUTES = 60


def hours_between(earlier: datetime, later: datetime) -> float:
    """Return how many hours lie between two moments, rounded down to minutes; less than 0 where the later was first."""
    return (later - earlier).total_seconds() // 60 / _MINUTES


def hours_left(task: Task, now: datetime) -> float | None:
    """Return the hours until the task is due, less than 0 where it was due already; None where it has no deadline."""
    return hours_between(now, task.deadline) if task.deadline else None


def members_at(facts: Facts, now: datetime) -> list[SquadMember]:
    """Return the squad's members with their times counted from now instead of from when the squad was stored."""
    hours = max(hours_between(facts.squad_at, now), 0.0)
    return [member.later(hours) for member in facts.squad.members]


def away_at(facts: Facts, now: datetime) -> set[str]:
    """Return the ids of the members who are on leave now, or not there yet."""
    return {member.id for member in members_at(facts, now) if presence(member)[0][0] > 0.0}


def busy_hours(elsewhere: Iterable[Elsewhere], now: datetime) -> list[Span]:
    """Return when members are taken by other executions."""
    return [span for one in elsewhere for span in taken_by(_claims(one, now), is_driven=one.is_driven)]


def _claims(elsewhere: Elsewhere, now: datetime) -> list[Claim]:
    claims = []
    for one in elsewhere.given:
        since = max(hours_between(one.at, now), 0.0)
        worked = max(hours_between(one.started_at, now), 0.0) if one.started_at else None
        claims.append(Claim(one.member_id, one.start - since, one.finish - since, worked))
    return claims
