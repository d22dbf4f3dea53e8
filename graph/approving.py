"""A human's approval of a plan: whether it was given, and how it is asked for.

It is given for a plan and not for a state: an execution that is moved by hand past the question has a plan that nobody
approved, which is asked about before the board opens, and one that comes back keeps the approval that it has.
"""

from sqlalchemy import Connection

from delegation import Answer, Approval, Decision, Gate, GateKind, Plan, Subtask, work_digest
from graph.asking import approval_gate
from graph.groundwork import Groundwork
from graph.lifecycle import WorkflowState
from graph.step import Decided, Step
from persistence import load_gates, load_transitions

__all__ = ["ask_for_approval", "is_approved"]


async def is_approved(step: Step, plan: Plan) -> bool:
    """Tell whether a human approved the plan's subtasks since planning was last left, or gave them instead of others.

    A plan that was made anew is asked about even where it is the same: somebody wanted another one.
    """

    def look(connection: Connection) -> list[Gate]:
        moves = load_transitions(connection, step.execution_id)
        planned = [move.at for move in moves if move.from_state == WorkflowState.PLANNING]
        gates = load_gates(connection, step.execution_id)
        return [gate for gate in gates if not planned or gate.opened_at >= planned[-1]]

    return any(_approves(_approved_by(gate), plan) for gate in await step.database.read(look))


def _approves(approved: list[Subtask] | None, plan: Plan) -> bool:
    """Tell whether an approval of these subtasks is one of the plan: what callers have changed since is their word."""
    return approved is not None and (approved == plan.subtasks or work_digest(approved) == plan.amends)


def _approved_by(gate: Gate) -> list[Subtask] | None:
    """Return the subtasks that the gate's answer approves; None where it approves nothing."""
    if gate.kind != GateKind.APPROVAL or not gate.answer:
        return None
    answer = Answer.model_validate(gate.answer)
    if answer.decision == Decision.APPROVE:
        return Plan.model_validate(gate.metadata["plan"]).subtasks
    return answer.plan.subtasks if answer.plan else None


async def ask_for_approval(step: Step, ground: Groundwork, approval: Approval) -> Decided:
    """Wait for a human's word on the plan and the assignments that were proposed for it."""
    plan = await ground.plan()
    ground.delta.setdefault("plan", plan)  # the answer is to the plan as the row has it
    ground.effects.gates.append(approval_gate(plan, approval, step.facts.squad.members))
    return ground.decided(WorkflowState.BLOCKED, "the plan and its assignments wait for a human's approval")
