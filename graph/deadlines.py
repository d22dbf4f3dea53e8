"""When a question is reminded of, when it is late, and what counts as its answer then.

Whoever asks may say so, and an answer that could never count is refused then and not at the deadline. For the
questions of the workflow itself the run's settings say it.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from math import isfinite
from typing import Any, Literal
from uuid import UUID

from delegation import ALLOWED_DECISIONS, Answer, Decision, Gate, GateKind, InputError, NewGate
from graph.answers import BY_DEADLINE, check_decision, read_answer
from graph.asking import is_doubt
from graph.budget import is_budget
from graph.context import RunSettings
from graph.lifecycle import WorkflowState
from persistence import utc_now

__all__ = ["DefaultAnswer", "Moment", "with_settings", "with_terms"]

Moment = datetime | timedelta | float
"""A point in time with its zone, or how long from now: a number is seconds."""

DefaultAnswer = Answer | Mapping[str, Any] | str
"""An answer, its fields, or its text."""

_GO_ON = "no answer came in time; go on as you think best"
_GIVE_UP = "no answer came in time"


def with_terms(
    gate: NewGate, *, remind_at: Moment | None, deadline: Moment | None, default_answer: DefaultAnswer | None
) -> NewGate:
    """Return the gate with its reminder, its deadline and what counts then.

    Raises:
        InputError: a time cannot be used, or they do not go together.
        GateError: the default is no answer, or none that the gate takes.
        InvalidTransition: the default goes on where a blocked execution may not go.
    """
    now = utc_now()
    reminder, late = _point(remind_at, "remind_at", now), _point(deadline, "deadline", now)
    if reminder and late and reminder >= late:
        raise InputError("remind_at is not before the deadline", hint="remind earlier, or leave remind_at out")
    if default_answer is None:
        return gate.model_copy(update={"remind_at": reminder, "deadline": late})
    if late is None:
        raise InputError("a default answer without a deadline would never count", hint="give a deadline, too")
    given = default_answer if isinstance(default_answer, Answer) else read_answer(default_answer)
    answer = given.model_copy(update={"answered_by": BY_DEADLINE})
    check_decision(_as_opened(gate), answer)
    return gate.model_copy(update={"remind_at": reminder, "deadline": late, "default_answer": answer})


def with_settings(gate: NewGate, settings: RunSettings) -> NewGate:
    """Return a gate of the workflow's own with what the run's settings say; what it says itself stays."""
    now, after = utc_now(), settings.gate_deadline_s
    terms: dict[str, Any] = {}
    if after is not None:
        # whether something outside happened is seen by looking, and whether more is spent is said by somebody
        choice = (
            "wait"
            if (is_doubt(gate) or is_budget(gate)) and settings.gate_default == "go_on"
            else settings.gate_default
        )
        terms |= {"deadline": _later(now, after), "default_answer": _default(gate.kind, choice)}
    if settings.gate_reminder_s is not None and (after is None or settings.gate_reminder_s < after):
        terms["remind_at"] = _later(now, settings.gate_reminder_s)
    said = {name for name in ("deadline", "default_answer", "remind_at") if getattr(gate, name) is not None}
    return gate if said or not terms else gate.model_copy(update=terms)


def _default(kind: GateKind, choice: Literal["wait", "go_on", "give_up"]) -> Answer | None:
    if choice == "wait":
        return None
    if choice == "give_up":  # an approval that is only rejected would be planned anew, for ever
        failed = WorkflowState.FAILED.value if kind == GateKind.APPROVAL else None
        return Answer(decision=Decision.REJECT, text=_GIVE_UP, next_state=failed, answered_by=BY_DEADLINE)
    approves = Decision.APPROVE in ALLOWED_DECISIONS[kind]
    decision = Decision.APPROVE if approves else Decision.RESPOND
    return Answer(decision=decision, text=_GO_ON, answered_by=BY_DEADLINE)


def _point(value: Moment | None, name: str, now: datetime) -> datetime | None:
    if value is None:
        return None
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise InputError(f"{name} has no time zone", hint="give an aware datetime, or seconds from now")
        point = value
    elif isinstance(value, bool) or not isinstance(value, int | float | timedelta):
        raise InputError(f"{name} is no time", hint="give an aware datetime, or seconds from now")
    else:
        seconds = value.total_seconds() if isinstance(value, timedelta) else float(value)
        if not isfinite(seconds):
            raise InputError(f"{name} is no time", hint="give an aware datetime, or seconds from now")
        point = _later(now, seconds)
    if point <= now:
        raise InputError(f"{name} has passed already", hint="give a time to come")
    return point


def _later(now: datetime, seconds: float) -> datetime:
    try:
        return now + timedelta(seconds=seconds)
    except OverflowError:
        raise InputError(f"{seconds:g} seconds from now is after the end of time", hint="give a nearer time") from None


def _as_opened(gate: NewGate) -> Gate:
    """Return the gate as it will be stored; any state that may be blocked may also be gone back to."""
    return Gate(
        **dict(gate),
        execution_id=UUID(int=0),
        origin_state=WorkflowState.ANALYZING.value,
        allowed=list(ALLOWED_DECISIONS[gate.kind]),
        opened_at=utc_now(),
    )
