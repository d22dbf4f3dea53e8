"""A review and what it finds: what it is asked, its verdict, its findings, and whether those of before were met."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from delegation.plan import TestCase

__all__ = [
    "ChangeStats",
    "Finding",
    "FindingCheck",
    "Review",
    "ReviewRequest",
    "ReviewVerdict",
    "Severity",
    "numbered",
    "settled_review",
    "with_touched_tests",
]

Severity = Literal["low", "medium", "high"]

_NOT_SAID = "the review does not say whether this was met"


class Finding(BaseModel):
    """Something that a check found wanting, addressed to the subtask that has to mend it."""

    model_config = ConfigDict(frozen=True)

    id: str | None = Field(default=None, description="By which the next round refers to it; the workflow gives it.")
    subtask_id: str | None
    criterion: str | None = None
    severity: Severity = "high"
    message: str
    file: str | None = Field(default=None, description="The file that it is about, from the repository's root.")
    line: int | None = Field(default=None, ge=1, description="The line in that file, counted from 1.")
    suggestion: str | None = Field(default=None, description="How it could be mended.")

    @property
    def place(self) -> str:
        """Where it is, as ``file:line``; empty where it names no file."""
        return f"{self.file}:{self.line}" if self.file and self.line else self.file or ""


class FindingCheck(BaseModel):
    """What a review says of a finding of the round before."""

    model_config = ConfigDict(frozen=True)

    finding_id: str
    met: bool
    note: str = Field(default="", description="How it was met, or what is still wanting.")


class ReviewVerdict(StrEnum):
    """How a review ended."""

    APPROVED = "approved"
    CHANGES_REQUESTED = "changes_requested"
    COMMENTED = "commented"


class Review(BaseModel):
    """The tech lead's verdict on the deliverables of a round.

    Either of ``verdict`` and ``approved`` will do. ``commented`` passes the work on with findings that send nothing
    back; so does an approval that has findings.
    """

    model_config = ConfigDict(frozen=True)

    verdict: ReviewVerdict = ReviewVerdict.CHANGES_REQUESTED
    approved: bool = False
    findings: list[Finding] = []
    checks: list[FindingCheck] = Field(
        default=[], description="Whether each finding of the round before was met; one for each that was handed over."
    )
    summary: str = ""
    let_pass: dict[str, str] = Field(
        default={}, description="Existing tests whose change or deletion is right: the file to the reason."
    )

    @model_validator(mode="before")
    @classmethod
    def _one_from_the_other(cls, given: Any) -> Any:
        if not isinstance(given, dict) or not given.keys() & {"verdict", "approved"}:
            return given
        found = dict(given)
        if found.get("verdict") is None:
            passed = ReviewVerdict.COMMENTED if found.get("findings") else ReviewVerdict.APPROVED
            found["verdict"] = passed if found.get("approved") else ReviewVerdict.CHANGES_REQUESTED
        elif found.get("approved") is None:
            found["approved"] = found["verdict"] in {ReviewVerdict.APPROVED, ReviewVerdict.COMMENTED}
        return found

    @model_validator(mode="after")
    def _agree(self) -> "Review":
        if not self.model_fields_set & {"verdict", "approved"}:
            raise ValueError("a review needs a verdict: approved, changes_requested or commented")
        if self.approved != (self.verdict is not ReviewVerdict.CHANGES_REQUESTED):
            raise ValueError(f"a review cannot be {self.verdict.value} with approved={self.approved}")
        return self


class ChangeStats(BaseModel):
    """How large a change is: its files, and the lines that it adds and takes away."""

    model_config = ConfigDict(frozen=True)

    files: int = Field(default=0, ge=0)
    insertions: int = Field(default=0, ge=0)
    deletions: int = Field(default=0, ge=0)


class ReviewRequest(BaseModel):
    """What a reviewer is asked besides the deliverables; the diff itself is its hands' to show."""

    model_config = ConfigDict(frozen=True)

    round: int = Field(default=1, ge=1, description="The board's round that is reviewed.")
    reviewer: str = Field(description="The member in whose name it is reviewed, who wrote none of it.")
    authors: dict[str, str] = Field(default={}, description="Who did each subtask: its id to the member's.")
    criteria: list[str] = []
    test_cases: list[TestCase] = []
    change: ChangeStats | None = Field(default=None, description="The change in the repository, where there is one.")
    touched_tests: dict[str, str] = Field(
        default={},
        description="Existing tests that were changed or deleted, and what was added that decides how they are run: "
        "the file to what became of it. Each one sends the work back, unless the review lets it pass with a reason.",
    )
    earlier: list[Finding] = Field(
        default=[], description="What the round before was sent back for; the review says for each whether it was met."
    )


