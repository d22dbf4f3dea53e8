"""What a model filled in, turned into the project's vocabulary and checked as a person's or the rules' would be.

Each function raises ValueError where the answer cannot be used; its words go back to the model. What the rules find,
stays found: a model may add to it and cannot take away from it.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

from agents.models import forms
from agents.rules.approval import faults_of
from agents.rules.quoting import clip, visible
from agents.rules.tech_lead import NO_CODE_READ
from delegation import (
    Approval,
    Criterion,
    DelegationEngine,
    Finding,
    FindingCheck,
    Plan,
    PlanError,
    Requirements,
    Review,
    ReviewVerdict,
    Schedule,
    SquadMember,
    Subtask,
    SubtaskKind,
    Task,
    TestCase,
    TestReport,
    TestResult,
    check_plan,
)

__all__ = [
    "approved",
    "assessed",
    "estimated",
    "executed",
    "numbered",
    "planned",
    "requirements_from",
    "reviewed",
    "tested",
]

_SPACES = re.compile(r"\s+")
_CLAUSES = re.compile(r"(?<=[.!?;:])\s+|\n")


def numbered(criteria: Sequence[str]) -> dict[str, str]:
    """Return the criteria by the numbers that a model names them with."""
    return {f"C{number}": text for number, text in enumerate(dict.fromkeys(criteria), start=1)}


def requirements_from(answer: forms.Analysis, task: Task) -> Requirements:
    """Return the requirements. The criteria that the task states are kept word for word, whatever the answer says.

    Where it states none, what the rules read out of the text stays, and whole sentences or lines of it may be added: a
    fragment would hold of anything.
    """
    by_rules = DelegationEngine().analyze_task_requirements(task)
    text = _plain(f"{task.title}\n{task.description}")
    criteria = by_rules.criteria
    if not any(one.source == "stated" for one in criteria):
        whole = {_clause(one) for one in _CLAUSES.split(f"{task.title}\n{task.description}")} - {""}
        kept = [one for one in criteria if one.source != "title"]
        known = {_clause(one.text) for one in kept}
        found = [one for one in dict.fromkeys(answer.criteria) if _clause(one) in whole - known]
        criteria = [*kept, *(Criterion(text=one, source="text") for one in found)] or criteria
    evidence: dict[str, list[str]] = {}
    for one in answer.evidence:
        if _plain(one.words) in text:
            evidence.setdefault(one.finding, []).append(one.words)
    return Requirements(
        type=answer.type,
        skills={one.name: one.level for one in answer.skills},
        complexity=answer.complexity,
        complexity_reasons=answer.complexity_reasons,
        areas=list(dict.fromkeys(answer.areas)),
        evidence=evidence,
        criteria=criteria,
        open_questions=list(dict.fromkeys(answer.open_questions)),
    )


def assessed(answer: forms.Assessment, requirements: Requirements) -> Requirements:
    """Return the requirements with the technical view: another complexity with its reasons, and risks as questions."""
    questions = [*requirements.open_questions, *(risk.question for risk in answer.risks)]
    return requirements.model_copy(
        update={
            "complexity": answer.complexity,
            "complexity_reasons": [*requirements.complexity_reasons, *answer.complexity_reasons],
            "open_questions": list(dict.fromkeys(questions)),
        }
    )


def planned(answer: forms.Breakdown, requirements: Requirements) -> Plan:
    """Return the plan, checked like a person's."""
    texts = numbered([one.text for one in requirements.criteria])
    subtasks = [
        Subtask(
            id=one.id,
            title=one.title,
            description=one.description,
            kind=one.kind,
            role=one.role,
            area=one.area,
            priority=one.priority,
            depends_on=list(dict.fromkeys(one.depends_on)),
            criteria=_named(one.criteria, texts),
        )
        for one in answer.subtasks
    ]
    plan = Plan(subtasks=subtasks)
    served = {number for one in answer.subtasks for number in one.criteria}
    if unserved := [f"{number} ({text[:80]})" for number, text in texts.items() if number not in served]:
        raise PlanError(f"no subtask serves {', '.join(unserved)}", hint="name its number in a subtask's criteria")
    check_plan(plan, texts.values())
    if not any(one.kind is SubtaskKind.TEST for one in subtasks):
        raise PlanError("no subtask is of the kind test", hint="somebody has to test what is made")
    return plan


