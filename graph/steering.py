"""Steering an execution from outside: block, escalate, resolve, answer, move on, complete, fail, cancel."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncSession

from delegation import (
    Decision,
    Gate,
    GateKind,
    NewGate,
    Plan,
    PlanChange,
    Subtask,
    json_object,
    validated,
)
from graph.answers import checked_answer
from graph.deadlines import DefaultAnswer, Moment, with_terms
from graph.engine import Planned, WorkflowEngine
from graph.interventions import Advance, AnswerGate, Block, Cancel, Complete, Fail, Intervention, find_gate
from graph.lifecycle import WorkflowState, check_move
from graph.rearranging import Rearrange
from graph.requests import DrivenError, Request, leave_request, plan_at_once
from persistence import Database, as_uuid, database_of, fresh, load_gates, on_session

__all__ = ["Steering"]

T = TypeVar("T")


class Steering(ABC):
    """The methods by which callers steer executions.

    On a parked execution they act at once. While somebody drives it, they leave a durable request and return a
    :class:`Request`, whose ``wait()`` gives the outcome.
    """

    workflow_engine: WorkflowEngine

    @property
    @abstractmethod
    def _database(self) -> Database:
        """The database that this works on; ConfigurationError where there is none yet."""

    @abstractmethod
    def _use(self, database: Database) -> None:
        """Work on that database; ConfigurationError where it is another one already."""

    async def handle_blocker(
        self,
        *,
        db: AsyncSession,
        execution_id: UUID | str,
        blocker_description: str,
        blocker_metadata: dict[str, Any] | None = None,
        remind_at: Moment | None = None,
        deadline: Moment | None = None,
        default_answer: DefaultAnswer | None = None,
    ) -> Gate | Request:
        """Block the execution with a question to a human; one that is blocked already gets one question more.

        ``remind_at`` and ``deadline`` are aware datetimes, or seconds from now; :meth:`watch` serves them. At the
        deadline ``default_answer`` counts, an answer or its fields; without one the question stays open.

        Raises:
            InputError: a time cannot be used.
            GateError: the default answer is none that the gate takes.
        """
        fields = {
            "kind": GateKind.BLOCKER,
            "question": blocker_description,
            "reason": blocker_description,
            "metadata": json_object(blocker_metadata, "the blocker's metadata"),
        }
        terms = {"remind_at": remind_at, "deadline": deadline, "default_answer": default_answer}
        return await self._ask(db, execution_id, validated(NewGate, fields, "the blocker's"), terms)

    async def escalate_to_human(
        self,
        *,
        db: AsyncSession,
        execution_id: UUID | str,
        reason: str,
        details: str = "",
        attempted_solutions: list[str] | None = None,
        remind_at: Moment | None = None,
        deadline: Moment | None = None,
        default_answer: DefaultAnswer | None = None,
    ) -> Gate | Request:
        """Block the execution because a human has to decide; returns the gate. The rest is as for a blocker."""
        fields = {
            "kind": GateKind.ESCALATION,
            "question": reason,
            "reason": reason,
            "details": details if isinstance(details, str) else str(details),
            "attempted_solutions": attempted_solutions or [],
        }
        terms = {"remind_at": remind_at, "deadline": deadline, "default_answer": default_answer}
        return await self._ask(db, execution_id, validated(NewGate, fields, "the escalation's"), terms)

    async def resolve_blocker(
        self,
        *,
        db: AsyncSession,
        execution_id: UUID | str,
        resolution: str,
        next_state: str,
        gate_id: UUID | str | None = None,
    ) -> WorkflowState | Request:
        """Close the one open gate, or the one named, and go on in ``next_state``; returns where it stands now.

        Raises:
            GateError: nothing is open, or several are and none was named; the error says which.
            InvalidTransition: a blocked execution may not go there.
        """
        check_move(WorkflowState.BLOCKED, next_state)
        answer = checked_answer({"text": resolution, "next_state": next_state, "answered_by": "caller"})
        which = as_uuid(gate_id, "a gate") if gate_id is not None else None
        return await self._move(db, execution_id, AnswerGate(gate_id=which, answer=answer))

    async def answer(
        self,
        execution_id: UUID | str,
        gate_id: UUID | str,
        *,
        decision: str = Decision.RESPOND,
        text: str | None = None,
        next_state: str | None = None,
        plan: Plan | Mapping[str, Any] | None = None,
        answered_by: str | None = None,
    ) -> WorkflowState | Request:
        """Answer a gate; returns where the execution stands now.

        Raises:
            GateError: the gate is unknown, closed, another execution's, or does not take that answer.
            InvalidTransition: a blocked execution may not go to ``next_state``.
        """
        fields = {
            "decision": decision,
            "text": text,
            "next_state": next_state,
            "plan": plan,
            "answered_by": answered_by,
        }
        intervention = AnswerGate(gate_id=as_uuid(gate_id, "a gate"), answer=checked_answer(fields))
        async with self._database.session() as db:
            return await self._move(db, execution_id, intervention)

    async def replan(
        self,
        *,
        db: AsyncSession,
        execution_id: UUID | str,
        changes: Iterable[PlanChange | Mapping[str, Any]],
        reason: str = "",
    ) -> str | Request:
        """Change plan and squad, all or nothing, and schedule the rest from now on with few changes of hands.

        What runs stays where it is, unless it is cancelled or its member drops out. While somebody drives, members go
        on meanwhile. Returns in words what came of it. The methods below make one change each.

        Raises:
            InputError: a change is none.
            PlanError: a change names what there is not, or the plan could not be worked after it.
        """
        intervention = validated(Rearrange, {"changes": list(changes), "reason": reason}, "replan")
        done = await self._intervene(db, execution_id, intervention)
        return done if isinstance(done, Request) else str(done.value)

    async def member_unavailable(
        self, *, db: AsyncSession, execution_id: UUID | str, member_id: str, reason: str = ""
    ) -> str | Request:
        """Have a member drop out: what it runs is ended and begun anew by somebody else, like all else that it had."""
        change = {"kind": "member_unavailable", "member_id": member_id, "reason": reason}
        return await self.replan(db=db, execution_id=execution_id, changes=[change])

    async def member_available(self, *, db: AsyncSession, execution_id: UUID | str, member_id: str) -> str | Request:
        """Have a member that had dropped out take part again."""
        change = {"kind": "member_available", "member_id": member_id}
        return await self.replan(db=db, execution_id=execution_id, changes=[change])

    async def revise_estimate(
        self, *, db: AsyncSession, execution_id: UUID | str, subtask_id: str, hours: float
    ) -> str | Request:
        """Say how many hours a subtask takes in all."""
        change = {"kind": "revise_estimate", "subtask_id": subtask_id, "hours": hours}
        return await self.replan(db=db, execution_id=execution_id, changes=[change])

    async def add_subtask(
        self,
        *,
        db: AsyncSession,
        execution_id: UUID | str,
        subtask: Subtask | Mapping[str, Any],
        needed_by: Iterable[str] = (),
    ) -> str | Request:
        """Add a subtask, which those named in ``needed_by`` wait for; an execution under review goes back to work."""
        change = {"kind": "add_subtask", "subtask": subtask, "needed_by": list(needed_by)}
        return await self.replan(db=db, execution_id=execution_id, changes=[change])

    async def cancel_subtask(
        self, *, db: AsyncSession, execution_id: UUID | str, subtask_id: str, reason: str = ""
    ) -> str | Request:
        """Cancel a subtask, also one that runs; what waited for it waits for what it waited for."""
        change = {"kind": "cancel_subtask", "subtask_id": subtask_id, "reason": reason}
        return await self.replan(db=db, execution_id=execution_id, changes=[change])

    async def reassign(
        self, *, db: AsyncSession, execution_id: UUID | str, subtask_id: str, member_id: str, reason: str = ""
    ) -> str | Request:
        """Give a subtask to a member who may do it; what runs is ended and begun anew there."""
        change = {"kind": "reassign", "subtask_id": subtask_id, "member_id": member_id, "reason": reason}
        return await self.replan(db=db, execution_id=execution_id, changes=[change])

    async def transition_to_review(
        self, *, db: AsyncSession, execution_id: UUID | str, reason: str | None = None
    ) -> WorkflowState | Request:
        """Move on to reviewing by hand."""
        return await self._move(
            db, execution_id, validated(Advance, {"to_state": "reviewing", "reason": reason}, "the move's")
        )

    async def transition_to_testing(
        self, *, db: AsyncSession, execution_id: UUID | str, reason: str | None = None
    ) -> WorkflowState | Request:
        """Move on to testing by hand."""
        return await self._move(
            db, execution_id, validated(Advance, {"to_state": "testing", "reason": reason}, "the move's")
        )

    async def complete_task(
        self, *, db: AsyncSession, execution_id: UUID | str, result: dict[str, Any] | None = None
    ) -> WorkflowState | Request:
        """End the execution as completed on the caller's word, which is recorded as such; work left is cancelled."""
        return await self._move(db, execution_id, Complete(result=json_object(result, "the result")))

    async def fail_task(self, *, db: AsyncSession, execution_id: UUID | str, error: str) -> WorkflowState | Request:
        """End the execution as failed, with the error."""
        return await self._move(db, execution_id, Fail(error=str(error)))

    async def cancel(
        self, *, db: AsyncSession, execution_id: UUID | str, reason: str | None = None
    ) -> WorkflowState | Request:
        """End the execution because nobody wants it any more: failed, with "cancelled: …" as the error."""
        return await self._move(db, execution_id, validated(Cancel, {"reason": reason}, "the cancellation's"))

    async def _ask(
        self, db: AsyncSession, execution_id: UUID | str, gate: NewGate, terms: Mapping[str, Any]
    ) -> Gate | Request:
        gate = with_terms(gate, **terms)
        done = await self._intervene(db, execution_id, Block(gate=gate))
        if isinstance(done, Request):
            return done
        gates = await self._read(db, load_gates, execution_id)
        return find_gate(done.execution_id, gates, gate.id)

    async def _move(
        self, db: AsyncSession, execution_id: UUID | str, intervention: Intervention
    ) -> WorkflowState | Request:
        done = await self._intervene(db, execution_id, intervention)
        if isinstance(done, Request):
            return done
        return WorkflowState(done.move.to_state) if done.move else WorkflowState.BLOCKED

    async def _intervene(
        self, db: AsyncSession, execution_id: UUID | str, intervention: Intervention
    ) -> Planned | Request:
        """Intervene at once if nobody drives the execution, else leave a request for whoever does."""
        database, key = database_of(db), as_uuid(execution_id, "an execution")
        self._use(database)

        def decide(connection: Connection) -> Planned:
            return plan_at_once(connection, key, intervention)

        while True:
            try:
                return await self.workflow_engine.perform_on(db, decide)
            except DrivenError:
                request = await leave_request(db, self.workflow_engine, key, intervention)
            if request is not None:  # else the driver was gone by then, and it can be done at once after all
                return request

    async def _read(self, db: AsyncSession | None, load: Callable[[Connection, UUID], T], execution_id: Any) -> T:
        key = as_uuid(execution_id, "an execution")
        if db is None:
            return await self._database.read(lambda connection: load(connection, key))
        await fresh(db)
        found = await on_session(db, lambda connection: load(connection, key))
        await fresh(db)
        return found
