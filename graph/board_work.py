"""A member at the board: it takes its subtasks one after another, has each worked, and stores how each ended.

On the board a step is one subtask. Its journal is the ``outcomes`` table: the board is built from what is stored
there, so a subtask whose outcome was committed is never taken again, whatever ids LangGraph gives its tasks.
"""

import asyncio
from dataclasses import dataclass
from typing import Any

from agents import Brief
from agents.workspace import CopyHands
from delegation import (
    BudgetSpent,
    EffectInDoubt,
    ExecutionBusy,
    Message,
    MessageType,
    Outcome,
    OutcomeStatus,
    SquadMember,
    StaleTransition,
    Subtask,
)
from graph.attempts import RETRIED
from graph.colleagues import AskingAround
from graph.consulting import Late, called, is_cancelled
from graph.hands import worked
from graph.heard import heard
from graph.live_board import LiveBoard, Wish
from graph.live_changes import LiveChanges
from graph.live_standups import LiveStandups
from graph.masking import masked
from graph.outside import Outside, scope_of
from graph.site import site_of
from graph.state import MemberTurn
from graph.step import Step
from persistence import (
    Done,
    Effects,
    Handover,
    MovedOn,
    requests_waiting,
    settled,
    utc_now,
)

__all__ = ["MemberAtWork"]


