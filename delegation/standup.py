"""A standup: how the board stands, as facts, and the project manager's account of that."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from delegation.review import Severity
from delegation.squad import Role

__all__ = [
    "BoardBlocker",
    "BoardStatus",
    "Doing",
    "MemberStatus",
    "Risk",
    "Standup",
    "StandupAction",
    "Velocity",
]


class Doing(BaseModel):
    """A subtask at work: how many hours it has taken so far, and how many it was estimated at."""

    model_config = ConfigDict(frozen=True)

    subtask_id: str
    title: str
    elapsed: float
    estimate: float
    is_behind: bool


class MemberStatus(BaseModel):
    """What one member has done, is doing, does next, and where it is blocked."""

    model_config = ConfigDict(frozen=True)

    member_id: str
    role: Role
    done: list[str] = []
    doing: list[Doing] = []
    next: list[str] = Field(default=[], description="The first few that it has before it, in the plan's order.")
    blocked: list[str] = []


class BoardBlocker(BaseModel):
    """A subtask that stands in its own way, and what waits for it."""

    model_config = ConfigDict(frozen=True)

    subtask_id: str
    member_id: str | None
    severity: Severity = Field(description="high: most of what is left waits for it; low: nothing does.")
    reason: str
    waiting: int = Field(default=0, description="How many subtasks wait for it, directly or not.")


class Risk(BaseModel):
    """What may come too late, or not at all."""

    model_config = ConfigDict(frozen=True)

    subtask_id: str | None = Field(description="None where it is the whole task.")
    reason: str


class Velocity(BaseModel):
    """How much is done, and how fast. ``pace`` is done hours of estimate in an hour; None where that is too early."""

    model_config = ConfigDict(frozen=True)

    subtasks_done: int
    subtasks: int
    hours_done: float
    hours_left: float
    elapsed: float = Field(description="Hours since the round's work began, to a hundredth.")
    pace: float | None = None


class BoardStatus(BaseModel):
    """How a board stands, by its facts alone. Times are hours."""

    model_config = ConfigDict(frozen=True)

    because: list[str] = Field(default=[], description="What the standup is held for; none: the round is over.")
    members: list[MemberStatus]
    velocity: Velocity
    blockers: list[BoardBlocker] = []
    needs_help: dict[str, str] = Field(default={}, description="Members that need help, with the reason.")
    at_risk: list[Risk] = []
    takers: dict[str, list[str]] = Field(
        default={},
        description="For each subtask that waits behind a member that is behind: who else may take it, best first.",
    )


class StandupAction(BaseModel):
    """What a standup decides. A ``reassign`` is carried out where the board's rules allow it; the rest is advice."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["reassign", "ask_human", "split"]
    subtask_id: str
    to: str | None = Field(default=None, description="With reassign: the member that takes over.")
    reason: str = Field(min_length=1)


class Standup(BaseModel):
    """The project manager's account of the board, from the board's facts."""

    model_config = ConfigDict(frozen=True)

    summary: str
    blockers: list[str] = []
    actions: list[StandupAction] = []
    status: BoardStatus | None = Field(default=None, description="The facts; whoever sums them up cannot change them.")
