"""A member at the board: it takes its subtasks one after another, has each worked, and stores how each ended.

On the board a step is one subtask. Its journal is the ``outcomes`` table: the board is built from what is stored
there, so a subtask whose outcome was committed is never taken again, whatever ids LangGraph gives its tasks.
"""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from agents import Brief
from delegation import Assignment as Given
from delegation import (
    Board,
    Deliverable,
    Gate,
    GateStatus,
    Message,
    Outcome,
    OutcomeStatus,
    Plan,
    Requirements,
    Schedule,
    SquadMember,
    Subtask,
)
from graph.lifecycle import WorkflowState
from graph.live_board import LiveBoard, Wish
from graph.state import MemberTurn
from graph.step import Step
from persistence import (
    Assigned,
    Done,
    Effects,
    Handover,
    MovedOn,
    Work,
    guard,
    load_assignments,
    load_gates,
    load_work,
    mark_started,
    requests_waiting,
    store_effects,
    utc_now,
)

_UNFINISHED = frozenset({OutcomeStatus.BLOCKED, OutcomeStatus.FAILED, OutcomeStatus.REFUSED})

__all__ = ["BoardFacts", "MemberAtWork", "build_board", "read_board"]


@dataclass(frozen=True)
class BoardFacts:
    """What the database knows of a board."""

    assignments: dict[str, Assigned]
    work: Sequence[Done]
    gates: Sequence[Gate]

    def outcomes(self, round_: int, findings: Collection[str]) -> dict[str, OutcomeStatus]:
        """Return the ends that count in this round, by subtask.

        A subtask that was sent back counts only with an outcome of this round; one that could not go on is open again
        once the question about it has been answered.
        """
        ends: dict[str, OutcomeStatus] = {}
        for done in self.work:
            ends.pop(done.subtask_id, None)
            sent_back = done.subtask_id in findings and done.round < round_
            if not sent_back and not (done.outcome.status in _UNFINISHED and self._answered_since(done)):
                ends[done.subtask_id] = done.outcome.status
        return ends

    def refusals(self) -> dict[str, set[str]]:
        """Return who has refused what, since a human last said something about it."""
        refused: dict[str, set[str]] = {}
        for done in self.work:
            if done.outcome.status == OutcomeStatus.REFUSED and not self._answered_since(done):
                refused.setdefault(done.subtask_id, set()).add(done.member_id)
        return refused

    def _answered_since(self, done: Done) -> bool:
        return any(
            gate.subtask_id == done.subtask_id
            and gate.status == GateStatus.ANSWERED
            and (gate.closed_at or done.at) >= done.at
            for gate in self.gates
        )

    def deliverables(self) -> dict[str, Deliverable]:
        """Return the newest deliverable of each subtask that has one."""
        return {done.subtask_id: done.outcome.deliverable for done in self.work if done.outcome.deliverable}


def read_board(connection: Connection, execution_id: UUID) -> BoardFacts:
    """Read what the database knows of the execution's board, all of one moment."""
    return BoardFacts(
        load_assignments(connection, execution_id),
        load_work(connection, execution_id),
        load_gates(connection, execution_id),
    )


def build_board(step: Step, facts: BoardFacts, plan: Plan, *, present: Collection[str] | None = None) -> Board:
    """Return the rules' board as the database and the working state have it."""
    given = [
        Given(subtask_id=one.subtask_id, member_id=one.member_id, start=one.start, finish=one.finish)
        for one in facts.assignments.values()
    ]
    sent_back = [one.subtask_id for one in step.state.get("findings") or [] if one.subtask_id]
    return Board(
        plan,
        Schedule(assignments=given, makespan=0.0, critical_path=[]),
        step.facts.squad.members,
        outcomes=facts.outcomes(step.state.get("round") or 1, sent_back),
        present=present,
        refusals=facts.refusals(),
        max_refusals=step.settings.max_refusals,
    )