@dataclass
class MemberAtWork:
    """One member's turn at one board."""

    step: Step
    turn: MemberTurn
    board: LiveBoard
    member: SquadMember

    async def work(self) -> None:
        """Work until nothing is left for this member: as many subtasks at once as it has capacity for.

        Nothing is raised for a subtask's failure: LangGraph would cancel the members beside this one.
        """
        self.board.hands[self.member.id] = self.member.capacity
        async with self.board.attended(self._asked), asyncio.TaskGroup() as group:
            for _ in range(self.member.capacity):
                lane = group.create_task(self._lane())
                self.board.lanes.add(lane)
                lane.add_done_callback(self.board.lanes.discard)

    async def _asked(self) -> Wish:
        """Return what is wanted of the board: by callers' requests, and by a drain of the run.

        Meanwhile the database learns what is at work: work that ends before the watcher's first look needs no mark.
        """
        live = LiveChanges(self.step, self.board)
        try:
            await live.mark_begun()
            asked = await self.step.database.read(
                lambda connection: requests_waiting(connection, self.step.execution_id)
            )
            if asked <= {"replan"} and not self.step.runtime.drain_requested:
                LiveStandups(self.step, self.board).look()
                await live.make(asked=bool(asked))
                return "go on"
        except (MovedOn, StaleTransition):  # or somebody else drives it now
            return "close"
        return "cancel" if "cancel" in asked else "close"

    async def _lane(self) -> None:
        try:
            while (subtask := await self.board.next(self.member.id)) is not None:
                await self._taken(subtask)
        finally:
            self.board.hands[self.member.id] -= 1

    async def _taken(self, subtask: Subtask) -> None:
        try:
            with self.board.working(subtask):
                await self._one(subtask)
        except MovedOn as moved:  # nobody works what cannot be stored; the driver looks whether it may go on
            await self.board.close(elsewhere(self.step, moved))
        except BudgetSpent as spent:  # whoever comes next would meet it as well, so a human is asked, once
            self.board.give_back(subtask.id)
            await self.board.close(spent)
        except asyncio.CancelledError:
            self.board.give_back(subtask.id)
            if not self.board.was_let_go(subtask.id):
                raise
        except Exception as error:  # noqa: BLE001 - the database's: close_board raises it, once all have left
            await self.board.close(error)
        if self.step.runtime.drain_requested or is_cancelled():
            await self.board.close()

    async def _one(self, subtask: Subtask) -> None:
        """Have one subtask worked and store its end."""
        started_at = self.board.at_work[subtask.id].since
        await self._tell(subtask, "in_progress")
        turn = self.board.facts.turns(subtask.id) + 1
        outside = Outside(self.step, scope_of(subtask.id, self.turn["round"]), piece=f"{subtask.id}/{turn}")
        asking = self._asking(subtask, turn, outside)
        outcome = await self._act(subtask, outside, asking, turn)
        if outcome.status != OutcomeStatus.DONE and is_cancelled():
            raise asyncio.CancelledError  # the agent made something else of it, which says nothing about the subtask
        done = Done(subtask.id, self.member.id, self.turn["round"], turn, outcome, started_at, utc_now())
        # work that is done is stored, and what is stored is told, though the lane be cancelled meanwhile
        await settled(asyncio.ensure_future(self._end(subtask, done, asking)))

    async def _end(self, subtask: Subtask, done: Done, asking: AskingAround) -> None:
        """Store the end of a subtask with everything that goes with it, and tell of it."""
        outcome = done.outcome
        said, refused = heard(outcome.messages, self.step.execution_id, self.member.id)
        effects = Effects(messages=said, work=[done])
        if asking.calls > 1:
            text = f"{self.member.id}'s agent was called {asking.calls} times for {subtask.id}: its trouble might pass"
            effects.log(RETRIED, text, subtask_id=subtask.id, round=done.round)
        if outcome.status == OutcomeStatus.DONE:
            await asking.remember()
        for why in refused:
            text = f"a message of {self.member.id} was not kept: {why}"[:500].encode("utf-8", "replace").decode()
            effects.log("message_refused", text, subtask_id=subtask.id, member_id=self.member.id)
        async with self.board.storing():
            successor = await self._store(subtask, done, effects)
        await self.step.services.engine.announce(effects.messages)
        await self._tell(subtask, outcome.status.value)
        await self.step.tell_messages(effects.messages, self.turn["seq"])
        if successor:
            await self.step.tell(
                "assignment", self.turn["seq"], subtask_id=subtask.id, member_id=successor, role=subtask.role
            )

    async def _store(self, subtask: Subtask, done: Done, effects: Effects) -> str | None:
        """Commit the outcome, then let the board know; a refusal's successor is stored with it."""
        refused = done.outcome.status == OutcomeStatus.REFUSED
        # who takes over is the rules' word, and it goes into the same transaction as the refusal
        successor = await self.board.finish(done) if refused else None
        if successor:
            reason = f"{self.member.id} refused: {done.outcome.note}"
            effects.handovers = [Handover(subtask.id, successor, 0.0, subtask.effort, reason)]
            effects.messages.append(self._handed_over(subtask, successor, reason))
        await self.step.store(effects)
        if not refused:
            await self.board.finish(done)
        return successor

    def _handed_over(self, subtask: Subtask, successor: str, reason: str) -> Message:
        """Return the message by which whoever takes over is told."""
        return Message(
            execution_id=self.step.execution_id,
            sender=self.member.id,
            recipient=successor,
            type=MessageType.TASK_ASSIGNMENT,
            content=f"Please take {subtask.id}: {subtask.title} ({reason})",
            metadata={"subtask_id": subtask.id, "start": 0.0, "finish": subtask.effort},
        )

    async def _act(self, subtask: Subtask, outside: Outside, asking: AskingAround, turn: int) -> Outcome:
        """Have the role's agent work; whatever it raises, and any time that it overruns, is this subtask's failure."""
        agent = self.step.roster.of(self.member.role)

        async def work(brief: Brief) -> Any:
            asking.begin()
            return await agent.work(brief)

        async def call(brief: Brief, hands: CopyHands | None) -> Any:
            return await called(self.step.settings, outside, work, brief, hands=hands, colleagues=asking)

        await site_of(self.step)  # a repository that is not there is no failure of whoever was to work in it
        try:
            outcome = await worked(self.step, self._brief(subtask), turn, call)
        except asyncio.CancelledError as error:
            if is_cancelled():
                raise  # ours: the board or the run is being cancelled
            if doubt := outside.doubt:
                return in_doubt(doubt)
            return failed(f"the agent was cancelled by something of its own: {error}")
        except BudgetSpent:
            raise
        except Exception as error:  # noqa: BLE001 - any failure of an agent is its subtask's, and no more than that
            if doubt := outside.doubt:
                return in_doubt(doubt)
            return failed(str(error) if isinstance(error, Late) else f"{type(error).__name__}: {masked(str(error))}")
        return storable(outcome)

    def _asking(self, subtask: Subtask, turn: int, outside: Outside) -> AskingAround:
        """Return the colleagues, for this member at work on a subtask."""
        since = self.turn["since"]

        def brief_for(member: SquadMember) -> Brief:
            known = self.board.facts.deliverables(since)
            return self._brief(subtask).model_copy(update={"member": member, "inputs": known, "findings": []})

        owners = (self.board.rules.owner(earlier) for earlier in subtask.depends_on)
        makers = [one for one in owners if one]
        return AskingAround(self.step, outside, self.member, subtask, self.turn["round"], turn, makers, brief_for)

    def _brief(self, subtask: Subtask) -> Brief:
        facts, since = self.board.facts, self.turn["since"]
        delivered, exchanges = facts.deliverables(since), facts.answers(subtask.id)
        return Brief(
            execution_id=self.step.execution_id,
            task=self.step.facts.task,
            requirements=self.board.requirements,
            plan=self.board.plan,
            subtask=subtask,
            member=self.member,
            inputs={one: delivered[one] for one in subtask.depends_on if one in delivered},
            findings=[one for one in self.step.state.get("findings") or [] if one.subtask_id == subtask.id],
            so_far=facts.so_far(subtask.id, since),
            answers=[answer for _, answer in exchanges],
            questions=[question for question, _ in exchanges],
            attempt=facts.attempts(subtask.id) + 1,
        )

    async def _tell(self, subtask: Subtask, status: str) -> None:
        await self.step.tell(
            "subtask",
            self.turn["seq"],
            subtask_id=subtask.id,
            member_id=self.member.id,
            role=self.member.role.value,
            status=status,
        )