def estimated(answer: forms.Estimates, plan: Plan) -> Plan:
    """Return the plan with an effort and a range for each subtask."""
    hours = {one.subtask_id: (one.low, one.likely, one.high) for one in answer.estimates}
    _same({one.id for one in plan.subtasks}, hours.keys(), "subtask", "has no estimate")
    if wrong := [one for one, (low, likely, high) in hours.items() if not low <= likely <= high]:
        raise PlanError(f"the estimate of {wrong[0]} does not rise from low over likely to high")
    subtasks = [one.model_copy(update={"effort": hours[one.id][1], "estimate": hours[one.id]}) for one in plan.subtasks]
    return plan.model_copy(update={"subtasks": subtasks})


def tested(answer: forms.TestPlan, plan: Plan, requirements: Requirements) -> Plan:
    """Return the plan with its test cases: at least one for each criterion, T1, T2, and so on."""
    texts = numbered([one.text for one in requirements.criteria])
    cases = [
        TestCase(
            id=f"T{number}",
            criterion=_named([one.criterion], texts)[0],
            given=one.given,
            when=one.when,
            then=one.then,
            subtask_ids=list(dict.fromkeys(one.subtask_ids)),
        )
        for number, one in enumerate(answer.cases, start=1)
    ]
    covered = {case.criterion for case in cases}
    if lacking := [number for number, text in texts.items() if text not in covered]:
        raise PlanError(f"no test case checks {', '.join(lacking)}")
    found = plan.model_copy(update={"test_cases": cases})
    check_plan(found)
    return found


def approved(
    answer: forms.ScheduleApproval,
    proposal: Schedule,
    plan: Plan,
    members: Sequence[SquadMember],
    by_rules: Approval,
) -> Approval:
    """Return the approval: by the rules, and by the model with its own reasons and swaps.

    What the rules refuse is not for the model to approve, before its swaps and after them.
    """
    if not by_rules.approved:
        return by_rules
    if not answer.approved:
        return Approval(approved=False, reasons=answer.reasons, schedule=proposal)
    schedule, said = by_rules.schedule, []
    for swap in answer.swaps:
        schedule = _swapped(schedule, swap)
        said.append(f"{swap.subtask_id} goes to {swap.member_id}: {swap.reason}")
    if wrong := faults_of(schedule, plan, members):
        raise PlanError(f"the swaps cannot be made: {wrong[0]}")
    return Approval(approved=True, reasons=[*answer.reasons, *said, *by_rules.reasons], schedule=schedule)


def _swapped(schedule: Schedule, swap: forms.Swap) -> Schedule:
    given = {one.subtask_id: one for one in schedule.assignments}
    if swap.subtask_id not in given:
        raise PlanError(f"the swap cannot be made: no subtask {swap.subtask_id!r} is assigned")
    given[swap.subtask_id] = given[swap.subtask_id].model_copy(update={"member_id": swap.member_id})
    return schedule.model_copy(update={"assignments": list(given.values())})


