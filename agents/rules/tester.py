"""The tester by rules: a test case a criterion, executed by tracing it through the deliverables. No code is run."""

from collections.abc import Mapping

from agents.rules.base import RuleAgent
from agents.rules.quoting import clip
from agents.rules.test_cases import cases_for
from agents.rules.traceability import delivered, testers
from agents.surroundings import surroundings
from delegation import Finding, Outcome, Plan, Requirements, Role, TestCase, TestReport, TestResult

__all__ = ["RuleTester"]

_NOT_RUN = "no code was run"


class RuleTester(RuleAgent):
    """Plans and executes tests; what it calls passed is traced, and its evidence says so."""

    def __init__(self) -> None:
        super().__init__(Role.TESTER)

    async def plan_tests(self, plan: Plan, requirements: Requirements) -> Plan:
        """Return the plan with one test case a criterion, in the criteria's order: T1, T2, and so on."""
        return plan.model_copy(update={"test_cases": cases_for(plan, requirements)})

    async def execute(self, plan: Plan, outcomes: Mapping[str, Outcome]) -> TestReport:
        """Check each case's criterion in the deliverables that it names and in the test plan; report case by case."""
        results, findings = [], []
        not_run = "" if surroundings().hands else f"; {_NOT_RUN}"  # in a workspace, the project's own tests are run
        for case in plan.test_cases:
            trouble = [*_not_covered(case, plan, outcomes), *_not_planned(case, plan, outcomes)]
            findings += trouble
            evidence = "; ".join(one.message for one in trouble) or _covered(case, plan, outcomes)
            results.append(
                TestResult(
                    case_id=case.id,
                    criterion=case.criterion,
                    passed=not trouble,
                    evidence=f"traceability: {evidence}{not_run}",
                )
            )
        findings += _without_case(plan)
        return TestReport(passed=not findings, results=results, findings=findings)


def _covered(case: TestCase, plan: Plan, outcomes: Mapping[str, Outcome]) -> str:
    """Say which deliverables cover the case."""
    said = []
    for subtask_id in case.subtask_ids:
        if deliverable := delivered(outcomes, subtask_id):
            role = plan.subtask(subtask_id).role
            said.append(f"the {deliverable.kind.replace('_', ' ')} of {subtask_id}{f' ({role.value})' if role else ''}")
    return f"covered by {', '.join(said)}"


def _not_covered(case: TestCase, plan: Plan, outcomes: Mapping[str, Outcome]) -> list[Finding]:
    """Return what is wrong with the deliverables that the case checks."""
    if not case.subtask_ids:
        message = f"{case.id} checks no subtask's deliverable"
        return [Finding(subtask_id=None, criterion=case.criterion, message=message)]
    found = []
    known = {subtask.id for subtask in plan.subtasks}
    for subtask_id in case.subtask_ids:
        deliverable = delivered(outcomes, subtask_id)
        if subtask_id not in known:
            message = f"{case.id} checks {subtask_id}, which is not in the plan"
            found.append(Finding(subtask_id=None, criterion=case.criterion, message=message))
        elif deliverable is None:
            found.append(_finding(subtask_id, case, f"{subtask_id} has no deliverable"))
        elif case.criterion not in deliverable.criteria:
            found.append(_finding(subtask_id, case, f"the deliverable of {subtask_id} does not take up the criterion"))
    return found


def _not_planned(case: TestCase, plan: Plan, outcomes: Mapping[str, Outcome]) -> list[Finding]:
    """Return a finding where no test plan that was handed over holds the case's criterion."""
    plans = {subtask.id: delivered(outcomes, subtask.id) for subtask in testers(plan)}
    if any(one is not None and case.criterion in one.criteria for one in plans.values()):
        return []
    return [_finding(next(iter(plans), None), case, "no test plan that was handed over holds the criterion")]


def _without_case(plan: Plan) -> list[Finding]:
    """Return a finding for each criterion of a subtask that no case checks, and one for a plan without cases."""
    tester = next((subtask.id for subtask in testers(plan)), None)
    if not plan.test_cases:
        return [Finding(subtask_id=tester, message="the plan holds no test case, so nothing was tested")]
    cases = {case.criterion for case in plan.test_cases}
    criteria = dict.fromkeys(text for subtask in plan.subtasks for text in subtask.criteria)
    return [
        Finding(subtask_id=tester, criterion=text, message=f"no test case checks “{clip(text, 120)}”")
        for text in criteria
        if text not in cases
    ]


def _finding(subtask_id: str | None, case: TestCase, message: str) -> Finding:
    return Finding(subtask_id=subtask_id, criterion=case.criterion, message=message)