def elsewhere(step: Step, moved: MovedOn) -> ExecutionBusy:
    """Return the error for a board whose execution is not there any more, or not this driver's."""
    return ExecutionBusy(
        f"execution {step.execution_id} was moved by hand or taken over while its members worked; "
        f"it is in {moved.status!r}",
        hint=f"squad resume {step.execution_id} goes on from where it is",
    )


def in_doubt(doubt: EffectInDoubt) -> Outcome:
    """Return the outcome of work that came upon an outside effect of which nobody knows whether it happened."""
    return Outcome(status=OutcomeStatus.BLOCKED, note=doubt.message, question=doubt.message)


def failed(note: str) -> Outcome:
    """Return a failure, its note cut to what is worth keeping and cleaned of what no database takes."""
    return Outcome(status=OutcomeStatus.FAILED, note=note[:2000].encode("utf-8", "replace").decode())


def storable(outcome: Any) -> Outcome:
    """Return what an agent gave back in the form in which it is stored; a failure where that cannot be done."""
    if not isinstance(outcome, Outcome):
        return failed(f"the agent returned no Outcome: {type(outcome).__name__}")
    messages = (
        getattr(outcome, "messages", None) or []
    )  # each of them is looked at for itself, and none is worth the work
    try:
        plain = Outcome.model_validate_json(outcome.model_dump_json(exclude={"messages"}))
    except ValueError as error:
        return failed(f"the agent returned an outcome that cannot be stored: {str(error).splitlines()[0]}")
    told = {"note": plain.question} if plain.status == OutcomeStatus.BLOCKED and plain.question else {}
    return plain.model_copy(update={"messages": messages, **told})
