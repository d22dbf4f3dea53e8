"""The tech lead by rules: the technical view of the requirements, the estimates, and the review."""

from collections.abc import Mapping, Sequence

from agents.rules.base import RuleAgent
from agents.rules.risks import risks_of
from agents.rules.traceability import delivered, serving, testers, uncovered
from delegation import Finding, FindingCheck, Outcome, Plan, Requirements, Review, ReviewRequest, Role, Task
from delegation.effort import with_estimate

__all__ = ["NO_CODE_READ", "RuleTechLead"]

NO_CODE_READ = "No code was read."
"""How the summary of a review by the rules alone ends."""

_HIGHEST = 10


class RuleTechLead(RuleAgent):
    """Makes the tech lead's judgements; the review traces criteria, it does not read code."""

    def __init__(self) -> None:
        super().__init__(Role.TECH_LEAD)

    async def assess(self, task: Task, requirements: Requirements) -> Requirements:
        """Add the risks that the text shows, each as a question, and what they add to the complexity."""
        risks = [risk for risk in risks_of(task) if risk.question not in requirements.open_questions]
        if not risks:
            return requirements
        return requirements.model_copy(
            update={
                "complexity": min(_HIGHEST, requirements.complexity + (len(risks) > 1)),
                "complexity_reasons": [
                    *requirements.complexity_reasons,
                    *([f"+1: the tech lead sees {len(risks)} risks"] if len(risks) > 1 else []),
                ],
                "open_questions": [*requirements.open_questions, *(risk.question for risk in risks)],
                "evidence": {**requirements.evidence, **{f"risk:{risk.name}": risk.words for risk in risks}},
            }
        )

    async def estimate(self, plan: Plan, requirements: Requirements) -> Plan:
        """Return the plan with hours by kind of work, complexity and criteria; open questions widen the range."""
        questions = len(requirements.open_questions)
        subtasks = [with_estimate(subtask, requirements.complexity, questions) for subtask in plan.subtasks]
        return plan.model_copy(update={"subtasks": subtasks})

    async def review(
        self,
        plan: Plan,
        requirements: Requirements,
        outcomes: Mapping[str, Outcome],
        *,
        request: ReviewRequest | None = None,
    ) -> Review:
        """Trace each criterion to a subtask, a deliverable and a test case; whatever is missing is a finding."""
        findings = [*_missing_deliverables(plan, outcomes)]
        cases = {case.criterion for case in plan.test_cases}
        criteria = list(dict.fromkeys(criterion.text for criterion in requirements.criteria))
        for criterion in criteria:
            findings += _traced(criterion, plan, outcomes, has_case=criterion in cases)
        if not testers(plan):
            findings.append(Finding(subtask_id=None, message="the plan has no tester's subtask"))
        count = f"{len(criteria)} {'criterion' if len(criteria) == 1 else 'criteria'}"
        verdict = "each has a subtask, a deliverable and a test case" if not findings else f"{len(findings)} findings"
        return Review(
            approved=not findings,
            findings=findings,
            checks=[_check(earlier, findings) for earlier in (request.earlier if request else []) if earlier.id],
            summary=f"Traceability of {count}: {verdict}. {NO_CODE_READ}",
        )


def _check(earlier: Finding, findings: Sequence[Finding]) -> FindingCheck:
    """Say whether a finding of the round before was met: what traceability shows, and that it shows no more."""
    again = [
        one for one in findings if one.subtask_id == earlier.subtask_id and earlier.criterion in {None, one.criterion}
    ]
    if again:
        note = again[0].message
    elif earlier.criterion:
        note = "the criterion is taken up now"
    else:
        note = "it was handed in again; whether that answers the finding was not read"
    return FindingCheck(finding_id=str(earlier.id), met=not again, note=note)


def _missing_deliverables(plan: Plan, outcomes: Mapping[str, Outcome]) -> list[Finding]:
    return [
        Finding(subtask_id=subtask.id, message=f"{subtask.id} has no deliverable")
        for subtask in plan.subtasks
        if delivered(outcomes, subtask.id) is None
    ]


def _traced(criterion: str, plan: Plan, outcomes: Mapping[str, Outcome], *, has_case: bool) -> list[Finding]:
    """Return what is missing on one criterion's way from subtask to deliverable to test."""
    subtasks = serving(plan, criterion)
    findings = uncovered(subtasks, criterion, outcomes, "deliverable")
    if not subtasks:
        findings.append(Finding(subtask_id=None, criterion=criterion, message="no subtask serves the criterion"))
    if not has_case:
        tester = next(iter(testers(plan)), None)
        message = "no test case checks the criterion"
        findings.append(Finding(subtask_id=tester.id if tester else None, criterion=criterion, message=message))
    return findings + uncovered(testers(plan), criterion, outcomes, "test plan")
