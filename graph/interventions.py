"""What a caller may do to an execution from outside: block, escalate, answer, move on, complete, fail, cancel.

``Rearrange``, which changes plan and squad, has a module of its own.

An intervention is data, so that it can be done at once on a parked execution or be left as a request for whoever
drives it. Either way ``decide`` looks at the row inside the transaction that stores what it decides.
"""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection, Row

from delegation import Answer, Gate, GateError, GateKind, GateStatus, Message, MessageType, NewGate
from graph.answers import check_answer
from graph.engine import Planned
from graph.leaving import leave, move_of
from graph.lifecycle import WorkflowState
from graph.rearranging import Rearrange
from persistence import Effects, claim_gate, load_gates

__all__ = [
    "Advance",
    "AnswerGate",
    "Block",
    "Cancel",
    "Complete",
    "Fail",
    "Intervention",
    "answered",
    "find_gate",
]

_S = WorkflowState


class _Intervention(BaseModel):
    model_config = ConfigDict(frozen=True)


class Block(_Intervention):
    """Stop for a human, with a question; on an execution that is blocked already, one question more."""

    kind: Literal["block"] = "block"
    gate: NewGate

    def decide(self, connection: Connection, row: Row[Any]) -> Planned:
        """Enter blocked with the gate, or add it to those that are open."""
        effects = Effects(gates=[self.gate])
        if row.status == _S.BLOCKED:
            return Planned(row.id, None, effects, self.gate.id, row.origin_state)
        reason = self.gate.question if self.gate.kind == GateKind.BLOCKER else self.gate.reason
        return Planned(row.id, move_of(row, _S.BLOCKED, reason, self.gate.metadata), effects, self.gate.id)


class AnswerGate(_Intervention):
    """Answer one gate; the last answer that was waited for lets the execution go on.

    Without a ``gate_id`` it is the one that is open, or the one blocker among others.
    """

    kind: Literal["answer"] = "answer"
    gate_id: UUID | None = None
    answer: Answer

    def decide(self, connection: Connection, row: Row[Any]) -> Planned:
        """Claim the gate, and leave blocked if none is open any more."""
        if row.status != _S.BLOCKED:
            raise _waits_for_nothing(connection, row, self.gate_id)
        gates = load_gates(connection, row.id)
        gate = self._gate(row, gates)
        check_answer(gate, self.answer, row)
        if not claim_gate(connection, row.id, gate.id, self.answer):
            raise GateError(f"gate {gate.id} is closed already")
        effects = answered(row.id, gate, self.answer)
        return Planned(row.id, leave(connection, row, self.answer, effects), effects, gate.id, row.origin_state)

    def _gate(self, row: Row[Any], gates: list[Gate]) -> Gate:
        if self.gate_id is not None:
            return find_gate(row.id, gates, self.gate_id)
        waiting = [gate for gate in gates if gate.status == GateStatus.OPEN]
        blockers = [gate for gate in waiting if gate.kind == GateKind.BLOCKER]
        if len(waiting) > 1 and len(blockers) == 1:
            return blockers[0]
        if len(waiting) != 1:
            which = "; ".join(f"{gate.id}: {gate.question[:80]}" for gate in waiting)
            raise GateError(f"{len(waiting)} gates are open; name one with gate_id: {which}")
        return waiting[0]


def _waits_for_nothing(connection: Connection, row: Row[Any], gate_id: UUID | None) -> GateError:
    """Return the error for an answer to an execution that asks nothing, which says if the gate was answered before."""
    gates = [gate for gate in load_gates(connection, row.id) if gate.id == gate_id]
    if gates and gates[0].status == GateStatus.ANSWERED:
        return GateError(
            f"gate {gate_id} is answered already, and the execution went on to {row.status!r}",
            hint=f"squad resume {row.id}",
        )
    return GateError(
        f"execution {row.id} waits for no answer; it is in {row.status!r}", hint="`squad status` shows where it is"
    )


class Advance(_Intervention):
    """Move on by hand."""

    kind: Literal["advance"] = "advance"
    to_state: WorkflowState
    reason: str | None = None

    def decide(self, connection: Connection, row: Row[Any]) -> Planned:
        """Go to the state, if the map allows it from where the execution is."""
        return Planned(row.id, move_of(row, self.to_state, self.reason, {"by": "caller"}), Effects(), self.to_state)


class Complete(_Intervention):
    """End it as completed, on the caller's word."""

    kind: Literal["complete"] = "complete"
    result: dict[str, Any]

    def decide(self, connection: Connection, row: Row[Any]) -> Planned:
        """Store the caller's result, named as the caller's."""
        effects = Effects(columns={"result": self.result})
        effects.log("completed", "completed on the caller's word", by="caller")
        return Planned(row.id, move_of(row, _S.COMPLETED, "completed on the caller's word", {"by": "caller"}), effects)


class Fail(_Intervention):
    """End it as failed, with the error."""

    kind: Literal["fail"] = "fail"
    error: str

    def decide(self, connection: Connection, row: Row[Any]) -> Planned:
        """Give the error as the reason."""
        return Planned(row.id, move_of(row, _S.FAILED, self.error, {"by": "caller"}))


class Cancel(_Intervention):
    """End it because nobody wants it any more."""

    kind: Literal["cancel"] = "cancel"
    reason: str | None = None

    def decide(self, connection: Connection, row: Row[Any]) -> Planned:
        """End in failed, named as cancelled."""
        text = f"cancelled: {self.reason or 'no reason given'}"
        return Planned(row.id, move_of(row, _S.FAILED, text, {"by": "caller", "cancelled": True}))


Intervention = Annotated[
    Block | AnswerGate | Advance | Complete | Fail | Cancel | Rearrange, Field(discriminator="kind")
]


def find_gate(execution_id: UUID, gates: list[Gate], gate_id: UUID) -> Gate:
    """Return the execution's gate of that id.

    Raises:
        GateError: the execution has no such gate; it may be another's.
    """
    for gate in gates:
        if gate.id == gate_id:
            return gate
    raise GateError(f"execution {execution_id} has no gate {gate_id}", hint="`squad status` shows its gates")


def answered(execution_id: UUID, gate: Gate, answer: Answer) -> Effects:
    """Return what is logged and said of an answer."""
    words = answer.text or answer.decision.value
    who = answer.answered_by or "human"
    effects = Effects()
    effects.log("answer", words, gate_id=str(gate.id), decision=answer.decision.value, by=who)
    message = Message(
        execution_id=execution_id,
        sender=who,
        type=MessageType.ANSWER,
        content=words,
        metadata={"gate_id": str(gate.id), "subtask_id": gate.subtask_id},
    )
    effects.messages.append(message)
    return effects
