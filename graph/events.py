"""What a run tells while it works: one kind of event, the same in Python, on the terminal and in LangGraph's stream."""

from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Event", "EventKind"]

EventKind = Literal["transition", "plan", "assignment", "subtask", "message", "gate", "end"]


class Event(BaseModel):
    """Something that has happened and is stored, except that a subtask's start may be told before it is."""

    model_config = ConfigDict(frozen=True)

    kind: EventKind
    execution_id: UUID
    seq: int = Field(description="The number of the last transition when it happened.")
    at: datetime = Field(default_factory=lambda: datetime.now(UTC))
    data: dict[str, Any] = Field(default={}, description="What happened, as JSON values; the keys go with the kind.")
