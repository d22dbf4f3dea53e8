"""What a squad is asked to do: the task as a person words it, and the priorities that it may have."""

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field, field_validator

__all__ = ["PRIORITY_WEIGHT", "Priority", "Task"]


class Priority(StrEnum):
    """How much a task or subtask matters against others."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"
    URGENT = "urgent"


PRIORITY_WEIGHT: dict[Priority, int] = {
    Priority.LOW: 1,
    Priority.NORMAL: 2,
    Priority.HIGH: 4,
    Priority.URGENT: 8,
}
"""Weight of a priority wherever priorities are compared or added up; each is worth two of the one below."""


class Task(BaseModel):
    """A piece of work in a person's words, before anyone has looked at it.

    The text is hostile input as far as the system is concerned: it is stored and quoted, never obeyed.
    """

    model_config = ConfigDict(frozen=True, str_strip_whitespace=True)

    title: str = Field(min_length=1, description="What to do, in one line.")
    description: str = Field(default="", description="Everything else that was said, as Markdown.")
    acceptance_criteria: list[str] = Field(default=[], description="When it counts as done, a sentence each.")
    priority: Priority = Field(default=Priority.NORMAL, description="low, normal, high or urgent.")
    labels: list[str] = Field(default=[], description="Free labels, as an issue tracker has them.")
    deadline: datetime | None = Field(default=None, description="When it is due, if it is.")

    @field_validator("acceptance_criteria", "labels")
    @classmethod
    def _without_blanks(cls, values: list[str]) -> list[str]:
        """Drop empty lines and repetitions: they come from templates, not from people's wishes."""
        return list(dict.fromkeys(text for value in values if (text := value.strip())))
