"""What is to be done and who does it when: requirements, subtasks, test cases, assignments."""

import json
from collections.abc import Iterable, Sequence
from enum import StrEnum
from hashlib import sha256
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr

from delegation.errors import PlanError
from delegation.reasons import Bar, Basis, Explanation, Report
from delegation.squad import MemberId, Role
from delegation.task import Priority

__all__ = [
    "Approval",
    "Assignment",
    "Cancelled",
    "Criterion",
    "Plan",
    "Requirements",
    "Schedule",
    "Subtask",
    "SubtaskKind",
    "TaskType",
    "TestCase",
    "Unassigned",
    "digest_of",
    "work_digest",
]

SubtaskId = Annotated[str, BeforeValidator(lambda value: str(value) if value is not None else value)]


class TaskType(StrEnum):
    """What kind of work a task is."""

    API_ENDPOINT = "api_endpoint"
    USER_INTERFACE = "user_interface"
    DATABASE = "database"
    BUG_FIX = "bug_fix"
    REFACTORING = "refactoring"
    TESTING = "testing"
    DOCUMENTATION = "documentation"
    DEPLOYMENT = "deployment"
    MACHINE_LEARNING = "machine_learning"
    DESIGN = "design"
    QUESTION = "question"
    GENERAL = "general"


class SubtaskKind(StrEnum):
    """What a subtask brings forth, which decides what its deliverable must show."""

    ANALYSIS = "analysis"
    DESIGN = "design"
    IMPLEMENTATION = "implementation"
    TEST = "test"
    DOCUMENTATION = "documentation"
    DEPLOYMENT = "deployment"
    ANSWER = "answer"


class Criterion(BaseModel):
    """One condition of acceptance and where it was found: nothing is invented without saying so."""

    model_config = ConfigDict(frozen=True)

    text: str
    source: Literal["stated", "text", "title"] = Field(
        description="stated: given as a criterion; text: derived from the description; title: the title holds."
    )


class Requirements(BaseModel):
    """What the project manager reads out of a task, each finding with the words that led to it."""

    model_config = ConfigDict(frozen=True)

    type: TaskType
    skills: dict[str, int] = Field(default={}, description="Skill to the level asked.")
    complexity: int = Field(ge=1, le=10)
    complexity_reasons: list[str] = []
    areas: list[str] = Field(default=[], description="backend, frontend, database, infrastructure, docs, …")
    evidence: dict[str, list[str]] = Field(
        default={}, description="Finding (such as type, area:backend or skill:sql) to the words in the text behind it."
    )
    criteria: list[Criterion] = []
    open_questions: list[str] = Field(default=[], description="Where the text is silent; they never block.")
    feedback: list[str] = Field(default=[], description="Why humans rejected earlier plans, oldest first.")


class Subtask(BaseModel):
    """One piece of work that one member does in one go.

    ``effort`` is in hours and a subtask lasts exactly that; ``skills`` maps a name to the level asked.
    """

    model_config = ConfigDict(frozen=True)

    id: SubtaskId
    title: str
    role: Role | None = Field(default=None, description="Who should do it; None takes any role.")
    skills: dict[str, int] = {}
    effort: float = 1.0
    priority: Priority = Priority.NORMAL
    deadline: float | None = Field(default=None, description="Hours from now by which it should be done.")
    depends_on: list[SubtaskId] = []
    description: str = ""
    kind: SubtaskKind = SubtaskKind.IMPLEMENTATION
    area: str | None = None
    criteria: list[str] = Field(default=[], description="Texts of the criteria that it serves.")
    estimate: tuple[float, float, float] | None = Field(default=None, description="Hours: low, likely, high.")
    excluded: list[MemberId] = Field(default=[], description="Members who must not do it.")


class TestCase(BaseModel):
    """How one criterion is checked; given, when and then are there where the text says so."""

    __test__ = False  # not a test class, whatever its name makes pytest think

    model_config = ConfigDict(frozen=True)

    id: str
    criterion: str
    given: str | None = None
    when: str | None = None
    then: str
    subtask_ids: list[str] = Field(default=[], description="The subtasks whose deliverables are checked.")


class Cancelled(BaseModel):
    """A subtask that nobody wants any more, as it was when it was cancelled."""

    model_config = ConfigDict(frozen=True)

    subtask: Subtask
    reason: str = ""


