"""What each working state does: an act that looks at the step and decides. The step protocol stores the decision."""

from typing import Any

from sqlalchemy import Connection, Row

from delegation import (
    Decision,
    GateKind,
    NewGate,
    Plan,
    digest_of,
)
from graph.acting import Act
from graph.approving import ask_for_approval, is_approved
from graph.groundwork import Groundwork
from graph.lifecycle import WorkflowState
from graph.reviewing import review
from graph.step import Decided, Step
from graph.testing import test
from persistence import load_execution, load_gates, load_transition

__all__ = ["ACTS"]


async def analyze(step: Step) -> Decided:
    """Read the requirements out of the task."""
    ground = Groundwork(step)
    requirements = await ground.analyze()
    reason = f"{requirements.type.value.replace('_', ' ')}, complexity {requirements.complexity} of 10"
    return ground.decided(WorkflowState.PLANNING, reason)


async def make_plan(step: Step) -> Decided:
    """Break the task down, estimate, plan the tests."""
    ground = Groundwork(step)
    if step.state.get("plan") or step.drive.had_plan:
        first = (step.state.get("round") or 1) + 1  # another plan: nothing that was done for the one before counts
        ground.delta |= {"round": first, "since": first, "findings": []}
        step.new_round = first
        await ground.heed(await _rejections(step))
    plan = await ground.make_plan()
    step.drive.planned_at = step.state["seq"] + 1
    return ground.decided(WorkflowState.DELEGATED, f"{len(plan.subtasks)} subtasks planned")


async def _rejections(step: Step) -> list[str]:
    """Return why humans rejected earlier plans."""
    gates = await step.database.read(lambda connection: load_gates(connection, step.execution_id))
    answers = [gate.answer for gate in gates if gate.kind == GateKind.APPROVAL and gate.answer]
    return [one["text"] for one in answers if one["decision"] == Decision.REJECT and one.get("text")]


async def delegate(step: Step) -> Decided:
    """Propose who does what and have it approved; whatever nobody may do is a question to a human."""
    ground = Groundwork(step)
    plan = await _plan_as_it_is(step, ground)
    waits = step.settings.approval == "human" and not await is_approved(step, plan)
    approval = await ground.delegate(waits=waits)
    lacking = [f"{one.subtask_id}: {one.reason}" for one in approval.schedule.unassigned]
    if lacking or not approval.approved:
        question = "Nobody may do some of the subtasks." if lacking else "The assignments were not approved."
        gate = NewGate(
            kind=GateKind.ESCALATION,
            question=f"{question} How should it go on?",
            reason="human intervention required",
            details="\n".join(lacking or approval.reasons),
        )
        ground.effects.gates.append(gate)
        return ground.decided(WorkflowState.BLOCKED, question)
    if waits:
        return await ask_for_approval(step, ground, approval)
    count = len(approval.schedule.assignments)
    return ground.decided(WorkflowState.IN_PROGRESS, f"{count} subtasks assigned and approved")


async def _plan_as_it_is(step: Step, ground: Groundwork) -> Plan:
    """Return the plan, with tests where a human's edit lacks some, and kept where a client changed the thread's."""
    seq = step.state["seq"]
    if step.drive.kept and step.drive.planned_at == seq:  # the step before made it, and nobody came between
        return await ground.plan()

    def look(connection: Connection) -> tuple[Row[Any], Row[Any] | None]:
        row = load_execution(connection, step.execution_id)
        return row, load_transition(connection, step.execution_id, seq)

    row, last = await step.database.read(look)
    plan = await ground.plan()
    asked = {text for subtask in plan.subtasks for text in subtask.criteria}
    untested = asked - {case.criterion for case in plan.test_cases}
    if not plan.test_cases or (untested and last is not None and last.metadata.get("edited")):
        await ground.plan_tests()
    elif row.plan is None or digest_of(row.plan) != plan.digest():
        ground.delta["plan"] = plan
    return await ground.plan()


ACTS: dict[WorkflowState, Act] = {
    WorkflowState.ANALYZING: analyze,
    WorkflowState.PLANNING: make_plan,
    WorkflowState.DELEGATED: delegate,
    WorkflowState.REVIEWING: review,
    WorkflowState.TESTING: test,
}
"""The acts of the states that have one; the others are nodes of another kind."""
