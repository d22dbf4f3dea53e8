"""What the graph asks of an agent: one protocol for work, and three for the judgements that some roles make.

An agent is a pure function of what it is handed: it returns what it wants said and stored, and the graph stores it.
The rule-based agents and the model-backed ones stand behind the same protocols.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from delegation import (
    Approval,
    BoardStatus,
    Deliverable,
    Finding,
    Outcome,
    OutcomeStatus,
    Plan,
    Requirements,
    Review,
    ReviewRequest,
    Role,
    Schedule,
    SquadMember,
    Standup,
    Subtask,
    Task,
    TestReport,
)

__all__ = ["Answering", "Brief", "ProjectManager", "RoleAgent", "TechLead", "Tester", "Unfinished"]


class Unfinished(BaseModel):
    """What a member had made of a subtask when its work on it ended without being done."""

    model_config = ConfigDict(frozen=True)

    member_id: str
    status: OutcomeStatus
    note: str = Field(default="", description="Why: the reason of a refusal, the question, the error.")
    deliverable: Deliverable | None = None


class Brief(BaseModel):
    """Everything that a member is handed for one subtask."""

    model_config = ConfigDict(frozen=True)

    execution_id: UUID
    task: Task
    requirements: Requirements
    plan: Plan
    subtask: Subtask
    member: SquadMember
    inputs: dict[str, Deliverable] = Field(
        default={}, description="Deliverables of the subtasks that this one depends on, by subtask id."
    )
    findings: list[Finding] = Field(default=[], description="What an earlier review or test asked to mend here.")
    answers: list[str] = Field(default=[], description="What humans answered to questions about this subtask.")
    so_far: list[Unfinished] = Field(
        default=[], description="What was made of this subtask and left undone, by whomever, oldest first."
    )
    questions: list[str] = Field(default=[], description="The question that each of the answers was to.")
    attempt: int = Field(default=1, ge=1, description="1 for the first try, one more for each rework.")

    @property
    def exchanges(self) -> list[tuple[str, str]]:
        """What humans answered, each after the question that it was to; one that nobody knows of is an empty text."""
        questions = [*self.questions, *[""] * len(self.answers)]
        return list(zip(questions, self.answers, strict=False))


@runtime_checkable
class RoleAgent(Protocol):
    """One role's agent. Any object with these two will do, a model-backed one or the user's own."""

    role: Role

    async def work(self, brief: Brief) -> Outcome:
        """Do the subtask and return how it ended; an exception counts as a failure of this subtask alone."""
        ...


@runtime_checkable
class Answering(Protocol):
    """An agent that answers its colleagues' questions, also while it works."""

    async def answer(self, question: str, brief: Brief) -> str | None:
        """Answer from what is known, or return None.

        ``brief`` is of the subtask that the question is about, with the asked member in it, and with all deliverables
        that there are so far as its inputs.
        """
        ...


@runtime_checkable
class ProjectManager(RoleAgent, Protocol):
    """The judgements that the project manager makes."""

    async def analyze(self, task: Task) -> Requirements:
        """Read the requirements out of the task's text, inventing none."""
        ...

    async def break_down(self, task: Task, requirements: Requirements) -> Plan:
        """Break the task down into subtasks that together serve every criterion."""
        ...

    async def approve(self, proposal: Schedule, plan: Plan, members: Sequence[SquadMember]) -> Approval:
        """Approve the proposed assignments, swap members with a reason, or refuse."""
        ...

    async def standup(
        self, plan: Plan, outcomes: Mapping[str, Outcome], *, board: BoardStatus | None = None
    ) -> Standup:
        """Sum up the board from its facts; ``outcomes`` is by subtask id. An agent may do without ``board``."""
        ...


@runtime_checkable
class TechLead(RoleAgent, Protocol):
    """The judgements that the tech lead makes."""

    async def assess(self, task: Task, requirements: Requirements) -> Requirements:
        """Add the technical view to the project manager's analysis: complexity and its reasons, risks as questions."""
        ...

    async def estimate(self, plan: Plan, requirements: Requirements) -> Plan:
        """Return the plan with an effort and a range for each subtask, in hours."""
        ...

    async def review(
        self,
        plan: Plan,
        requirements: Requirements,
        outcomes: Mapping[str, Outcome],
        *,
        request: ReviewRequest | None = None,
    ) -> Review:
        """Check the deliverables against plan and criteria; with ``changes_requested`` findings send subtasks back.

        ``request`` holds what the round before was sent back for: a review says for each whether it was met. An agent
        may do without it; then a finding counts as met unless it is found again.
        """
        ...


@runtime_checkable
class Tester(RoleAgent, Protocol):
    """The judgements that the tester makes."""

    async def plan_tests(self, plan: Plan, requirements: Requirements) -> Plan:
        """Return the plan with at least one test case a criterion."""
        ...

    async def execute(self, plan: Plan, outcomes: Mapping[str, Outcome]) -> TestReport:
        """Execute the test plan against the deliverables; a failure sends its subtasks back."""
        ...
