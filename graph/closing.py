"""The end of a round on the board: the standup, and where it goes on from here."""

from collections.abc import Mapping, Sequence
from typing import Any

from delegation import (
    Board,
    EffectInDoubt,
    GateKind,
    Message,
    NewGate,
    Outcome,
    OutcomeStatus,
    Plan,
    Subtask,
)
from graph.asking import doubt_gate, is_doubt
from graph.attempts import Attempts
from graph.board_facts import BoardFacts
from graph.lifecycle import WorkflowState
from graph.outside import scope_of
from graph.standups import Standing, hold_standup, standup_told, status_of
from graph.step import Decided, Step
from persistence import Done, load_doubts, utc_now

__all__ = ["closing"]


async def closing(step: Step, plan: Plan, facts: BoardFacts, board: Board) -> Decided:
    """Decide where a board on which nothing can move goes: to review, to a human, or to failed.

    All questions are asked at once, one for each subtask that stands in its own way; those that only wait for such a
    one ask nothing.
    """
    work = facts.of_plan(step.since)
    outcomes = {done.subtask_id: done.outcome for done in work}
    state: dict[str, Any] = dict(step.state)
    added = state.get("added") or []
    delta = {name: state[name] for name in added if name in state}
    decided = Decided(to_state=WorkflowState.REVIEWING, reason="all subtasks are done", delta=delta)
    if added:
        decided.metadata["made_up_for"] = added
    decided.effects.messages.append(await _stand_up(step, plan, board, work, outcomes))
    stuck = board.stuck
    roots = [plan.subtask(one) for one in stuck if not stuck.keys() & set(plan.subtask(one).depends_on)]
    failed = [one for one in roots if board.status(one.id) == OutcomeStatus.FAILED]
    attempts = await Attempts.read(step, facts) if roots else None
    gates = [await _question(step, attempts, one, stuck[one.id], outcomes.get(one.id)) for one in roots if attempts]
    if failed and step.settings.on_failure == "fail" and not any(map(is_doubt, gates)):
        text = "; ".join(f"{one.id} ({one.title}) failed: {outcomes[one.id].note}" for one in failed)
        decided.to_state, decided.reason = WorkflowState.FAILED, text
    elif roots:
        decided.to_state = WorkflowState.BLOCKED
        decided.reason = f"{len(roots)} subtasks need a human"
        decided.effects.gates += gates
    return decided


async def _question(step: Step, attempts: Attempts, subtask: Subtask, why: str, outcome: Outcome | None) -> NewGate:
    """Return the question about a subtask that stands in its own way."""
    scope = scope_of(subtask.id, step.round)
    doubts = await step.database.read(lambda connection: load_doubts(connection, step.execution_id, scope))
    for name, error in doubts.items():
        return doubt_gate(scope, EffectInDoubt(name, error), next_state=step.node, subtask_id=subtask.id)
    tried = attempts.at(subtask.id)
    if refusals := attempts.facts.refused(subtask.id, attempts.since):
        return _refused(subtask, why, refusals, tried)
    note = outcome.note if outcome else why
    asked = outcome is not None and outcome.status == OutcomeStatus.BLOCKED
    return NewGate(
        kind=GateKind.BLOCKER if asked else GateKind.ESCALATION,
        question=f"{subtask.id} ({subtask.title}): {note or why}",
        reason=why,
        details=subtask.description,
        attempted_solutions=tried,
        subtask_id=subtask.id,
        next_state=WorkflowState.IN_PROGRESS.value,
    )


def _refused(subtask: Subtask, why: str, refusals: Sequence[Done], tried: Sequence[str]) -> NewGate:
    """Return the question about a subtask that nobody wants; once it is answered, whoever had it last tries again."""
    last = refusals[-1]
    return NewGate(
        kind=GateKind.ESCALATION,
        question=f"{subtask.id} ({subtask.title}) was {why.removeprefix('blocked: ')}. How should it be done?",
        reason=why,
        details=f"{subtask.description}\n\nOnce this is answered, {last.member_id} tries again, and is handed the "
        "answer and what the others had made.".lstrip(),
        attempted_solutions=[
            *(
                f"{one.member_id} was asked, and refused: {one.outcome.note or 'no reason was given'}"
                for one in refusals
            ),
            *tried,
        ],
        subtask_id=subtask.id,
        next_state=WorkflowState.IN_PROGRESS.value,
    )


async def _stand_up(
    step: Step, plan: Plan, board: Board, work: Sequence[Done], outcomes: Mapping[str, Outcome]
) -> Message:
    """Hold the standup that closes the round; what it counts ends with the round's last work, not with this moment."""
    standing = Standing(
        plan=plan,
        board=board,
        begun=min((done.started_at for done in work), default=None),
        now=max((done.at for done in work), default=utc_now()),
    )
    return standup_told(step, await hold_standup(step, plan, outcomes, status_of(step, standing)))
