"""What review and test share: the work that they judge, and sending back what they find wanting."""

from collections.abc import Mapping, Sequence

from delegation import Finding, GateKind, NewGate, Outcome, Plan
from delegation.review import numbered
from graph.groundwork import Groundwork
from graph.lifecycle import WorkflowState
from graph.step import Decided, Step
from persistence import Done, load_present_work

__all__ = ["latest_outcomes", "latest_work", "send_back"]


async def latest_work(step: Step) -> dict[str, Done]:
    """Return how work on each subtask of the present plan ended last, for those that were worked."""
    work = step.drive.work
    if work is None:
        work = await step.database.read(lambda connection: load_present_work(connection, step.execution_id))
    since = step.since
    return {done.subtask_id: done for done in work if done.round >= since}


async def latest_outcomes(step: Step) -> Mapping[str, Outcome]:
    """Return the newest outcome of each subtask that has one."""
    return {subtask_id: done.outcome for subtask_id, done in (await latest_work(step)).items()}


def send_back(step: Step, ground: Groundwork, plan: Plan, findings: Sequence[Finding], why: str) -> Decided:
    """Send findings back to the board, each with an id; beyond the limit of reworks a human is asked."""
    opened = step.round
    rounds = opened - step.since + 1
    earlier = {one.id for one in step.state.get("findings") or [] if one.id}
    found = numbered(findings, f"{'R' if step.node == WorkflowState.REVIEWING else 'T'}{opened}.", earlier)
    ground.delta |= {"findings": found, "round": opened + 1}
    if rounds <= step.settings.max_reworks:
        return ground.decided(WorkflowState.IN_PROGRESS, why)
    known = {subtask.id for subtask in plan.subtasks}
    details = "\n".join(f"{one.subtask_id if one.subtask_id in known else '-'}: {one.message}" for one in findings)
    gate = NewGate(
        kind=GateKind.ESCALATION,
        question=f"The work was sent back {rounds - 1} times and is still wanting. How should it go on?",
        reason="human intervention required",
        details=details[:4000],
        attempted_solutions=[f"{rounds - 1} rounds of rework"],
        next_state=WorkflowState.IN_PROGRESS.value,
    )
    ground.effects.gates.append(gate)
    return ground.decided(WorkflowState.BLOCKED, f"{why}; the limit of {step.settings.max_reworks} reworks is reached")