@dataclass
class MemberAtWork:
    """One member's turn at one board."""

    step: Step
    turn: MemberTurn
    board: LiveBoard
    member: SquadMember
    requirements: Requirements
    plan: Plan

    async def work(self) -> None:
        """Work until nothing is left for this member: as many subtasks at once as it has capacity for.

        Nothing is raised for a subtask's failure: LangGraph would cancel the members beside this one.
        """
        async with self.board.attended(self._asked), asyncio.TaskGroup() as group:
            for _ in range(self.member.capacity):
                lane = group.create_task(self._lane())
                self.board.lanes.add(lane)
                lane.add_done_callback(self.board.lanes.discard)

    async def _asked(self) -> Wish:
        """Return what is wanted of the board: by callers' requests, and by a drain of the run."""
        asked = await self.step.database.read(lambda connection: requests_waiting(connection, self.step.execution_id))
        if "cancel" in asked:
            return "cancel"
        return "close" if asked or self.step.runtime.drain_requested else "go on"

    async def _lane(self) -> None:
        while (subtask := await self.board.next(self.member.id)) is not None:
            try:
                await self._one(subtask)
            except MovedOn:  # close_board finds that out for itself
                await self.board.close()
            except asyncio.CancelledError:
                self.board.give_back(subtask.id)
                raise
            except Exception as error:  # noqa: BLE001 - the database's: close_board raises it, once all have left
                await self.board.close(error)
            if self.step.runtime.drain_requested:
                await self.board.close()

    async def _one(self, subtask: Subtask) -> None:
        """Have one subtask worked and store its end with everything that goes with it."""
        started_at, facts = utc_now(), await self._begin(subtask)
        await self._tell(subtask, "in_progress")
        outcome = await self._act(subtask, facts)
        effects = Effects(messages=[self._own(message) for message in outcome.messages])
        effects.work = [Work(subtask.id, self.member.id, self.turn["round"], outcome, started_at)]
        effects.log("subtask", f"{subtask.id} {outcome.status.value} by {self.member.id}", note=outcome.note)
        successor = await self._store(subtask, outcome, effects)
        await self.step.services.engine.announce(effects.messages)
        await self._tell(subtask, outcome.status.value)
        await self.step.tell_messages(effects.messages, self.turn["seq"])
        if successor:
            await self.step.tell(
                "assignment", self.turn["seq"], subtask_id=subtask.id, member_id=successor, role=subtask.role
            )

    async def _begin(self, subtask: Subtask) -> BoardFacts:
        """Note that the subtask has been begun, and read what it builds on."""

        def begin(connection: Connection) -> BoardFacts:
            guard(connection, self.step.execution_id, WorkflowState.IN_PROGRESS, self.step.drive.epoch)
            mark_started(connection, self.step.execution_id, subtask.id, utc_now())
            return read_board(connection, self.step.execution_id)

        return await self.step.database.write(begin)

    async def _store(self, subtask: Subtask, outcome: Outcome, effects: Effects) -> str | None:
        """Commit the outcome, then let the board know; a refusal's successor is stored with it."""
        successor: str | None = None
        if outcome.status == OutcomeStatus.REFUSED:
            # the rules say who is next, and the database must not say anything else: one transaction for both
            successor = await self.board.finish(subtask.id, outcome.status, self.member.id)
            if successor:
                reason = f"{self.member.id} refused: {outcome.note}"
                effects.handovers = [Handover(subtask.id, successor, 0.0, subtask.effort, reason)]

        def store(connection: Connection) -> None:
            guard(connection, self.step.execution_id, WorkflowState.IN_PROGRESS, self.step.drive.epoch)
            store_effects(connection, self.step.execution_id, effects)

        await self.step.database.write(store)
        if outcome.status != OutcomeStatus.REFUSED:
            await self.board.finish(subtask.id, outcome.status, self.member.id)
        return successor

    async def _act(self, subtask: Subtask, facts: BoardFacts) -> Outcome:
        """Have the role's agent work; whatever it raises, and any time that it overruns, is this subtask's failure."""
        agent = self.step.services.roster.of(self.member.role)
        limit = self.step.settings.subtask_timeout_s
        try:
            async with asyncio.timeout(limit) as time:
                outcome: Any = await agent.work(self._brief(subtask, facts))
        except Exception as error:  # noqa: BLE001 - any failure of an agent is its subtask's, and no more than that
            late = isinstance(error, TimeoutError) and time.expired()
            note = f"not ended within {limit:g} s" if late else f"{type(error).__name__}: {error}"[:2000]
            return Outcome(status=OutcomeStatus.FAILED, note=note)
        if not isinstance(outcome, Outcome):
            return Outcome(status=OutcomeStatus.FAILED, note=f"the agent returned no Outcome: {type(outcome).__name__}")
        if outcome.status == OutcomeStatus.BLOCKED and outcome.question:
            return outcome.model_copy(update={"note": outcome.question})
        return outcome

    def _brief(self, subtask: Subtask, facts: BoardFacts) -> Brief:
        delivered = facts.deliverables()
        findings = [one for one in self.step.state.get("findings") or [] if one.subtask_id == subtask.id]
        answers = [
            str(gate.answer.get("text") or gate.answer.get("decision"))
            for gate in facts.gates
            if gate.subtask_id == subtask.id and gate.answer
        ]
        return Brief(
            execution_id=self.step.execution_id,
            task=self.step.facts.task,
            requirements=self.requirements,
            plan=self.plan,
            subtask=subtask,
            member=self.member,
            inputs={one: delivered[one] for one in subtask.depends_on if one in delivered},
            findings=findings,
            answers=answers,
            attempt=1 + sum(done.subtask_id == subtask.id for done in facts.work),
        )

    def _own(self, message: Message) -> Message:
        """Return the member's message as this execution's: an agent speaks for itself and for nobody else."""
        return message.model_copy(update={"execution_id": self.step.execution_id, "sender": self.member.id})

    async def _tell(self, subtask: Subtask, status: str) -> None:
        await self.step.tell(
            "subtask",
            self.turn["seq"],
            subtask_id=subtask.id,
            member_id=self.member.id,
            role=self.member.role.value,
            status=status,
        )