def numbered(findings: Iterable[Finding], prefix: str, taken: Collection[str] = ()) -> list[Finding]:
    """Return the findings with an id each: one that is among ``taken`` is kept, the others get new ones in turn."""
    found, number = [], 0
    kept = set(taken)
    for finding in findings:
        if finding.id is not None and finding.id in kept:
            kept.discard(finding.id)  # a second one of that id is another finding
            found.append(finding)
            continue
        number += 1
        found.append(finding.model_copy(update={"id": f"{prefix}{number}"}))
    return found


def settled_review(review: Review, earlier: Sequence[Finding], *, was_asked: bool) -> Review:
    """Return the review with what was not met of the round before among its findings, under the ids that those have.

    Args:
        review: What the reviewer said.
        earlier: The findings of the round before, with their ids.
        was_asked: Whether the reviewer was handed them, and so has to say for each. Of one that knows nothing of them,
            a finding counts as met unless it is found again.
    """
    known = {finding.id: finding for finding in earlier if finding.id}
    said = {check.finding_id: check for check in review.checks if check.finding_id in known}
    again = {_gist(finding): finding for finding in review.findings}
    checks, kept, renamed = [], [], {}
    for finding_id, finding in known.items():
        repeated = again.get(_gist(finding))
        check = said.get(finding_id)
        if check is None or (check.met and repeated is not None):
            met = repeated is None and not was_asked
            check = FindingCheck(finding_id=finding_id, met=met, note="" if met or repeated else _NOT_SAID)
        checks.append(check)
        if check.met:
            continue
        if repeated is not None:
            renamed[_gist(finding)] = finding_id
        else:
            kept.append(finding.model_copy(update={"suggestion": check.note or finding.suggestion}))
    findings = [
        one.model_copy(update={"id": renamed[_gist(one)]}) if _gist(one) in renamed else one for one in review.findings
    ]
    is_wanting = any(not check.met for check in checks)
    changed: dict[str, Any] = {"findings": [*kept, *findings], "checks": checks}
    if is_wanting:
        changed |= {"verdict": ReviewVerdict.CHANGES_REQUESTED, "approved": False}
    return review.model_copy(update=changed)


def with_touched_tests(review: Review, touched: Mapping[str, str]) -> Review:
    """Return the review with a finding for each touched test that it lets pass without a reason."""
    wanting = [
        Finding(
            subtask_id=None,
            file=path,
            message=f"{_told_touched(path, what)}, and nobody has said why that is right",
            suggestion="put it as it was; a new test goes into a file of its own, or the reviewer says why it changed",
        )
        for path, what in touched.items()
        if not review.let_pass.get(path, "").strip()
    ]
    if not wanting:
        return review
    changed = {"verdict": ReviewVerdict.CHANGES_REQUESTED, "approved": False}
    return review.model_copy(update={"findings": [*review.findings, *wanting], **changed})


def _told_touched(path: str, what: str) -> str:
    if what == "added":
        return f"{path}, which decides how the existing tests are run, was added"
    return f"the existing test {path} was {what}"


def _gist(finding: Finding) -> tuple[str | None, str | None, str]:
    return finding.subtask_id, finding.criterion, finding.message
