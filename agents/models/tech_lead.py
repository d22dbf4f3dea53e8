"""The tech lead with a model: the technical view, the estimates, the review."""

from collections.abc import Mapping
from functools import partial

from agents.models import forms, judging
from agents.models.base import ModelAgent
from agents.models.marking import data
from agents.models.prompting import joined
from agents.models.telling import told_outcomes, told_plan, told_request, told_requirements, told_task, told_test_cases
from agents.rules.tech_lead import RuleTechLead
from agents.surroundings import surroundings
from delegation import Outcome, Plan, Requirements, Review, ReviewRequest, Task

__all__ = ["ModelTechLead"]

_DIFF = 60_000


class ModelTechLead(ModelAgent):
    """Makes the tech lead's judgements; what the rules miss in the deliverables, its review cannot wave through."""

    async def assess(self, task: Task, requirements: Requirements) -> Requirements:
        """Add complexity, its reasons, and risks as questions."""
        about = joined([told_task(task), told_requirements(requirements)])
        check = partial(judging.assessed, requirements=requirements)
        return await self._judge("assess", about, forms.Assessment, check)

    async def estimate(self, plan: Plan, requirements: Requirements) -> Plan:
        """Return the plan with hours for each subtask."""
        about = joined([told_requirements(requirements), told_plan(plan, requirements)])
        check = partial(judging.estimated, plan=plan)
        return await self._judge("estimate", about, forms.Estimates, check)

    async def review(
        self,
        plan: Plan,
        requirements: Requirements,
        outcomes: Mapping[str, Outcome],
        *,
        request: ReviewRequest | None = None,
    ) -> Review:
        """Review the work: the diff, where there is a repository, what was delivered, and what was asked before."""
        hands = surroundings().hands
        diff = data("the diff of all the work", await hands.diff(), most=_DIFF) if hands else ""
        about = joined(
            [
                told_requirements(requirements),
                told_plan(plan, requirements),
                told_test_cases(plan, requirements),
                told_outcomes(plan, outcomes),
                told_request(request) if request else "",
                diff,
            ]
        )
        by_rules = await RuleTechLead().review(plan, requirements, outcomes, request=request)
        check = partial(
            judging.reviewed,
            plan=plan,
            requirements=requirements,
            by_rules=by_rules,
            earlier=request.earlier if request else [],
        )
        return await self._judge("review", about, forms.ReviewForm, check)
