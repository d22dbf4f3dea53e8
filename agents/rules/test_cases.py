"""Test cases out of criteria: given, when and then where the words say so, else the criterion itself as then."""

import re

from agents.role_agent import Brief
from agents.rules.document import Document
from agents.rules.quoting import inline
from delegation import Plan, Requirements, SubtaskKind, TestCase

__all__ = ["cases_for", "write_test_plan"]

_GIVEN = re.compile(r"\s*given\b(?:\s+that\b)?[\s:,]*", re.IGNORECASE)
_WHEN = re.compile(r"\bwhen(?:ever)?\b[\s:,]*", re.IGNORECASE)
_THEN = re.compile(r"\bthen\b[\s:,]*", re.IGNORECASE)
_CONDITION = re.compile(r"\s*(?:when(?:ever)?|if|once|after|as soon as)\b[\s:,]+", re.IGNORECASE)
_EDGES = " \t\r\n,;:.-*"


def cases_for(plan: Plan, requirements: Requirements) -> list[TestCase]:
    """Return a test case a criterion, each naming the subtasks whose deliverables are checked for it."""
    texts = dict.fromkeys(criterion.text for criterion in requirements.criteria)
    return [_case(number, text, _serving(plan, text)) for number, text in enumerate(texts, start=1)]


def _serving(plan: Plan, criterion: str) -> list[str]:
    serving = [subtask for subtask in plan.subtasks if criterion in subtask.criteria]
    return [subtask.id for subtask in serving if subtask.kind is not SubtaskKind.TEST]


def _case(number: int, criterion: str, subtask_ids: list[str]) -> TestCase:
    given, when, then = _parts(criterion)
    return TestCase(id=f"T{number}", criterion=criterion, given=given, when=when, then=then, subtask_ids=subtask_ids)


def _parts(criterion: str) -> tuple[str | None, str | None, str]:
    """Take a criterion apart: "Given a, when b, then c", "When b, c", "If b then c"; else it is the then as a whole."""
    given: str | None = None
    rest = criterion
    if opening := _GIVEN.match(rest):
        rest = rest[opening.end() :]
        if not (following := _WHEN.search(rest) or _THEN.search(rest)):
            return None, None, criterion
        given, rest = rest[: following.start()].strip(_EDGES), rest[following.start() :]
        given = given.removesuffix(" and").strip(_EDGES)
    when, then = _condition(rest)
    if not _WHEN.sub("", then).strip(_EDGES):
        return None, None, criterion
    return given or None, when or None, then


def _condition(text: str) -> tuple[str | None, str]:
    """Return what has to happen and what follows from it; the former is None where the text has no such part."""
    if opening := _CONDITION.match(text):
        body = text[opening.end() :]
        if following := _THEN.search(body):
            return body[: following.start()].strip(_EDGES), body[following.end() :].strip(_EDGES)
        before, comma, after = body.partition(",")
        if comma and after.strip(_EDGES):
            return before.strip(_EDGES), after.strip(_EDGES)
        return None, text.strip()
    if following := _THEN.match(text):
        return None, text[following.end() :].strip(_EDGES)
    return None, text.strip()


def write_test_plan(brief: Brief, document: Document) -> None:
    """Write the plan's test cases into the document."""
    lines = []
    for case in brief.plan.test_cases:
        then = case.then if case.then != case.criterion else None
        parts = [("Criterion", case.criterion), ("Given", case.given), ("When", case.when), ("Then", then)]
        said = [f"  - {name}: “{inline(text)}”" for name, text in parts if text]
        checked = ", ".join(inline(one, 40) for one in case.subtask_ids) or "no subtask"
        lines.append("\n".join([f"- **{inline(case.id, 40)}**", *said, f"  - Checked in: {checked}"]))
    document.section("Test cases", lines, empty="The plan holds no test case.", share=12_000)
