"""What is known beyond the work at hand: past tasks of a squad, and what stands around an execution."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from delegation.outcome import OutcomeStatus
from delegation.squad import Squad

__all__ = ["Background", "DoneWork", "PastTask"]


class PastTask(BaseModel):
    """A task whose execution has ended, as a squad remembers it."""

    model_config = ConfigDict(frozen=True)

    id: int = Field(description="Its number in the squad's memory; a later task has a higher one.")
    execution_id: UUID
    title: str
    status: str = Field(description="completed or failed.")
    summary: str = Field(description="What came of it: the result's summary, or why it failed.")
    learnt: str = Field(default="", description="The lessons of that execution, a line each.")
    ended_at: datetime


class DoneWork(BaseModel):
    """How a member's newest piece of work on a subtask ended."""

    model_config = ConfigDict(frozen=True)

    subtask_id: str
    member_id: str
    status: OutcomeStatus
    note: str
    title: str | None = Field(default=None, description="The deliverable's title, where there is one.")
    interfaces: list[str] = Field(default=[], description="Routes, functions, classes and files that it names.")


class Background(BaseModel):
    """What the database knows around an execution, all of one moment."""

    model_config = ConfigDict(frozen=True)

    squad_id: UUID
    squad: Squad
    work: list[DoneWork] = Field(default=[], description="Oldest first.")
    answers: list[str] = Field(default=[], description="What humans answered, 'question: answer', oldest first.")
