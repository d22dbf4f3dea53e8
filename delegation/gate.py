"""Where a human is asked: gates, the decisions that they allow, and the answers to them."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid4

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from delegation.plan import Plan

__all__ = ["ALLOWED_DECISIONS", "Answer", "Decision", "Gate", "GateKind", "GateStatus", "NewGate"]


class GateKind(StrEnum):
    """Why a human is needed."""

    BLOCKER = "blocker"
    ESCALATION = "escalation"
    APPROVAL = "approval"


class GateStatus(StrEnum):
    """Where a gate stands."""

    OPEN = "open"
    ANSWERED = "answered"
    WITHDRAWN = "withdrawn"


class Decision(StrEnum):
    """What a human may say to a gate; the words are LangChain's human-in-the-loop decisions."""

    APPROVE = "approve"
    EDIT = "edit"
    REJECT = "reject"
    RESPOND = "respond"


ALLOWED_DECISIONS: dict[GateKind, tuple[Decision, ...]] = {
    GateKind.BLOCKER: (Decision.RESPOND, Decision.REJECT),
    GateKind.ESCALATION: (Decision.RESPOND, Decision.APPROVE, Decision.REJECT),
    GateKind.APPROVAL: (Decision.APPROVE, Decision.EDIT, Decision.REJECT),
}
"""What each kind of gate takes as an answer. Rejecting a blocker or an escalation gives the task up."""


class Answer(BaseModel):
    """A human's answer to one gate."""

    model_config = ConfigDict(frozen=True)

    decision: Decision = Decision.RESPOND
    text: str | None = None
    next_state: str | None = Field(default=None, description="Where to go on; None means the state it came from.")
    plan: Plan | None = Field(default=None, description="With edit: the plan to use instead.")
    answered_by: str | None = None


class NewGate(BaseModel):
    """A question to a human, before it is stored."""

    model_config = ConfigDict(frozen=True)

    id: UUID = Field(default_factory=uuid4)
    kind: GateKind
    question: str = Field(min_length=1)
    reason: str = ""
    details: str = ""
    attempted_solutions: list[str] = []
    metadata: dict[str, Any] = {}
    subtask_id: str | None = None
    next_state: str | None = Field(default=None, description="Where an answer leads that names no state itself.")
    subject: str | None = Field(default=None, description="The hash of what it is about; an answer is to that alone.")
    remind_at: AwareDatetime | None = Field(default=None, description="When to remind of it, if it is still open.")
    deadline: AwareDatetime | None = Field(default=None, description="When the default answer is taken, or it is late.")
    default_answer: Answer | None = Field(default=None, description="What counts at the deadline; None: it stays open.")


class Gate(NewGate):
    """A question to a human as it is stored, with where it came from and where it stands."""

    execution_id: UUID
    origin_state: str
    allowed: list[Decision]
    reminded_at: datetime | None = None
    overdue_at: datetime | None = None
    status: GateStatus = GateStatus.OPEN
    answer: dict[str, Any] | None = None
    opened_at: datetime
    closed_at: datetime | None = None
