"""The project manager with a model: reads, breaks down, approves within the rules, sums up."""

from collections.abc import Mapping, Sequence
from functools import partial

from agents.models import forms, judging
from agents.models.base import ModelAgent
from agents.models.prompting import joined
from agents.models.telling import told_board, told_outcomes, told_plan, told_requirements, told_schedule, told_task
from agents.rules.approval import approval_of
from agents.rules.project_manager import RuleProjectManager
from delegation import Approval, BoardStatus, Outcome, Plan, Requirements, Schedule, SquadMember, Standup, Task

__all__ = ["ModelProjectManager"]


class ModelProjectManager(ModelAgent):
    """Makes the project manager's judgements; what the rules refuse, it cannot approve."""

    async def analyze(self, task: Task) -> Requirements:
        """Read the requirements out of the task's text; the criteria that it states are kept word for word."""
        check = partial(judging.requirements_from, task=task)
        return await self._judge("analyze", told_task(task), forms.Analysis, check)

    async def break_down(self, task: Task, requirements: Requirements) -> Plan:
        """Break the task down; a plan that cannot be worked goes back to the model with the reason."""
        about = joined([told_task(task), told_requirements(requirements)])
        check = partial(judging.planned, requirements=requirements)
        return await self._judge("break_down", about, forms.Breakdown, check)

    async def approve(self, proposal: Schedule, plan: Plan, members: Sequence[SquadMember]) -> Approval:
        """Approve the proposal, swap members with a reason, or refuse; not even asked where the rules refuse."""
        by_rules = approval_of(proposal, plan, members)
        if not by_rules.approved:
            return by_rules
        about = joined([told_plan(plan), told_schedule(by_rules.schedule, members)])
        check = partial(judging.approved, proposal=proposal, plan=plan, members=members, by_rules=by_rules)
        return await self._judge("approve", about, forms.ScheduleApproval, check)

    async def standup(
        self, plan: Plan, outcomes: Mapping[str, Outcome], *, board: BoardStatus | None = None
    ) -> Standup:
        """Sum the board up in words; facts, blockers and actions are the rules', and the model says what they mean."""
        facts = await RuleProjectManager().standup(plan, outcomes, board=board)
        known = told_board(board) if board else ""
        about = joined([told_plan(plan), told_outcomes(plan, outcomes, bodies=False), known])

        def check(answer: forms.StandupSummary) -> Standup:
            return facts.model_copy(update={"summary": f"{facts.summary} {answer.summary}"})

        return await self._judge("standup", about, forms.StandupSummary, check)
