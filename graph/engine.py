"""The workflow engine: every transition, whoever asks for it, is checked and stored here and announced from here."""

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncSession

from delegation import ActionTimeout, Message, NotFound, Plan, StaleTransition, json_object
from graph.asking import log_gates, question_for, tell_of_gates
from graph.lifecycle import (
    DESCRIPTIONS,
    FINAL_STATES,
    WorkflowState,
    as_state,
    check_move,
    is_legal,
    legal_moves,
    progress_of,
)
from graph.metrics import workflow_metrics
from persistence import (
    Database,
    Effects,
    Facts,
    Move,
    MovedOn,
    after_commit,
    apply_move,
    as_uuid,
    database_of,
    is_idle,
    on_session,
    store_effects,
    unit,
)

__all__ = ["Decide", "Planned", "StateAction", "WorkflowEngine"]

StateAction = Callable[[AsyncSession, UUID, dict[str, Any]], Awaitable[Any]]
Announce = Callable[[Sequence[Message]], Awaitable[None]]

log = logging.getLogger(__name__)


@dataclass
class Planned:
    """What is to be stored in one transaction: a move, or effects alone. ``seq`` is the move's number once stored."""

    execution_id: UUID
    move: Move | None = None
    effects: Effects = field(default_factory=Effects)
    value: Any = None
    origin_state: str | None = None
    seq: int | None = None
    at: int = 0
    """The number of the last transition when the plan was changed."""
    plan: Plan | None = None
    """The plan as it is from now on, where it was changed without a move: the next one tells the thread."""
    facts: Facts | None = None
    """Task and squad as they are from now on, where somebody dropped out or came back."""


Decide = Callable[[Connection], Planned]
"""Looks at the rows inside the transaction, and says what to store in it; what it raises rolls everything back."""


