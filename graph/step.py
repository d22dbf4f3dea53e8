"""The step protocol: look whether the step was made already, act, commit effects and transition together.

A step is one run of one node. Its transaction holds the compare-and-swap of the execution's row, everything that the
step wants stored, and the transition, which is the step's record under LangGraph's task id. So an effect is stored
once whatever dies when, and no act whose result was committed is done again.
"""

from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast
from uuid import UUID

from langchain_core.runnables import RunnableConfig
from langgraph.runtime import Runtime
from sqlalchemy import Connection, Row

from agents import Roster
from delegation import Message, NewGate
from graph.checkpoints import check_addressed, check_durability, root_checkpoint_id, root_task_id
from graph.context import RunSettings
from graph.deadlines import with_settings
from graph.drive import Drive
from graph.engine import Planned
from graph.events import Event, EventKind
from graph.lifecycle import FINAL_STATES, WorkflowState, progress_of
from graph.requests import honour_next
from graph.services import Services
from graph.standing import Place, look
from graph.state import WorkingState, decode, encode
from persistence import (
    Database,
    Effects,
    Facts,
    Move,
    Record,
    guard,
    load_execution,
    load_record,
    store_effects,
)

__all__ = ["Decided", "Step", "honour_requests", "open_step"]

T = TypeVar("T")


@dataclass(kw_only=True)
class Decided:
    """What a node decided: where to go and why, what changes in the working state, what is to be stored."""

    to_state: WorkflowState
    reason: str
    delta: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    effects: Effects = field(default_factory=Effects)


@dataclass
class Step:
    """One run of one node, and what it may use."""

    services: Services
    database: Database
    drive: Drive
    node: WorkflowState
    state: WorkingState
    task_id: str
    checkpoint_id: str | None
    runtime: Runtime[RunSettings]
    named: dict[str, Any] = field(default_factory=dict)
    """Where the execution is a fork that began at this step: its ids, for the thread to name it from now on."""
    new_round: int | None = None
    """The round that the step itself begins, where it makes another plan."""

    @property
    def execution_id(self) -> UUID:
        """The execution."""
        return self.drive.execution_id

    @property
    def round(self) -> int:
        """The board's round."""
        return self.new_round or self.state.get("round") or 1

    @property
    def since(self) -> int:
        """The round in which the present plan was made: what was done for an earlier one counts no more."""
        return self.new_round or self.state.get("since") or 1

    @property
    def settings(self) -> RunSettings:
        """The run's settings."""
        return self.drive.settings

    @property
    def roster(self) -> Roster:
        """Who plays which role, under the run's settings."""
        return self.services.brains.roster(self.settings)

    @property
    def facts(self) -> Facts:
        """The task and the squad."""
        return self.drive.facts

    async def commit(self, decided: Decided) -> dict[str, Any]:
        """Store the step and its record in one transaction, tell of it, and return the update of the thread."""
        delta = encode(decided.delta)
        decided.effects.gates[:] = [with_settings(gate, self.settings) for gate in decided.effects.gates]
        move = Move(
            execution_id=self.execution_id,
            from_state=self.node,
            to_state=decided.to_state,
            reason=decided.reason,
            metadata=decided.metadata,
            delta=delta,
            seq=self.state["seq"],
            epoch=self.drive.epoch,
            task_id=self.task_id,
            checkpoint_id=self.checkpoint_id,
        )
        seq = self.state["seq"] + 1
        planned = Planned(self.execution_id, move, decided.effects)
        await self.services.engine.perform(self.database, lambda _: planned, enters=decided.to_state)
        self.drive.position, self.drive.asked = (move.to_state, seq), decided.effects.asked
        self.drive.amended = None
        await self.tell_all(move, decided.effects, seq)
        return self.named | decided.effects.delta | {"status": decided.to_state.value, "seq": seq}

    def heed(self) -> None:
        """Work with the plan as it was changed since the last transition: the thread holds the one before."""
        if (amended := self.drive.amended) and amended[0] == self.state["seq"]:
            self.state["plan"] = amended[1]

    async def row(self) -> Row[Any]:
        """Return the execution's row as it is stored now."""
        return await self.database.read(lambda connection: load_execution(connection, self.execution_id))

    async def take_over(self, planned: Planned) -> None:
        """Go on with what a request has changed without a move, and tell of it."""
        self.drive.learn(planned.at, planned.plan, planned.facts)
        self.heed()
        await self.tell_effects(planned.effects.columns.get("plan"), planned.effects, planned.at)

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Write at once, while the step goes on, in a transaction of its own.

        Raises:
            MovedOn: the execution is not in the step's state, or not under its lease, any more; nothing is written.
        """

        def guarded(connection: Connection) -> T:
            guard(connection, self.execution_id, self.node, self.drive.epoch)
            return work(connection)

        return await self.database.write(guarded)

    async def store(self, effects: Effects) -> None:
        """Store effects at once, while the step goes on; see :meth:`write`."""
        await self.write(lambda connection: store_effects(connection, self.execution_id, effects))

    async def keep(self, record: Record) -> dict[str, Any]:
        """Store a record at once, unless the journal has one by that key; return the one that is stored."""

        def unless_kept(connection: Connection) -> dict[str, Any]:
            if (before := load_record(connection, record.task_id, record.key)) is not None:
                return before
            store_effects(connection, self.execution_id, Effects(record=record))
            return record.value

        return await self.write(unless_kept)

    async def say(self, messages: list[Message]) -> None:
        """Store messages at once, and tell of them; see :meth:`write`."""
        await self.store(Effects(messages=messages))
        await self.services.engine.announce(messages)
        await self.tell_messages(messages, self.state["seq"])

    async def tell_all(self, move: Move, effects: Effects, seq: int) -> None:
        """Tell of a move and of what was stored with it."""
        if not self.has_listener:
            return
        await self.tell_effects(move.delta.get("plan"), effects, seq)
        await self.tell(
            "transition",
            seq,
            from_state=str(move.from_state),
            to_state=str(move.to_state),
            reason=move.reason,
            progress_percentage=progress_of(move.to_state, move.from_state),
        )
        for gate in effects.gates:
            await self.tell_gate(gate, seq)

    async def tell_effects(self, plan: dict[str, Any] | None, effects: Effects, seq: int) -> None:
        """Tell of a plan, of assignments and of messages that were stored."""
        if not self.has_listener:
            return
        if plan:
            subtasks = [{key: one[key] for key in ("id", "title", "role")} for one in plan["subtasks"]]
            await self.tell("plan", seq, subtasks=subtasks)
        roles = {member.id: member.role.value for member in self.facts.squad.members}
        for one in effects.handovers:
            data = {"subtask_id": one.subtask_id, "member_id": one.member_id, "role": roles.get(one.member_id)}
            await self.tell("assignment", seq, **data)
        await self.tell_messages(effects.messages, seq)

    async def tell_messages(self, messages: list[Message], seq: int) -> None:
        """Tell of messages that were stored."""
        for message in messages if self.has_listener else ():
            data = message.model_dump(mode="json", include={"id", "sender", "recipient", "type", "content"})
            await self.tell("message", seq, **data)

    async def tell_gate(self, gate: NewGate, seq: int) -> None:
        """Tell of a question to a human."""
        await self.tell("gate", seq, gate_id=str(gate.id), kind=gate.kind.value, question=gate.question)

    async def tell(self, event: EventKind, seq: int, /, **data: Any) -> None:
        """Tell whoever listens: the orchestrator's stream, and LangGraph's custom stream."""
        if self.has_listener:
            told = Event(kind=event, execution_id=self.execution_id, seq=seq, data=data)
            if not self.drive.kept:
                self.runtime.stream_writer(told.model_dump(mode="json"))
            await self.drive.tell(told)

    @property
    def has_listener(self) -> bool:
        """Whether anybody may hear: the orchestrator's sink, or the stream of a client that runs the bare graph."""
        return self.drive.sink is not None or not self.drive.kept

    @contextmanager
    def at_work(self) -> Any:
        """Keep the lease alive while the step runs."""
        self.drive.running += 1
        try:
            yield
        finally:
            self.drive.running -= 1


