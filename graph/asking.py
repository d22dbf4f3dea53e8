"""How a question to a human is told: in the audit log and as a message, whoever opens its gate."""

import logging
from collections.abc import Collection, Iterable, Sequence
from uuid import UUID

from delegation import (
    Answer,
    Approval,
    Assignment,
    Decision,
    EffectInDoubt,
    Gate,
    GateKind,
    Message,
    MessageType,
    NewGate,
    Plan,
    Replan,
    SquadMember,
)
from graph.intake_text import ascii_safe
from persistence import Effects, Move

__all__ = [
    "approval_gate",
    "approvals_told",
    "assignments_told",
    "call_for_a_human",
    "doubt_gate",
    "hands_told",
    "is_doubt",
    "log_gates",
    "question_for",
    "tell_of_gates",
]

logger = logging.getLogger("squad.gates")


def tell_of_gates(execution_id: UUID, effects: Effects) -> None:
    """Add the log line and the message of each gate that is about to be opened."""
    for gate in effects.gates:
        effects.log("gate", gate.question, gate_id=str(gate.id), kind=gate.kind.value)
        effects.messages.append(call_for_a_human(execution_id, gate))


def log_gates(execution_id: UUID, gates: Sequence[NewGate]) -> None:
    """Write one line for each gate that has been opened, whether or not anybody else is told of it."""
    for gate in gates:
        question = ascii_safe(" ".join(gate.question.split()))[:500]
        logger.info("%s %s of execution %s is open: %s", gate.kind.value, gate.id, execution_id, question)


def call_for_a_human(execution_id: UUID, gate: NewGate) -> Message:
    """Return the message that a question waits for an answer."""
    return Message(
        execution_id=execution_id,
        sender="workflow",
        type=MessageType.HUMAN_INTERVENTION_REQUIRED,
        content=f"Human intervention required: {gate.question}",
        metadata={"gate_id": str(gate.id)},
    )


def approval_gate(plan: Plan, approval: Approval, members: Sequence[SquadMember]) -> NewGate:
    """Return the question whether a plan and its assignments are right; its metadata holds what may be edited."""
    names = {member.id: member.name for member in members}
    given = {one.subtask_id: one for one in approval.schedule.assignments}
    lines = [
        f"{one.id} {one.title}: {names.get(given[one.id].member_id, given[one.id].member_id)}, {one.effort:g} h"
        + (f", after {', '.join(one.depends_on)}" if one.depends_on else "")
        for one in plan.subtasks
        if one.id in given
    ]
    lines += [f"{one.subtask_id}: nobody may do it, {one.reason}" for one in approval.schedule.unassigned]
    lines += ["", *approval.reasons] if approval.reasons else []
    return NewGate(
        kind=GateKind.APPROVAL,
        question=f"Shall {len(plan.subtasks)} subtasks be worked as planned, in {approval.schedule.makespan:g} hours?",
        reason="the plan and its assignments wait for approval",
        details="\n".join(lines),
        metadata={
            "plan": plan.model_dump(mode="json"),
            "assignments": [one.model_dump(mode="json") for one in approval.schedule.assignments],
            "reasons": approval.reasons,
        },
        subject=plan.digest(),
        next_state="in_progress",
    )


def assignments_told(execution_id: UUID, sender: str, assignments: Iterable[Assignment], plan: Plan) -> list[Message]:
    """Return the messages by which members are told what they are to take."""
    return [
        Message(
            execution_id=execution_id,
            sender=sender,
            recipient=one.member_id,
            type=MessageType.TASK_ASSIGNMENT,
            content=f"Please take {one.subtask_id}: {plan.subtask(one.subtask_id).title}",
            metadata={"subtask_id": one.subtask_id, "start": one.start, "finish": one.finish},
        )
        for one in assignments
    ]


def hands_told(execution_id: UUID, found: Replan, plan: Plan, *, new: Collection[str], reason: str) -> list[Message]:
    """Return the messages by which members are told what they get and what they lose in a new schedule of the rest."""
    given = {one.subtask_id: one for one in found.schedule.assignments}
    gets = [given[one] for one in [*(change.subtask_id for change in found.changes), *new] if one in given]
    said = assignments_told(execution_id, "delegation", gets, plan)
    for change in found.changes:
        text = f"{change.subtask_id} ({plan.subtask(change.subtask_id).title}) goes to {change.after}: {reason}"
        said.append(
            Message(
                execution_id=execution_id,
                sender="delegation",
                recipient=change.before,
                type=MessageType.STATUS_UPDATE,
                content=text,
                metadata={"subtask_id": change.subtask_id, "member_id": change.after},
            )
        )
    return said


def approvals_told(execution_id: UUID, gates: Iterable[Gate]) -> list[Message]:
    """Return the messages that follow a human's approval of a plan: that it was given, and who is to take what."""
    said = []
    for gate in gates:
        answer = Answer.model_validate(gate.answer) if gate.answer else None
        if gate.kind != GateKind.APPROVAL or answer is None or answer.decision != Decision.APPROVE:
            continue
        who, plan = answer.answered_by or "human", Plan.model_validate(gate.metadata["plan"])
        text = f"Approved: {answer.text}" if answer.text else "Approved"
        said.append(Message(execution_id=execution_id, sender=who, type=MessageType.APPROVAL, content=text))
        given = [Assignment.model_validate(one) for one in gate.metadata.get("assignments", [])]
        said += assignments_told(execution_id, who, given, plan)
    return said


def doubt_gate(scope: str, doubt: EffectInDoubt, *, next_state: str, subtask_id: str | None = None) -> NewGate:
    """Return the question about an effect that may have happened or not."""
    about = f"{subtask_id}: " if subtask_id else ""
    raised = f" It raised: {doubt.error}" if doubt.error else ""
    return NewGate(
        kind=GateKind.ESCALATION,
        question=f"{about}{doubt.name!r} was begun, and nothing says whether it happened. Did it?",
        reason="an effect outside is in doubt",
        details=f"Please look.{raised}\nRespond with what came of it, if it happened; approve that it is done once "
        "more, if it did not; reject to give the task up.",
        metadata={"effect": doubt.name, "scope": scope},
        subtask_id=subtask_id,
        next_state=next_state,
    )


def is_doubt(gate: NewGate) -> bool:
    """Tell whether the question is about an outside effect that may have happened or not."""
    return "effect" in gate.metadata


def question_for(move: Move) -> NewGate:
    """Return the question of an execution that was blocked without one: nobody waits without being asked anything."""
    why = move.reason or f"blocked in {move.from_state} without a reason"
    return NewGate(kind=GateKind.BLOCKER, question=why, reason=why, metadata=move.metadata)
