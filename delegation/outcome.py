"""What comes back from work and from testing it: deliverables, outcomes, reports."""

import shlex
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from delegation.message import Message
from delegation.review import Finding

__all__ = ["CodeChange", "Deliverable", "Outcome", "OutcomeStatus", "TestReport", "TestResult", "TestRun"]


class OutcomeStatus(StrEnum):
    """How work on a subtask ended."""

    DONE = "done"
    REFUSED = "refused"
    BLOCKED = "blocked"
    FAILED = "failed"


class CodeChange(BaseModel):
    """What a subtask changed in the repository, as one commit on the execution's branch."""

    model_config = ConfigDict(frozen=True)

    commit: str = Field(description="The commit's full id.")
    files: list[str] = Field(description="Paths of the files that it touches, from the repository's top.")
    insertions: int = Field(ge=0, description="Lines added; binary files count none.")
    deletions: int = Field(ge=0, description="Lines removed.")


class Deliverable(BaseModel):
    """What a subtask brought forth: a document, with what it claims to cover so that a review can trace it."""

    model_config = ConfigDict(frozen=True)

    kind: str = Field(description="work_order, test_plan, documentation, design, answer, …")
    title: str
    body: str = Field(description="The text itself, as Markdown.")
    criteria: list[str] = Field(default=[], description="Texts of the criteria that it addresses.")
    interfaces: list[str] = Field(default=[], description="Routes, functions, classes, files named in the task.")
    open_questions: list[str] = []
    change: CodeChange | None = Field(
        default=None, description="What it changed in the repository, where there is one."
    )


class Outcome(BaseModel):
    """The end of one member's work on one subtask."""

    model_config = ConfigDict(frozen=True)

    status: OutcomeStatus
    note: str = Field(default="", description="What happened: the summary, the reason of a refusal, the error.")
    deliverable: Deliverable | None = Field(
        default=None, description="What was made; of a refusal, what was made so far: whoever takes over is handed it."
    )
    question: str | None = Field(default=None, description="What a human must answer, where it is blocked.")
    messages: list[Message] = Field(default=[], description="What the member says meanwhile; stored with the outcome.")


class TestResult(BaseModel):
    """One test case, executed, with the evidence named as what it is."""

    __test__ = False  # not a test class, whatever its name makes pytest think

    model_config = ConfigDict(frozen=True)

    case_id: str
    criterion: str
    passed: bool
    evidence: str


class TestRun(BaseModel):
    """One run of the project's own test command: what was run on which commit, and how it ended."""

    __test__ = False  # not a test class, whatever its name makes pytest think

    model_config = ConfigDict(frozen=True)

    command: list[str]
    commit: str
    passed: bool
    status: int = Field(description="The exit status; 128 and the signal's number where one ended it.")
    reason: str | None = Field(default=None, description="The limit that ended it: time, memory, processes, output.")
    duration_s: float
    output: str = Field(description="The end of what it printed.")
    containment: str = Field(description="What kept the command from the rest of the machine.")

    def told(self) -> str:
        """Return the run in a line."""
        ended = f"was ended by the limit of {self.reason}" if self.reason else f"ended with exit status {self.status}"
        return f"`{shlex.join(self.command)}` {ended} on commit {self.commit[:12]}, after {self.duration_s:.1f} s"


class TestReport(BaseModel):
    """The test plan, executed against the deliverables."""

    __test__ = False  # not a test class, whatever its name makes pytest think

    model_config = ConfigDict(frozen=True)

    passed: bool
    results: list[TestResult] = []
    findings: list[Finding] = []
    run: TestRun | None = Field(default=None, description="The run of the test command, where there is one.")
