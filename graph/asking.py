"""How a question to a human is told: in the audit log and as a message, whoever opens its gate."""

from uuid import UUID

from delegation import GateKind, Message, MessageType, NewGate
from persistence import Effects, Move

__all__ = ["question_for", "tell_of_gates"]


def tell_of_gates(execution_id: UUID, effects: Effects) -> None:
    """Add the log line and the message of each gate that is about to be opened."""
    for gate in effects.gates:
        effects.log("gate", gate.question, gate_id=str(gate.id), kind=gate.kind.value)
        effects.messages.append(call_for_a_human(execution_id, gate))


def call_for_a_human(execution_id: UUID, gate: NewGate) -> Message:
    """Return the message that a question waits for an answer."""
    return Message(
        execution_id=execution_id,
        sender="workflow",
        type=MessageType.HUMAN_INTERVENTION_REQUIRED,
        content=f"Human intervention required: {gate.question}",
        metadata={"gate_id": str(gate.id)},
    )


def question_for(move: Move) -> NewGate:
    """Return the question of an execution that was blocked without one: nobody waits without being asked anything."""
    why = move.reason or f"blocked in {move.from_state} without a reason"
    return NewGate(kind=GateKind.BLOCKER, question=why, reason=why, metadata=move.metadata)