def reviewed(
    answer: forms.ReviewForm, plan: Plan, requirements: Requirements, by_rules: Review, earlier: Sequence[Finding]
) -> Review:
    """Return the review: what the rules miss in the deliverables, and what the model found in them.

    What was sent back before is met where both find it met.
    """
    texts = numbered([one.text for one in requirements.criteria])
    known = {one.id for one in plan.subtasks}
    if unknown := [one.subtask_id for one in answer.problems if one.subtask_id not in known]:
        raise PlanError(f"{unknown[0]!r} is no subtask of the plan", hint=f"they are {', '.join(sorted(known))}")
    said = {one.finding_id: one for one in answer.rechecks}
    _same({one.id for one in earlier if one.id}, said.keys(), "problem of the review before", "has no recheck")
    asks = answer.verdict is ReviewVerdict.CHANGES_REQUESTED
    if not asks and any(one.severity == "high" for one in answer.problems):
        raise PlanError("a problem of high severity is not passed on", hint="request changes, or say how bad it is")
    if not asks and any(not one.met for one in answer.rechecks):
        raise PlanError("a problem of the review before is not mended, and no changes are requested")
    if asks and not answer.problems and all(one.met for one in answer.rechecks):
        raise PlanError("changes are requested, and no problem says which")
    found = [
        Finding(
            subtask_id=one.subtask_id,
            criterion=_named([one.criterion], texts)[0] if one.criterion else None,
            severity=one.severity,
            message=one.message,
            file=one.file,
            line=one.line if one.file else None,
            suggestion=one.suggestion,
        )
        for one in answer.problems
    ]
    traced = {one.finding_id: one for one in by_rules.checks}
    checks = [
        FindingCheck(finding_id=key, met=one.met, note=one.note) if traced[key].met else traced[key]
        for key, one in said.items()
    ]
    return Review(
        verdict=answer.verdict if by_rules.approved else ReviewVerdict.CHANGES_REQUESTED,
        findings=[*by_rules.findings, *found],
        checks=checks,
        summary=clip(f"{answer.summary} {by_rules.summary.removesuffix(NO_CODE_READ)}".strip(), 1_000),
        let_pass={one.file: one.reason for one in answer.passed_tests},
    )


def executed(answer: forms.TestVerdict, plan: Plan, by_rules: TestReport) -> TestReport:
    """Return the report: a case passes where the rules can trace it and the model finds it met."""
    said = {one.case_id: one for one in answer.results}
    _same({case.id for case in plan.test_cases}, said.keys(), "test case", "has no result")
    results, findings = [], list(by_rules.findings)
    for case, traced in zip(plan.test_cases, by_rules.results, strict=True):
        one = said[case.id]
        evidence = f"read by a model: {one.evidence}; {traced.evidence}"
        results.append(
            TestResult(
                case_id=case.id, criterion=case.criterion, passed=one.passed and traced.passed, evidence=evidence
            )
        )
        if not one.passed:
            mends = one.mends if one.mends in {subtask.id for subtask in plan.subtasks} else None
            at = mends or next(iter(case.subtask_ids), None)
            findings.append(Finding(subtask_id=at, criterion=case.criterion, message=f"{case.id}: {one.evidence}"))
    return TestReport(passed=not findings, results=results, findings=findings)


def _named(numbers: Sequence[str], texts: Mapping[str, str]) -> list[str]:
    """Return the criteria of these numbers."""
    if unknown := [one for one in numbers if one not in texts]:
        raise PlanError(f"there is no criterion {unknown[0]}", hint=f"they are {', '.join(texts) or 'none'}")
    return [texts[one] for one in dict.fromkeys(numbers)]


def _same(asked: set[str], given: Iterable[str], what: str, lacks: str) -> None:
    found = set(given)
    if missing := sorted(asked - found):
        raise PlanError(f"the {what} {missing[0]} {lacks}")
    if unknown := sorted(found - asked):
        raise PlanError(f"there is no {what} {unknown[0]!r}", hint=f"there are {', '.join(sorted(asked))}")


def _clause(text: str) -> str:
    """Return a sentence or a line in the form in which two are compared: without its bullet and its full stop."""
    return _plain(text).strip(" \t-*+•.!?;:[]")


def _plain(text: str) -> str:
    return _SPACES.sub(" ", visible(text)).strip(" \"'“”.").casefold()
