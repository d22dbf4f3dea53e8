"""What members say to one another: typed messages, the same in memory, in the database and on the wire."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid4

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Message", "MessageType"]


class MessageType(StrEnum):
    """What a message is for."""

    TASK_ASSIGNMENT = "task_assignment"
    STATUS_REQUEST = "status_request"
    STATUS_UPDATE = "status_update"
    QUESTION = "question"
    ANSWER = "answer"
    HUMAN_INTERVENTION_REQUIRED = "human_intervention_required"
    CODE_REVIEW_REQUEST = "code_review_request"
    CODE_REVIEW_RESPONSE = "code_review_response"
    TASK_COMPLETION = "task_completion"
    STANDUP = "standup"
    STATE_TRANSITION = "state_transition"
    APPROVAL = "approval"


class Message(BaseModel):
    """One message; without a ``recipient`` it goes to the whole squad."""

    model_config = ConfigDict(frozen=True)

    id: UUID = Field(default_factory=uuid4)
    execution_id: UUID | None = Field(default=None, description="The execution that it belongs to, if any.")
    sender: str = Field(description="A member's id, or the name of a part of the system.")
    recipient: str | None = Field(default=None, description="A member's id; None means everybody.")
    type: MessageType
    content: str
    metadata: dict[str, Any] = {}
    at: datetime = Field(default_factory=lambda: datetime.now(UTC))
