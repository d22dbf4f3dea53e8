"""The tester with a model: the test plan, made and gone through."""

from collections.abc import Mapping
from functools import partial

from agents.models import forms, judging
from agents.models.base import ModelAgent
from agents.models.prompting import joined
from agents.models.telling import told_outcomes, told_plan, told_requirements, told_test_cases
from agents.rules.tester import RuleTester
from delegation import Outcome, Plan, Requirements, TestReport

__all__ = ["ModelTester"]


class ModelTester(ModelAgent):
    """Makes the tester's judgements; a case that the rules cannot trace has not passed."""

    async def plan_tests(self, plan: Plan, requirements: Requirements) -> Plan:
        """Return the plan with at least one test case a criterion."""
        about = joined([told_requirements(requirements), told_plan(plan, requirements)])
        check = partial(judging.tested, plan=plan, requirements=requirements)
        return await self._judge("plan_tests", about, forms.TestPlan, check)

    async def execute(self, plan: Plan, outcomes: Mapping[str, Outcome]) -> TestReport:
        """Go through the test cases; a failure sends its subtask back."""
        by_rules = await RuleTester().execute(plan, outcomes)
        if not plan.test_cases:  # there is nothing to ask about
            return by_rules
        about = joined([told_plan(plan), told_test_cases(plan), told_outcomes(plan, outcomes)])
        check = partial(judging.executed, plan=plan, by_rules=by_rules)
        return await self._judge("execute", about, forms.TestVerdict, check)
