"""What is done for a gate whose reminder or deadline is due, decided inside the transaction that stores it, once."""

from datetime import datetime

from sqlalchemy import Connection

from delegation import Gate
from graph.answers import BY_DEADLINE
from graph.asking import call_for_a_human
from graph.engine import Planned
from graph.interventions import AnswerGate
from graph.requests import plan_for
from persistence import Effects, add_request, deadlines, lease

__all__ = ["be_late", "serve"]


def serve(connection: Connection, gate: Gate, now: datetime) -> Planned:
    """Remind of the gate, or take its default answer, or say that it is late.

    The value of what is planned says which: ``reminded``, ``answered``, ``overdue``; None where somebody was first.
    """
    if gate.deadline is None or gate.deadline > now:
        return _remind(connection, gate, now)
    if gate.default_answer is None:
        return be_late(connection, gate, now, "nobody has answered in time")
    return _decide(connection, gate, now)


def be_late(connection: Connection, gate: Gate, now: datetime, why: str) -> Planned:
    """Say, once, that the gate is late; it stays open."""
    if not deadlines.mark_overdue(connection, gate.id, now):
        return Planned(gate.execution_id)
    return _told("overdue", gate, f"Overdue, {why}: {gate.question}")


def _remind(connection: Connection, gate: Gate, now: datetime) -> Planned:
    if not deadlines.mark_reminded(connection, gate.id, now):
        return Planned(gate.execution_id)
    return _told("reminded", gate, f"Reminder: {gate.question}")


def _decide(connection: Connection, gate: Gate, now: datetime) -> Planned:
    """Take the default answer like any other: at once on a parked execution, as a request where somebody drives."""
    assert gate.default_answer is not None
    if not deadlines.mark_overdue(connection, gate.id, now):
        return Planned(gate.execution_id)
    answer = gate.default_answer.model_copy(update={"answered_by": BY_DEADLINE})
    intervention = AnswerGate(gate_id=gate.id, answer=answer)
    if lease.driver(connection, gate.execution_id) is None:
        planned = plan_for(connection, gate.execution_id, intervention)
    else:
        add_request(connection, gate.execution_id, intervention.kind, intervention.model_dump(mode="json"))
        planned = Planned(gate.execution_id)
    planned.value = "answered"
    return planned


def _told(event: str, gate: Gate, text: str) -> Planned:
    effects = Effects()
    effects.log(event, text, gate_id=str(gate.id), kind=gate.kind.value)
    effects.messages.append(call_for_a_human(gate.execution_id, gate).model_copy(update={"content": text}))
    return Planned(gate.execution_id, effects=effects, value=event)
