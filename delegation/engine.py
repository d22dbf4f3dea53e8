"""The front door of delegation: a task's requirements, its breakdown, and who does what when."""

from collections.abc import Iterable, Sequence

from delegation.breakdown import plan_of
from delegation.dependencies import check
from delegation.feedback import heeding
from delegation.plan import Plan, Requirements, Schedule, Subtask
from delegation.reasons import Weights
from delegation.replan import Progress, Replan, replan
from delegation.requirements import requirements_of
from delegation.schedule import schedule
from delegation.squad import SquadMember
from delegation.task import Task
from delegation.windows import Span

__all__ = ["DelegationEngine"]


class DelegationEngine:
    """Analyses, breaks down and assigns by rules alone: pure, deterministic, without a model and without a clock."""

    def analyze_task_requirements(self, task: Task) -> Requirements:
        """Return what the task's text says it takes: type, skills, complexity, areas, criteria, open questions.

        Each finding comes with the words of the text that led to it, under ``evidence``. The first 100,000 characters
        of a description are analysed; a longer text is named as such among the open questions.
        """
        return requirements_of(task)

    def break_down_task(self, task: Task, requirements: Requirements | None = None) -> Plan:
        """Return subtasks that together serve every criterion, the tester's last; analyses the task where need be.

        The subtasks ask for roles, not for skills: which skills the task takes stands in the requirements. Areas that
        the requirements' feedback asks for or does without are added or left out.
        """
        plan = plan_of(task, heeding(requirements or self.analyze_task_requirements(task)))
        check(plan.subtasks)
        return plan

    def assign(
        self,
        plan: Plan | Iterable[Subtask],
        members: Sequence[SquadMember],
        *,
        busy: Iterable[Span] = (),
        budget_s: float = 0.0,
    ) -> Schedule:
        """Return who does which subtask when, around what members are ``busy`` with elsewhere.

        ``budget_s`` seconds are spent on improving a first schedule.
        """
        subtasks = plan.subtasks if isinstance(plan, Plan) else list(plan)
        return schedule(subtasks, members, busy=busy, budget_s=budget_s)

    def replan(
        self,
        plan: Plan | Iterable[Subtask],
        members: Iterable[SquadMember],
        previous: Schedule,
        progress: Progress,
        *,
        busy: Iterable[Span] = (),
        weights: Weights | None = None,
    ) -> Replan:
        """Return who does the rest when, from now on, with few changes of hands: see ``delegation.replan``."""
        subtasks = plan.subtasks if isinstance(plan, Plan) else plan
        return replan(subtasks, members, previous, progress, busy=busy, weights=weights or Weights())
