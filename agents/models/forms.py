"""What a model fills in for each judgement and at the end of its work: small, flat, and without our vocabulary's ids.

Criteria have numbers here (C1, C2, …), since a model that repeats a sentence word for word does not always. Nothing is
a free mapping: some providers allow only fields that are named. What these say becomes the project's vocabulary in
``judging.py``, where it is checked as anybody's would be.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, Field, StringConstraints

from delegation import Priority, ReviewVerdict, Role, SubtaskKind, TaskType
from delegation.review import Severity

__all__ = [
    "Analysis",
    "Assessment",
    "Breakdown",
    "Case",
    "CaseResult",
    "ColleagueAnswer",
    "Estimate",
    "Estimates",
    "FoundWords",
    "Problem",
    "Recheck",
    "ReviewForm",
    "Risk",
    "ScheduleApproval",
    "SkillAsked",
    "StandupSummary",
    "Swap",
    "TestPlan",
    "TestVerdict",
    "WorkPiece",
    "WorkResult",
]

Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=400)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=4_000)]
Name = Annotated[str, StringConstraints(strip_whitespace=True, to_lower=True, min_length=1, max_length=60)]
Id = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$")]
"""An id of the model's own; it may come to stand in a branch's name or a file's."""
CriterionNumber = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^C[0-9]{1,4}$")]
Hours = Annotated[float, Field(gt=0, le=400, allow_inf_nan=False)]


class SkillAsked(BaseModel):
    """A skill and the level that the work asks: 1 for a beginner's, 5 for an expert's."""

    name: Name
    level: int = Field(ge=1, le=5)


class FoundWords(BaseModel):
    """A finding, such as "type", "area:backend" or "skill:sql", and the words of the text behind it, copied."""

    finding: Name
    words: Line


class Analysis(BaseModel):
    """What the task asks for."""

    type: TaskType
    complexity: int = Field(ge=1, le=10, description="1 for a typing mistake, 10 for a system of its own.")
    complexity_reasons: list[Line] = Field(default=[], max_length=10)
    areas: list[Name] = Field(default=[], max_length=10, description="backend, frontend, database, docs, …")
    skills: list[SkillAsked] = Field(default=[], max_length=12)
    criteria: list[Line] = Field(
        default=[],
        max_length=20,
        description="When it is done, in sentences copied from the text. Leave it empty where criteria are stated.",
    )
    open_questions: list[Line] = Field(default=[], max_length=10, description="What the text leaves open.")
    evidence: list[FoundWords] = Field(default=[], max_length=30)


class Risk(BaseModel):
    """A technical difficulty that the text shows, and what to ask about it."""

    name: Name
    question: Line


class Assessment(BaseModel):
    """The technical view of the requirements."""

    complexity: int = Field(ge=1, le=10)
    complexity_reasons: list[Line] = Field(default=[], max_length=10)
    risks: list[Risk] = Field(default=[], max_length=10)


class WorkPiece(BaseModel):
    """A subtask: what one member does in one go."""

    id: Id = Field(description="S1, S2, …")
    title: Line
    description: Text = ""
    kind: SubtaskKind
    role: Role
    area: Name | None = None
    priority: Priority = Priority.NORMAL
    depends_on: list[Id] = Field(default=[], max_length=40, description="Ids of subtasks that have to be done before.")
    criteria: list[CriterionNumber] = Field(default=[], max_length=100, description="The criteria that it serves.")


class Breakdown(BaseModel):
    """The plan: subtasks that together serve every criterion."""

    subtasks: list[WorkPiece] = Field(min_length=1, max_length=40)


class Estimate(BaseModel):
    """How long a subtask takes, in hours: at best, most likely, and if it goes badly."""

    subtask_id: str
    low: Hours
    likely: Hours
    high: Hours


class Estimates(BaseModel):
    """An estimate for each subtask."""

    estimates: list[Estimate] = Field(min_length=1)


class Case(BaseModel):
    """How one criterion is checked."""

    criterion: CriterionNumber
    given: Line | None = None
    when: Line | None = None
    then: Line
    subtask_ids: list[str] = Field(min_length=1, description="The subtasks whose work is checked by it.")


class TestPlan(BaseModel):
    """At least one test case for each criterion."""

    __test__ = False  # not a test class, whatever its name makes pytest think

    cases: list[Case] = Field(min_length=1, max_length=200)


class Swap(BaseModel):
    """Another member for a subtask, and why."""

    subtask_id: str
    member_id: str
    reason: Line


class ScheduleApproval(BaseModel):
    """The word on the proposed assignments."""

    approved: bool
    reasons: list[Line] = Field(min_length=1, max_length=10)
    swaps: list[Swap] = Field(default=[], max_length=20, description="Only where they are approved with changes.")


class StandupSummary(BaseModel):
    """The account of a round, from its facts."""

    summary: Text = Field(min_length=1)


class Problem(BaseModel):
    """Something that was found wanting, and the subtask whose member would have to mend it."""

    subtask_id: str
    message: Line
    severity: Severity = "medium"
    criterion: CriterionNumber | None = None
    file: Line | None = Field(default=None, description="The file, from the repository's root.")
    line: int | None = Field(default=None, ge=1, description="The line in that file as it is now.")
    suggestion: Line | None = Field(default=None, description="How it could be mended.")


class Recheck(BaseModel):
    """Whether a problem of the review before was mended, by its id, and what shows that or is still wanting."""

    finding_id: str
    met: bool
    note: Line


class PassedTest(BaseModel):
    """An existing test that was changed or deleted, and why that is right."""

    file: Line
    reason: Line


class ReviewForm(BaseModel):
    """What the review came to."""

    verdict: ReviewVerdict = Field(
        description="changes_requested sends the problems back; commented passes the work on with them."
    )
    summary: Line
    problems: list[Problem] = Field(default=[], max_length=40)
    rechecks: list[Recheck] = Field(default=[], description="One for each problem of the review before.")
    passed_tests: list[PassedTest] = Field(
        default=[], max_length=100, description="Existing tests whose change is right; all others send the work back."
    )


class CaseResult(BaseModel):
    """How one test case came out."""

    case_id: str
    passed: bool
    evidence: Line = Field(description="What in the work shows it, by subtask; or what is missing.")
    mends: str | None = Field(default=None, description="Where it failed: the id of the subtask that has to mend it.")


class TestVerdict(BaseModel):
    """A result for each test case."""

    __test__ = False  # not a test class, whatever its name makes pytest think

    results: list[CaseResult]


class ColleagueAnswer(BaseModel):
    """The answer to a colleague's question."""

    answer: Text | None = Field(description="None where the data does not say it.")


class WorkResult(BaseModel):
    """How the work on the subtask ended. Call it once, as the last thing."""

    status: Literal["done", "refused", "blocked"] = Field(
        description="done; refused: somebody else should do it; blocked: only a human's answer lets it go on."
    )
    note: Line = Field(description="In a sentence: what was done, why it is refused, or what was tried.")
    question: Line | None = Field(default=None, description="With blocked: what the human has to answer.")
    body: str = Field(
        default="",
        max_length=60_000,
        description="What was made, as Markdown: with done all of it, else what there is so far. Where files were "
        "changed, what changed and why.",
    )
    criteria: list[CriterionNumber] = Field(default=[], description="With done: the criteria that it meets.")
    interfaces: list[Line] = Field(default=[], max_length=40, description="Routes, functions, classes, files made.")
    open_questions: list[Line] = Field(default=[], max_length=20)
