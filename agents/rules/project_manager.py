"""The project manager by rules: reads the requirements, breaks down, approves the schedule, sums up a round."""

from collections.abc import Mapping, Sequence

from agents.rules.approval import approval_of
from agents.rules.base import RuleAgent
from agents.rules.quoting import inline
from agents.rules.standup import actions_for, told_of
from delegation import (
    Approval,
    BoardStatus,
    Outcome,
    OutcomeStatus,
    Plan,
    Requirements,
    Role,
    Schedule,
    SquadMember,
    Standup,
    Task,
)
from delegation.engine import DelegationEngine

__all__ = ["RuleProjectManager"]

_MOST_NAMED = 12


class RuleProjectManager(RuleAgent):
    """Makes the project manager's judgements with the rules of delegation."""

    def __init__(self) -> None:
        super().__init__(Role.PROJECT_MANAGER)
        self._engine = DelegationEngine()

    async def analyze(self, task: Task) -> Requirements:
        """Read the requirements out of the task's text, inventing none."""
        return self._engine.analyze_task_requirements(task)

    async def break_down(self, task: Task, requirements: Requirements) -> Plan:
        """Break the task down into subtasks that together serve every criterion."""
        return self._engine.break_down_task(task, requirements)

    async def approve(self, proposal: Schedule, plan: Plan, members: Sequence[SquadMember]) -> Approval:
        """Approve the proposal, swap a member with a reason, or refuse it; the reasons say what was checked."""
        return approval_of(proposal, plan, members)

    async def standup(
        self, plan: Plan, outcomes: Mapping[str, Outcome], *, board: BoardStatus | None = None
    ) -> Standup:
        """Sum up the board from its facts: how many ended how, what waits, what stands in the way, what is late."""
        counts = {status: sum(one.status is status for one in outcomes.values()) for status in OutcomeStatus}
        open_ids = [subtask.id for subtask in plan.subtasks if subtask.id not in outcomes]
        parts = [f"{counts[OutcomeStatus.DONE]} of {len(plan.subtasks)} subtasks done"]
        parts += [
            f"{count} {status.value}" for status, count in counts.items() if count and status is not OutcomeStatus.DONE
        ]
        if open_ids:
            parts.append(f"{len(open_ids)} to do: {_named(open_ids)}")
        summary = "; ".join(parts) + "."
        if board is not None:
            summary = " ".join([summary, *told_of(board)])
        return Standup(summary=summary, blockers=_blockers(plan, outcomes), actions=actions_for(board) if board else [])


def _named(ids: list[str]) -> str:
    more = f" and {len(ids) - _MOST_NAMED} more" if len(ids) > _MOST_NAMED else ""
    return ", ".join(ids[:_MOST_NAMED]) + more


def _blockers(plan: Plan, outcomes: Mapping[str, Outcome]) -> list[str]:
    """Return a sentence for each subtask that is stuck, in the plan's order."""
    found = []
    for subtask in plan.subtasks:
        outcome = outcomes.get(subtask.id)
        if outcome is not None and outcome.status is not OutcomeStatus.DONE:
            why = outcome.question or outcome.note or "no reason was given"
            found.append(f"{subtask.id} {outcome.status.value}: {inline(why)}")
    return found
