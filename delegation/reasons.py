"""Why a schedule is as it is, as data: what was weighed, what came of it, and who lost a subtask for which reason."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, TypedDict

from pydantic import BaseModel, ConfigDict, Field

from delegation.squad import Role
from delegation.task import Priority

if TYPE_CHECKING:
    from delegation.plan import Schedule

__all__ = ["Alternative", "Bar", "Basis", "Candidate", "Explanation", "Report", "Weights"]


class Weights(BaseModel):
    """How much else counts beside the end of a plan: ``cost = makespan * (1 + the weighted parts)``, each part 0 to 1.

    A part of 1 at a weight of 0.01 is worth a hundredth of the makespan. The defaults for lateness and balance are so
    small that they choose among plans which end at almost the same time; 0 leaves a part out.
    """

    model_config = ConfigDict(frozen=True)

    lateness: float = Field(default=0.001, ge=0.0, allow_inf_nan=False)
    balance: float = Field(default=0.0005, ge=0.0, allow_inf_nan=False)
    stability: float = Field(
        default=0.5, ge=0.0, allow_inf_nan=False, description="Counts in a new plan for an old one."
    )


class Report(BaseModel):
    """What a schedule costs, part by part."""

    model_config = ConfigDict(frozen=True)

    cost: float = Field(description="Hours: the makespan, and what the other parts add to it.")
    makespan: float = Field(description="Hours until the last subtask ends.")
    lower_bound: float = Field(description="No schedule can end before these hours.")
    lateness: float = Field(
        description="Weighted mean of the hours after the deadline or, for high and urgent subtasks without one, after "
        "the earliest finish that dependencies allow; as a part of the makespan, 0 to 1."
    )
    balance: float = Field(
        description="Coefficient of variation of the hours for each hand, work elsewhere included, among the members "
        "who may do any of the work; 0 where all have the same."
    )
    moved: float = Field(description="Part of the subtasks planned before that changed hands, 0 to 1.")
    late: list[str] = Field(default=[], description="Ids of the subtasks that end after their deadline.")
    weights: Weights


class Candidate(BaseModel):
    """A member who may do the subtask, and what speaks for it."""

    model_config = ConfigDict(frozen=True)

    member_id: str
    chosen: bool
    stand_in: int = Field(description="0 where it holds the role that is asked, else its rank among the stand-ins.")
    specialist: bool = Field(description="Whether its specialisation is what the subtask asks for.")
    skills: dict[str, int] = Field(default={}, description="Its levels in the skills that are asked.")
    hours: float = Field(description="Its work in this plan, this subtask included where it was chosen.")
    finish: float = Field(description="When it could have finished at best, all else in the plan staying as it is.")


class Alternative(BaseModel):
    """One of the members who came next, and why it was not chosen."""

    model_config = ConfigDict(frozen=True)

    member_id: str
    reason: str


class Explanation(BaseModel):
    """Why a subtask is with whom it is, or with nobody."""

    model_config = ConfigDict(frozen=True)

    subtask_id: str
    text: str = Field(description="All of it in words.")
    chosen: str | None = Field(description="The member's id; None where nobody does it.")
    candidates: list[Candidate] = Field(default=[], description="Who may do it: the chosen one, then the best.")
    alternatives: list[Alternative] = Field(default=[], description="The best two of those who were not chosen.")


class Bar(TypedDict):
    """One row of a Gantt chart; what a schedule out of a database does not know is None or the id."""

    subtask_id: str
    title: str
    member_id: str
    member: str
    role: Role | None
    start: float
    finish: float
    is_critical: bool
    priority: Priority | None


class Basis(Protocol):
    """What a schedule was made from, kept beside it, so that questions can be answered when they are asked."""

    @property
    def elsewhere(self) -> Sequence[tuple[str, float, float]]:
        """When members were taken by other work: member's id, start and finish in hours from then."""

    def explain(self, schedule: "Schedule", subtask_id: str) -> Explanation:
        """Say why the subtask is where it is; PlanError where there is no such subtask."""

    def report(self, schedule: "Schedule") -> Report:
        """Return what the schedule costs."""

    def bars(self, schedule: "Schedule") -> Sequence[Bar]:
        """Return the schedule as rows of a chart."""
