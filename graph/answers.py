"""What a human's answer means: read from any shape that clients send, checked against its gate, turned into a move."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from delegation import Answer, Decision, Gate, GateError, GateKind, GateStatus, InvalidTransition
from graph.lifecycle import VALID_TRANSITIONS, WorkflowState, check_move

__all__ = ["RESPONSE_SCHEMA", "check_answer", "checked_answer", "exit_from", "interrupt_payload", "read_resume"]

_FIELDS = ("decision", "text", "next_state", "plan", "answered_by")

RESPONSE_SCHEMA: dict[str, Any] = {
    "title": "Answers",
    "description": "One decision for each gate, in their order; or an object from gate id to decision.",
    "type": "object",
    "properties": {
        "decisions": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "type": {"type": "string", "enum": [decision.value for decision in Decision]},
                    "message": {"type": "string", "description": "The answer in words."},
                    "next_state": {
                        "type": "string",
                        "enum": [state.value for state in VALID_TRANSITIONS[WorkflowState.BLOCKED]],
                        "description": "Where to go on; left out, the state that it came from.",
                    },
                },
                "required": ["type"],
            },
        }
    },
}
"""What a client may send, as JSON Schema. Not a model: LangGraph would then raise for an answer that does not fit,
and keep that answer in the way of every later run."""


def interrupt_payload(gates: Sequence[Gate], error: str | None) -> dict[str, Any]:
    """Return the interrupt's value in the shape of LangChain's human-in-the-loop requests, with our ``error``."""
    return {
        "action_requests": [
            {
                "name": gate.kind.value,
                "args": gate.model_dump(mode="json"),
                "description": f"{gate.question}" + (f"\n\n{gate.details}" if gate.details else ""),
            }
            for gate in gates
        ],
        "review_configs": [
            {"action_name": gate.kind.value, "allowed_decisions": [one.value for one in gate.allowed]} for gate in gates
        ],
        "error": error,
    }


def read_resume(value: Any, gates: Sequence[Gate]) -> list[tuple[UUID, Answer]]:
    """Read a resume value: ``{gate id: decision}``, ``{"decisions": [...]}`` in the gates' order, or plain text.

    Raises:
        GateError: nothing in it answers a gate.
    """
    if isinstance(value, Mapping) and "decisions" in value:
        decisions = value["decisions"]
        if not isinstance(decisions, list) or not 0 < len(decisions) <= len(gates):
            raise GateError(f"'decisions' must be a list of one decision for each of {len(gates)} gate(s)")
        return [(gate.id, read_answer(one)) for gate, one in zip(gates, decisions, strict=False)]
    if isinstance(value, Mapping) and not {"type", "decision"} & value.keys():
        return [(_gate_id(key), read_answer(one)) for key, one in value.items()]
    if len(gates) != 1:
        ids = ", ".join(str(gate.id) for gate in gates)
        raise GateError(f"there are {len(gates)} open gates; say which is answered: {ids}")
    return [(gates[0].id, read_answer(value))]


def read_answer(value: Any) -> Answer:
    """Read one decision: its text, our fields, or LangChain's ``{"type", "message", "edited_action"}``."""
    if isinstance(value, str) and value.strip():
        return Answer(text=value)
    if not isinstance(value, Mapping) or not value:
        raise GateError("the answer is empty", hint='answer with text, or {"type": "respond", "message": "…"}')
    fields = {name: value[name] for name in _FIELDS if value.get(name) is not None}
    if "type" in value:
        fields.setdefault("decision", value["type"])
    if "message" in value:
        fields.setdefault("text", value["message"])
    edited = value.get("edited_action")
    if isinstance(edited, Mapping) and isinstance(edited.get("args"), Mapping) and "plan" in edited["args"]:
        fields.setdefault("plan", edited["args"]["plan"])
    if unknown := sorted(map(str, value.keys() - {*_FIELDS, "type", "message", "edited_action", "response"})):
        raise GateError(f"the answer has no field {unknown[0]!r}", hint=f"its fields are {', '.join(_FIELDS)}")
    return checked_answer(fields)


def checked_answer(fields: Mapping[str, Any]) -> Answer:
    """Return an answer of these fields; GateError, which names the field, where one cannot be used."""
    try:
        return Answer.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        raise GateError(f"the answer's {'.'.join(map(str, first['loc']))} cannot be used: {first['msg']}") from None


def check_answer(gate: Gate, answer: Answer) -> None:
    """Check that the gate takes the answer.

    Raises:
        GateError: the gate is closed, does not allow the decision, or the decision lacks its words.
        InvalidTransition: the next state is not one that a blocked execution may go to.
    """
    if gate.status != GateStatus.OPEN:
        raise GateError(f"gate {gate.id} is closed: {gate.status.value}", hint="`squad status` shows what is open")
    if answer.decision not in gate.allowed:
        allowed = ", ".join(gate.allowed)
        raise GateError(
            f"a gate of kind {gate.kind.value!r} does not take {answer.decision.value!r}; it takes {allowed}"
        )
    if answer.decision == Decision.RESPOND and not (answer.text or "").strip():
        raise GateError("an answer needs its words", hint="give a text")
    if answer.plan is not None and answer.decision != Decision.EDIT:
        raise GateError("a plan goes with the decision edit")
    check_move(WorkflowState.BLOCKED, _next_state(gate, answer))


def exit_from(gates: Sequence[Gate]) -> tuple[WorkflowState, str]:
    """Return where a blocked execution goes on, and why, once these gates were answered; the last explicit word wins.

    One that was given up ends in failed, whatever the others say.
    """
    answered = sorted((gate for gate in gates if gate.answer), key=lambda gate: gate.closed_at or gate.opened_at)
    answers = [(gate, Answer.model_validate(gate.answer)) for gate in answered]
    rejected = [(gate, answer) for gate, answer in answers if _gives_up(gate, answer)]
    if rejected:
        gate, answer = rejected[-1]
        return WorkflowState.FAILED, f"given up by a human: {answer.text or gate.question}"
    explicit = [pair for pair in answers if pair[1].next_state]
    gate, answer = (explicit or answers)[-1]
    words = "; ".join(answer.text or answer.decision.value for _, answer in answers)
    return WorkflowState(_next_state(gate, answer)), words


def _next_state(gate: Gate, answer: Answer) -> str:
    if _gives_up(gate, answer):
        return WorkflowState.FAILED
    return answer.next_state or gate.next_state or gate.origin_state


def _gives_up(gate: Gate, answer: Answer) -> bool:
    return answer.decision == Decision.REJECT and gate.kind != GateKind.APPROVAL


def _gate_id(key: Any) -> UUID:
    try:
        return UUID(str(key))
    except ValueError:
        raise GateError(f"{str(key)[:80]!r} is not the id of a gate") from None


def as_gate_error(error: GateError | InvalidTransition) -> str:
    """Return what an interrupt's payload says about an answer that did not count."""
    return f"{error.message}" + (f" ({error.hint})" if error.hint else "")