class WorkflowEngine:
    """Checks moves against the map, runs the actions of states, and stores transitions.

    Args:
        action_timeout_s: how long a registered action may take, in seconds; it runs inside the transaction, which
            holds the database's write lock, so slow work belongs in a node before it.
    """

    def __init__(self, *, action_timeout_s: float = 5.0) -> None:
        self.action_timeout_s = action_timeout_s
        self._actions: dict[WorkflowState, StateAction] = {}
        self._listeners: list[Announce] = []

    def is_valid_transition(self, from_state: str, to_state: str) -> bool:
        """Tell whether the map holds the move."""
        return is_legal(from_state, to_state)

    def get_valid_transitions(self, state: str) -> list[WorkflowState]:
        """Return where the state may go."""
        return legal_moves(state)

    def get_state_description(self, state: str) -> str:
        """Return what happens in the state, in a sentence."""
        return DESCRIPTIONS[as_state(state)]

    def get_workflow_progress(self, current_state: str) -> dict[str, Any]:
        """Return the state's progress in percent, and whether it is final or blocked."""
        state = as_state(current_state)
        return {
            "state": state,
            "progress_percentage": progress_of(state),
            "is_terminal": state in FINAL_STATES,
            "is_blocked": state == WorkflowState.BLOCKED,
        }

    def get_workflow_metrics(self, state_history: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Return counts and times of a history of ``{"state", "timestamp"}``; see :func:`workflow_metrics`."""
        return workflow_metrics(state_history)

    def register_state_action(self, state: str, action: StateAction) -> None:
        """Run ``await action(db, execution_id, context)`` inside each transaction that enters the state.

        There is one a state: a second registration replaces the first. ``context`` holds the metadata's keys.
        """
        if not callable(action):
            raise TypeError("a state action is an async function of (db, execution_id, context)")
        self._actions[as_state(state)] = action

    def has_action(self, state: str) -> bool:
        """Tell whether entering the state runs an action."""
        return state in self._actions

    def add_listener(self, announce: Announce) -> None:
        """Call ``announce`` with the messages of each transaction, after it has committed."""
        if announce not in self._listeners:
            self._listeners.append(announce)

    async def transition_state(
        self,
        *,
        db: AsyncSession,
        execution_id: UUID | str,
        from_state: str,
        to_state: str,
        reason: str | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> bool:
        """Move an execution by hand, in one transaction with the action of the state that it enters.

        Raises:
            InvalidTransition: the map does not hold the move; the error names the legal ones.
            StaleTransition: the execution is not in ``from_state``.
            NotFound: there is no such execution.
            ActionTimeout: the action took too long. Whatever is raised, nothing was changed.
        """
        move = Move(
            execution_id=as_uuid(execution_id, "an execution"),
            from_state=as_state(from_state) if from_state in set(WorkflowState) else from_state,
            to_state=to_state,
            reason=reason,
            metadata=json_object(metadata, "the metadata"),
        )
        await self.perform_on(db, lambda _: Planned(move.execution_id, move))
        return True

    async def perform(self, database: Database, decide: Decide, *, enters: str | None = None) -> Planned:
        """Decide and store in a transaction of its own: one hop, unless an action may have to run in it.

        ``enters`` is the state that it will enter, where that is known before.
        """
        if self._actions and (enters is None or enters in self._actions):
            async with database.session() as db:
                return await self.perform_on(db, decide)
        planned = await database.write(lambda connection: self._store(connection, decide))
        await self._tell(planned)
        return planned

    async def perform_on(self, db: AsyncSession, decide: Decide) -> Planned:
        """Decide and store on a caller's session, with the action of the state that is entered, and commit.

        A session that holds nothing of the caller's gets the same from one hop of the database's writer, in a tenth
        of the time.
        """
        if not self._actions and await is_idle(db):
            return await self.perform(database_of(db), decide)
        async with unit(db):
            planned = await on_session(db, lambda connection: self._store(connection, decide))
            after_commit(db, partial(self._tell, planned))
            if planned.move:
                await self.execute_state_actions(
                    db=db,
                    execution_id=planned.execution_id,
                    state=planned.move.to_state,
                    context=planned.move.metadata,
                )
        return planned

    def _store(self, connection: Connection, decide: Decide) -> Planned:
        planned = decide(connection)
        move = planned.move
        if move and move.to_state == WorkflowState.BLOCKED and not planned.effects.gates:
            planned.effects.gates.append(question_for(move))
        tell_of_gates(planned.execution_id, planned.effects)
        if move is None:
            store_effects(connection, planned.execution_id, planned.effects, origin_state=planned.origin_state or "")
            return planned
        check_move(move.from_state, move.to_state)
        if move.to_state == WorkflowState.FAILED:
            planned.effects.columns.setdefault("error_message", move.reason or "failed without a reason")
        try:
            planned.seq = apply_move(connection, move, planned.effects)
            planned.move = replace(move, delta=planned.effects.delta)
        except MovedOn as moved:
            raise stale(move, moved) from None
        return planned

    async def execute_state_actions(
        self, *, db: AsyncSession, execution_id: UUID | str, state: str, context: dict[str, Any] | None = None
    ) -> Any:
        """Run the action registered for the state and return its result; None where there is none."""
        action = self._actions.get(as_state(state))
        if action is None:
            return None
        try:
            async with asyncio.timeout(self.action_timeout_s) as limit:
                result = action(db, as_uuid(execution_id, "an execution"), dict(context or {}))
                return await result if inspect.isawaitable(result) else result
        except TimeoutError:
            if not limit.expired():
                raise  # the action's own
            raise ActionTimeout(
                f"the action for entering {str(state)!r} took longer than {self.action_timeout_s:g} s; not moved",
                hint="do slow work before the transition, or raise action_timeout_s",
            ) from None

    async def _tell(self, planned: Planned) -> None:
        log_gates(planned.execution_id, planned.effects.gates)
        await self.announce(planned.effects.messages)

    async def announce(self, messages: Sequence[Message]) -> None:
        """Deliver what a transaction said, now that it has committed; nothing here can undo or fail it."""
        for listener in self._listeners:
            try:
                await listener(messages)
            except Exception:  # a listener's failure is its own; the transition is stored
                log.exception("a listener failed on %d message(s)", len(messages))


def stale(move: Move, moved: MovedOn) -> StaleTransition | NotFound:
    """Return the error for a move whose execution is somewhere else, or nowhere."""
    if moved.status is None:
        return NotFound(f"there is no execution {move.execution_id}")
    legal = map(str, legal_moves(moved.status))
    return StaleTransition(str(move.from_state), moved.status, str(move.to_state), legal)