async def open_step(
    services: Services,
    node: WorkflowState,
    state: WorkingState,
    config: RunnableConfig,
    runtime: Runtime[RunSettings],
    *,
    honour: bool = True,
    begins: bool = True,
) -> tuple[Step, dict[str, Any] | None]:
    """Look where the execution stands; return the step, and the thread's update where the move is made already.

    That is so if the step was recorded before, or if a caller's request is honoured here instead of the node's act;
    ``honour=False`` leaves requests to another step of the same state. A client that goes on from an older checkpoint
    of an execution that has ended begins a fork here, and the step is one of the fork's; ``begins=False`` refuses that.

    Raises:
        ExecutionBusy: the execution has moved on, and this thread is not the one to follow.
        InputError: a fork cannot begin here.
        ConfigurationError: the run has no checkpointer, or one that writes only at the end.
    """
    check_durability(config, runtime)
    check_addressed(config)
    known = cast("WorkingState", decode(state))
    database = await services.database()
    execution_id = UUID(state["execution_id"])
    drive = await services.drive_of(database, execution_id, runtime)
    info = runtime.execution_info
    assert info is not None  # every node has one
    task_id, root = root_task_id(info), root_checkpoint_id(config, runtime)
    step = Step(services, database, drive, node, known, task_id, root, runtime)
    step.heed()
    if drive.kept and drive.position == (node, state["seq"]):
        # rolled forward to the log under a lease that is still held: there is no record of a step that is to come
        return step, await honour_requests(step) if drive.asked and honour else None
    had_ended = drive.log is not None and drive.log.row.status in FINAL_STATES
    place = Place(execution_id, node, state["seq"], task_id, root, dict(state), had_ended=had_ended, begins=begins)
    found = await look(database, place, config, services.terms(runtime.context))
    step.task_id, step.named = found.task_id, found.named
    if found.execution_id != execution_id:
        step.drive = await services.drive_of(database, found.execution_id, runtime)
        step.heed()
    if found.recorded is None and found.asked and honour:
        return step, await honour_requests(step)
    return step, found.recorded


async def honour_requests(step: Step) -> dict[str, Any] | None:
    """Do what callers asked of the execution meanwhile; returns the update of the thread if that moved it."""
    epoch = step.drive.epoch
    while honoured := await honour_next(step.database, step.services.engine, step.execution_id, epoch=epoch):
        planned = honoured.planned
        if planned and planned.move and planned.seq:
            step.drive.position = (planned.move.to_state, planned.seq)
            step.drive.asked = planned.effects.asked  # the next step honours the rest, before it acts
            step.drive.learn(planned.seq, None, planned.facts)
            await step.tell_all(planned.move, planned.effects, planned.seq)
            return step.named | planned.move.delta | {"status": str(planned.move.to_state), "seq": planned.seq}
        if planned:
            await step.take_over(planned)
    step.drive.asked = False
    return None
