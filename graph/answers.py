"""What a human's answer means: read from any shape that clients send, checked against its gate, turned into a move."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from pydantic import ValidationError
from sqlalchemy import Row

from delegation import (
    Answer,
    Decision,
    Gate,
    GateError,
    GateKind,
    GateStatus,
    InvalidTransition,
    PlanError,
    check_plan,
    digest_of,
)
from graph.budget import check_grant
from graph.lifecycle import VALID_TRANSITIONS, WorkflowState, check_move

__all__ = [
    "BY_DEADLINE",
    "RESPONSE_SCHEMA",
    "Exit",
    "check_answer",
    "check_decision",
    "checked_answer",
    "exit_from",
    "interrupt_payload",
    "read_resume",
]

BY_DEADLINE = "deadline"
"""Who gave an answer that nobody gave in time."""

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
                    "plan": {"type": "object", "description": "With edit: the plan to use instead."},
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
    if (plan := _edited_plan(value.get("edited_action"))) is not None:
        fields.setdefault("plan", plan)
    if unknown := sorted(map(str, value.keys() - {*_FIELDS, "type", "message", "edited_action", "response"})):
        raise GateError(f"the answer has no field {unknown[0]!r}", hint=f"its fields are {', '.join(_FIELDS)}")
    return checked_answer(fields)


def _edited_plan(action: Any) -> Any:
    """Return the plan out of LangChain's edited action: its arguments are the gate's, which show the plan."""
    args = action.get("args") if isinstance(action, Mapping) else None
    if not isinstance(args, Mapping):
        return None
    shown = args.get("metadata")
    return args.get("plan") or (shown.get("plan") if isinstance(shown, Mapping) else None)


def checked_answer(fields: Mapping[str, Any]) -> Answer:
    """Return an answer of these fields; GateError, which names the field, where one cannot be used."""
    if fields.get("answered_by") == BY_DEADLINE:
        raise GateError(f"{BY_DEADLINE!r} is nobody's name: it is how the default answer of a gate is signed")
    try:
        return Answer.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        raise GateError(f"the answer's {'.'.join(map(str, first['loc']))} cannot be used: {first['msg']}") from None


def check_answer(gate: Gate, answer: Answer, row: Row[Any]) -> None:
    """Check that the gate takes the answer, as the execution's row stands now.

    Raises:
        GateError: the gate is closed, is about something that has changed since, does not take the decision, or its
            plan cannot be worked.
        InvalidTransition: the next state is not one that a blocked execution may go to.
    """
    check_decision(gate, answer)
    _check_subject(gate, answer, row)
    _check_plan(answer, row)


def check_decision(gate: Gate, answer: Answer) -> None:
    """Check what can be known of an answer without looking at the execution.

    Raises:
        GateError: the gate is closed, does not allow the decision, or the decision lacks its words or its plan.
        InvalidTransition: the next state is not one that a blocked execution may go to.
    """
    if gate.status != GateStatus.OPEN:
        raise GateError(f"gate {gate.id} is closed: {gate.status.value}", hint="`squad status` shows what is open")
    if answer.decision not in gate.allowed:
        allowed = ", ".join(gate.allowed)
        raise GateError(
            f"a gate of kind {gate.kind.value!r} does not take {answer.decision.value!r}; it takes {allowed}",
            hint=f"say which: {gate.allowed[0].value}, for example (--decision {gate.allowed[0].value})",
        )
    if answer.decision == Decision.RESPOND and not (answer.text or "").strip():
        raise GateError("an answer needs its words", hint="give a text")
    if answer.decision == Decision.EDIT and answer.plan is None:
        raise GateError("the decision edit needs a plan", hint="take the gate's metadata.plan, and change it")
    if answer.plan is not None and answer.decision != Decision.EDIT:
        raise GateError("a plan goes with the decision edit")
    check_grant(gate, answer)
    if gate.kind == GateKind.APPROVAL and answer.decision == Decision.REJECT and answer.next_state in _PAST_PLANNING:
        raise GateError(
            f"a plan that is rejected cannot be worked, so it cannot go on in {answer.next_state!r}",
            hint="leave next_state out to have it planned anew, or go to 'failed'",
        )
    check_move(WorkflowState.BLOCKED, _next_state(gate, answer))


_PAST_PLANNING = frozenset(
    {WorkflowState.DELEGATED, WorkflowState.IN_PROGRESS, WorkflowState.REVIEWING, WorkflowState.TESTING}
)


def _check_subject(gate: Gate, answer: Answer, row: Row[Any]) -> None:
    """Refuse an answer to a question about a plan that is another one by now; rejecting it does no harm."""
    if gate.subject is None or answer.decision == Decision.REJECT:
        return
    if row.plan is None or digest_of(row.plan) != gate.subject:
        raise GateError(
            f"the plan has changed since gate {gate.id} was opened, and the answer is to the plan before",
            hint="reject it, and the plan as it is now will be asked about",
        )


def _check_plan(answer: Answer, row: Row[Any]) -> None:
    if answer.plan is None:
        return
    if answer.next_state not in {None, WorkflowState.DELEGATED}:
        raise GateError(
            f"an edited plan has to be delegated first, and cannot go to {answer.next_state!r}",
            hint="leave next_state out",
        )
    criteria = [one["text"] for one in (row.requirements or {}).get("criteria", [])]
    try:
        check_plan(answer.plan, criteria)
    except PlanError as error:
        raise GateError(f"the answer's plan cannot be used: {error.message}", hint=error.hint) from None


@dataclass(frozen=True)
class Exit:
    """The way out of blocked: where to, why, what it changes in the working state, what the transition says of it."""

    to_state: WorkflowState
    reason: str
    delta: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)


def exit_from(gates: Sequence[Gate], round_: int) -> Exit:
    """Return where a blocked execution goes on, and why, once these gates were answered.

    One that was given up ends in failed, and a plan that was rejected is made anew, whatever the others say; then the
    last explicit word wins. ``round_`` is the board's: what was done for the plan before an edited one counts no more.
    """
    answered = sorted((gate for gate in gates if gate.answer), key=lambda gate: gate.closed_at or gate.opened_at)
    answers = [(gate, Answer.model_validate(gate.answer)) for gate in answered]
    gate, answer = max(enumerate(answers), key=lambda pair: (_weight(*pair[1]), pair[0]))[1]
    if _gives_up(gate, answer):
        who = "at the deadline" if answer.answered_by == BY_DEADLINE else "by a human"
        return Exit(WorkflowState.FAILED, f"given up {who}: {answer.text or gate.question}")
    words = "; ".join(answer.text or answer.decision.value for _, answer in answers)
    to_state = WorkflowState(_next_state(gate, answer))
    if answer.decision != Decision.EDIT:
        return Exit(to_state, words)
    delta: dict[str, Any] = {"plan": answer.plan, "round": round_ + 1, "since": round_ + 1, "findings": []}
    return Exit(to_state, words, delta, {"edited": True})


def _weight(gate: Gate, answer: Answer) -> int:
    """Return how much an answer weighs among others in where it goes on."""
    if _gives_up(gate, answer):
        return 4
    approval = gate.kind == GateKind.APPROVAL
    if approval and answer.decision in {Decision.REJECT, Decision.EDIT}:
        return 3
    return 2 if answer.next_state else 1 if approval else 0


def _next_state(gate: Gate, answer: Answer) -> str:
    if _gives_up(gate, answer):
        return WorkflowState.FAILED
    if answer.next_state:
        return answer.next_state
    if gate.kind == GateKind.APPROVAL and answer.decision in {Decision.REJECT, Decision.EDIT}:
        return WorkflowState.PLANNING if answer.decision == Decision.REJECT else WorkflowState.DELEGATED
    return gate.next_state or gate.origin_state


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