class Plan(BaseModel):
    """The breakdown of a task: subtasks with their dependencies, and the test plan."""

    model_config = ConfigDict(frozen=True)

    subtasks: list[Subtask]
    test_cases: list[TestCase] = []
    cancelled: list[Cancelled] = Field(default=[], description="What is not to be done any more: set by changes alone.")
    amends: str | None = Field(
        default=None, description="The hash of the subtasks before the first change: set by changes alone."
    )

    def digest(self) -> str:
        """Return the hash of everything in the plan: two plans that differ anywhere have different ones."""
        return digest_of(self.model_dump(mode="json"))

    def subtask(self, subtask_id: str) -> Subtask:
        """Return the subtask with that id; KeyError when the plan has none."""
        for subtask in self.subtasks:
            if subtask.id == subtask_id:
                return subtask
        raise KeyError(subtask_id)


def work_digest(subtasks: Iterable[Subtask]) -> str:
    """Return the hash of subtasks: what is approved of a plan, which changes to it go back to."""
    return digest_of({"subtasks": [one.model_dump(mode="json") for one in subtasks]})


def digest_of(plan: dict[str, Any]) -> str:
    """Return the hash of a plan as it is stored, whatever later versions know of plans."""
    text = json.dumps(plan, sort_keys=True, ensure_ascii=False)
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


class Assignment(BaseModel):
    """Who does a subtask, and from when to when, in hours from now."""

    model_config = ConfigDict(frozen=True)

    subtask_id: SubtaskId
    member_id: MemberId
    start: float
    finish: float


class Unassigned(BaseModel):
    """A subtask that nobody may do, and why."""

    model_config = ConfigDict(frozen=True)

    subtask_id: SubtaskId
    reason: str


class Schedule(BaseModel):
    """A dated assignment of subtasks to members; times are hours from now.

    One that was just made knows what it was made from, and can explain itself. That is no part of it: it is neither
    stored nor compared, and a schedule out of a database is without.
    """

    model_config = ConfigDict(frozen=True)

    _basis: Basis | None = PrivateAttr(default=None)

    assignments: list[Assignment]
    makespan: float = Field(description="When the last subtask ends; 0.0 without any.")
    critical_path: list[str] = Field(description="Ids of the longest chain of dependencies, first to last.")
    unassigned: list[Unassigned] = []

    def of(self, subtask_id: str) -> Assignment | None:
        """Return the subtask's assignment, or None where it has none."""
        return next((one for one in self.assignments if one.subtask_id == subtask_id), None)

    @property
    def elsewhere(self) -> Sequence[tuple[str, float, float]]:
        """What it was made around: when members are taken by other work, as member's id, start and finish.

        Nothing is known of that where the schedule has no basis.
        """
        return self._basis.elsewhere if self._basis is not None else ()

    def explain(self, subtask_id: str) -> Explanation:
        """Say who might have done the subtask, who does it, and why the best two others do not.

        It is worked out when asked. PlanError where the subtask is unknown, or where the schedule has no basis.
        """
        return self._known_basis().explain(self, subtask_id)

    def report(self) -> Report:
        """Return what the schedule costs, part by part; PlanError where the schedule has no basis."""
        return self._known_basis().report(self)

    def to_gantt(self) -> list[Bar]:
        """Return one row for each assignment, in the order of their start, as plain data for a chart."""
        if self._basis is not None:
            return list(self._basis.bars(self))
        critical = set(self.critical_path)
        return [
            Bar(
                subtask_id=one.subtask_id,
                title=one.subtask_id,
                member_id=one.member_id,
                member=one.member_id,
                role=None,
                start=one.start,
                finish=one.finish,
                is_critical=one.subtask_id in critical,
                priority=None,
            )
            for one in self.assignments
        ]

    def based_on(self, basis: Basis) -> Self:
        """Keep what the schedule was made from beside it, and return the schedule."""
        self._basis = basis
        return self

    def _known_basis(self) -> Basis:
        if self._basis is None:
            raise PlanError(
                "this schedule does not know what it was made from, so it cannot explain itself",
                hint="ask the one that schedule or replan returned, or make it again from the same input",
            )
        return self._basis

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Schedule):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in Schedule.model_fields)

    __hash__ = None  # type: ignore[assignment]  # it holds lists


class Approval(BaseModel):
    """The project manager's word on a proposed schedule."""

    model_config = ConfigDict(frozen=True)

    approved: bool
    reasons: list[str] = Field(default=[], description="What was checked and found, a sentence each.")
    schedule: Schedule = Field(description="The schedule as approved: the proposal, or with members swapped.")
