"""The node ``blocked``, the only one that interrupts: it asks all open questions and goes on when they are answered.

LangGraph keeps an answer before the node sees it and hands it back at every later run. So the node never raises for
an answer: it asks again, with the error in the payload. Nothing that has an effect runs before the interrupt.
"""

from collections import Counter
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.runtime import Runtime
from langgraph.types import interrupt
from sqlalchemy import Connection, Row

from delegation import Answer, Gate, GateError, GateStatus, InvalidTransition
from graph.answers import RESPONSE_SCHEMA, as_gate_error, check_answer, exit_from, interrupt_payload, read_resume
from graph.asking import approvals_told
from graph.context import RunSettings
from graph.engine import Planned
from graph.interventions import answered, find_gate
from graph.lifecycle import WorkflowState
from graph.requests import give_back
from graph.services import Services, drives_of
from graph.state import SquadState
from graph.step import Decided, Step, open_step
from persistence import Effects, Record, claim_gate, load_execution, load_gates, load_record, load_shared

__all__ = ["wait_for_a_human"]

_SAID_BEFORE = "the last answer was taken already; if it is meant for this gate too, name it: {gate id: answer}"


async def wait_for_a_human(
    services: Services, state: SquadState, config: RunnableConfig, runtime: Runtime[RunSettings]
) -> dict[str, Any]:
    """Ask until every open gate is answered, then go where the answers say."""
    step, recorded = await open_step(services, WorkflowState.BLOCKED, state, config, runtime)
    if recorded is not None:
        return recorded
    gates, error, answers = await _gates(step), None, list[Any]()
    others = await _taken_by_others(step)
    while waiting := [gate for gate in gates if gate.status == GateStatus.OPEN]:
        if not step.drive.kept:  # a bare run waits here, and no node sees its end
            await give_back(drives_of(step.database), services.engine, step.drive)
        value = interrupt(interrupt_payload(waiting, error), response_schema=RESPONSE_SCHEMA)
        step.drive = await services.drive_of(step.database, step.execution_id, runtime)
        if others[_hash(value)]:  # LangGraph kept it at the checkpoint that a client has gone back to
            others[_hash(value)] -= 1
            continue
        if answers and repr(answers[-1]) == repr(value):
            error = error or _SAID_BEFORE
        else:
            error = await _take(step, [*answers, value])
        answers.append(value)
        gates = await _gates(step)
    found = exit_from(gates, step.state.get("round") or 1)
    decided = Decided(to_state=found.to_state, reason=found.reason, delta=found.delta, metadata=found.metadata)
    if found.to_state == WorkflowState.IN_PROGRESS:
        decided.effects.messages += approvals_told(step.execution_id, gates)
    return await step.commit(decided)


async def _taken_by_others(step: Step) -> Counter[str]:
    """Return the answers, as hashes, that LangGraph hands out here again though they were another execution's.

    That is so where a client has answered at an older checkpoint: the fork's step has come with its original's id.
    """
    shared, _, own = step.task_id.partition(":")
    if not own:
        return Counter()
    records = await step.database.read(lambda connection: load_shared(connection, shared, step.execution_id))
    return Counter(str(record["said"]) for record in records if "said" in record)


def _hash(value: Any) -> str:
    return sha256(repr(value).encode()).hexdigest()


async def _gates(step: Step) -> list[Gate]:
    def look(connection: Connection) -> tuple[Row[Any], list[Gate]]:
        return load_execution(connection, step.execution_id), load_gates(connection, step.execution_id)

    row, gates = await step.database.read(look)
    return [gate for gate in gates if gate.opened_at >= row.blocked_at]


async def _take(step: Step, answers: Sequence[Any]) -> str | None:
    """Claim the gates that the last of the answers is for, once; returns what is wrong with it, or None.

    LangGraph hands back every answer that the task got whenever the node runs again; the journal knows them. It also
    hands the last one out once more, as if it were new, when a run is only continued: so an answer that equals the
    one before it counts for nothing.
    """
    key = f"answer:{len(answers) - 1}"
    said = _hash(answers[-1])

    def claim(connection: Connection) -> Planned:
        record = load_record(connection, step.task_id, key)
        if record is not None and record["said"] == said:
            return Planned(step.execution_id, value=record["error"])
        effects, error = _claimed(connection, step, answers[-1])
        if record is None:
            effects.record = Record(step.task_id, key, {"said": said, "error": error})
        return Planned(step.execution_id, effects=effects, value=error)

    planned = await step.services.engine.perform(step.database, claim, enters=WorkflowState.BLOCKED)
    await step.tell_messages(planned.effects.messages, step.state["seq"])
    error: str | None = planned.value
    return error


def _claimed(connection: Connection, step: Step, value: Any) -> tuple[Effects, str | None]:
    effects = Effects()
    row, gates = load_execution(connection, step.execution_id), load_gates(connection, step.execution_id)
    try:
        answers = read_resume(value, [gate for gate in gates if gate.status == GateStatus.OPEN])
        checked: list[tuple[Gate, Answer]] = []
        for gate_id, answer in answers:
            gate = find_gate(step.execution_id, gates, gate_id)
            check_answer(gate, answer, row)
            checked.append((gate, answer))
    except (GateError, InvalidTransition) as error:
        effects.log("answer_refused", as_gate_error(error))
        return effects, as_gate_error(error)
    for gate, answer in checked:
        if claim_gate(connection, step.execution_id, gate.id, answer):
            said = answered(step.execution_id, gate, answer)
            effects.logs += said.logs
            effects.messages += said.messages
    return effects, None
