"""A member's context: labelled parts, most useful first, that together keep to a budget."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["ContextKind", "ContextPart", "MemberContext", "Purpose"]


class ContextKind(StrEnum):
    """What a part of a context tells of."""

    TASK = "task"
    DECISIONS = "decisions"
    CONVERSATION = "conversation"
    WORK = "work"
    SQUAD = "squad"
    FILES = "files"
    LESSONS = "lessons"
    SIMILAR_TASKS = "similar_tasks"


class Purpose(StrEnum):
    """What a member is about to do, which decides what helps most."""

    ANALYSIS = "analysis"
    IMPLEMENTATION = "implementation"
    REVIEW = "review"


class ContextPart(BaseModel):
    """One kind of knowledge, line by line; a line may hold anybody's words, so whoever shows it marks it as data."""

    model_config = ConfigDict(frozen=True)

    kind: ContextKind
    title: str = Field(description="The heading for readers.")
    lines: list[str] = Field(description="Each one fact, in the order in which they should be read.")


class MemberContext(BaseModel):
    """What fitted into the budget, each part in the order in which it should be read."""

    model_config = ConfigDict(frozen=True)

    task: str = Field(default="", description="Title, acceptance criteria, then as much of the description as fits.")
    decisions: list[str] = Field(default=[], description="Remembered facts and humans' answers, oldest first.")
    conversation: list[str] = Field(default=[], description="'sender (type): content', oldest first.")
    parts: list[ContextPart] = Field(default=[], description="Everything that there is room for, most useful first.")
    omitted: int = Field(default=0, description="Lines of any part that found no room.")
    shortened: bool = Field(default=False, description="Whether the task's text had to be cut.")

    @property
    def text(self) -> str:
        """The whole context as one text."""
        return "\n".join(line for part in self.parts for line in part.lines)
