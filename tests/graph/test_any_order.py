"""Any order of any public operations, against a small model: rows, log, gates and thread are as the model has them."""

import asyncio
import itertools
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import cached_property, partial
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)
from langgraph.errors import EmptyInputError
from langgraph.types import Command
from lifecycle_model import ENDS, MAP, Modelled, Question, Refused, Said
from scripted import all_roles, done
from sqlalchemy import Connection

from agents import Brief
from delegation import Gate, Outcome, OutcomeStatus, Role, Squad, Task
from graph import Request, RunSettings, SquadError, TaskOrchestrator, build_graph
from persistence import (
    Database,
    SquadService,
    TaskExecutionService,
    TaskService,
    load_dossier,
    load_execution,
    load_logs,
)

EXAMPLES = int(os.environ.get("SQUAD_EXAMPLES", "100"))
STEPS = 15
PHASES = [Phase.generate, Phase.shrink]  # explaining traces every line of the project, which takes minutes
MOST = 5
"""How many executions there are at most."""

STATES = st.sampled_from(list(MAP))
HABITS = st.dictionaries(
    st.sampled_from([Role.BACKEND_DEVELOPER, Role.FRONTEND_DEVELOPER, Role.TESTER]),
    st.sampled_from(["asks", "asks again", "refuses", "fails"]),
    max_size=2,
)
"""What some of the roles do instead of working, while one drive lasts."""
SAID = st.builds(
    Said,
    decision=st.sampled_from(["respond"] * 6 + ["approve", "reject", "edit", "sing"]),
    text=st.sampled_from(["as you like"] * 4 + [None, "  "]),
    next_state=st.sampled_from([None] * 4 + ["in_progress", "planning", "testing", "failed", "completed", "nowhere"]),
)
INTERVENTIONS = st.lists(
    st.sampled_from(["block", "escalate", "resolve", "review", "testing", "complete", "fail", "cancel"]),
    min_size=1,
    max_size=4,
)


async def make_template(file: Path) -> tuple[UUID, list[UUID]]:
    """Make a migrated file with a squad and some tasks in it; every example works on a copy."""
    async with await Database.open(str(file)) as database, database.session() as db:
        squad = await SquadService.create_squad(db, Squad.default())
        tasks = [await TaskService.create_task(db, Task(title=f"Implement user login {one}")) for one in range(3)]
        return squad.id, [task.id for task in tasks]


class Squads:
    """The agents of all drives: what they do is set from outside, and every piece of work is counted."""

    def __init__(self) -> None:
        self.habits: dict[Role, str] = {}
        self.calls: Counter[UUID] = Counter()
        self.at_first_work: Callable[[UUID], Awaitable[None]] | None = None

    async def work(self, brief: Brief) -> Outcome:
        """Do the work, or what the role does instead."""
        self.calls[brief.execution_id] += 1
        if hook := self.at_first_work:
            self.at_first_work = None
            await hook(brief.execution_id)
        habit = self.habits.get(brief.member.role)
        if habit == "fails":
            raise ValueError("it does not work")
        if habit == "refuses":
            return Outcome(status=OutcomeStatus.REFUSED, note="not for me")
        if habit == "asks again" or (habit == "asks" and not brief.answers):
            return Outcome(status=OutcomeStatus.BLOCKED, question=f"How about {brief.subtask.id}?")
        return done(brief)


class AnyOrder(RuleBasedStateMachine):
    """Several executions of one database, and whatever may be done to them."""

    executions = Bundle("executions")

    def __init__(self, template: Path, squad_id: UUID, tasks: list[UUID]) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        self.file = Path(self.folder.name) / "squad.db"
        shutil.copyfile(template, self.file)
        self.squad_id, self.tasks = squad_id, tasks
        self.squads = Squads()
        self.known: dict[UUID, Modelled] = {}
        self.task_of: dict[UUID, UUID] = {}
        self.inherited: dict[UUID, int] = {}
        self.given_up: set[UUID] = set()
        """Executions whose running work a cancellation may have ended: it was begun, and has no outcome."""
        self.troubled: set[UUID] = set()
        """Executions in which a member has ever done anything else than working."""
        self.seen: dict[UUID, Any] = {}
        """Everything that was stored of each execution at the last look."""
        self.settings = RunSettings()
        self.database: Database | None = None

    def open(self) -> None:
        """Open the database, as a process that has just started does."""

        async def opened() -> Database:
            return await Database.open(str(self.file))

        self.database = self.run(opened())
        self.agents = all_roles(self.squads.work)
        self.orchestrator = TaskOrchestrator(database=self.database, agents=self.agents, settings=self.settings)
        self.__dict__.pop("graph", None)

    @cached_property
    def graph(self) -> Any:
        """The bare graph on the database as it is open now; many examples need none, and it takes a while to build."""
        return build_graph(database=self.database, agents=self.agents)

    def teardown(self) -> None:
        if self.database:
            self.run(self.database.close())
        self.runner.close()
        self.folder.cleanup()

    def run(self, work: Any) -> Any:
        """Run it on the machine's loop; nothing here takes long."""

        async def in_time() -> Any:
            async with asyncio.timeout(60):
                return await work

        return self.runner.run(in_time())

    async def call(self, method: Any, **arguments: Any) -> Any:
        """Call a method that takes a session, on one of its own."""
        async with self.database.session() as db:
            return await method(db=db, **arguments)

    def same_end(self, work: Any, modelled: Callable[[], Any]) -> Any:
        """Do it and let the model do it: both succeed, or both refuse by the same name."""
        try:
            modelled()
        except Refused as refused:
            expected = str(refused)
        else:
            expected = "done"
        try:
            value, came = self.run(work), "done"
        except SquadError as error:
            value, came = None, type(error).__name__
        assert came == expected, (came, expected)
        return value

    # Starting

    @initialize(target=executions, on_failure=st.sampled_from(["fail", "ask"]))
    def begin(self, on_failure: Any) -> UUID:
        self.settings = RunSettings(max_reworks=1000, on_failure=on_failure)
        self.open()
        return self.start(self.tasks[0])

    @precondition(lambda self: len(self.known) < MOST)
    @rule(target=executions, number=st.integers(0, 2))
    def execute_task(self, number: int) -> Any:
        task_id = self.tasks[number]
        if any(self.task_of[key] == task_id and not one.has_ended for key, one in self.known.items()):

            def refuse() -> None:
                raise Refused("ExecutionExists")

            call = self.call(self.orchestrator.execute_task, task=task_id, squad_id=self.squad_id)
            self.same_end(call, refuse)
            return multiple()
        return self.start(task_id)

    def start(self, task_id: UUID) -> UUID:
        key: UUID = self.run(self.call(self.orchestrator.execute_task, task=task_id, squad_id=self.squad_id))
        self.known[key], self.task_of[key] = Modelled(), task_id
        return key

    @precondition(lambda self: len(self.known) < MOST)
    @rule(target=executions, key=executions, seq=st.integers(0, 9))
    def fork(self, key: UUID, seq: int) -> Any:
        copies: list[Modelled] = []
        made = self.same_end(self.orchestrator.fork(key, seq), lambda: copies.append(self.known[key].fork(seq)))
        if made is None:
            return multiple()
        self.known[made] = copies[0]
        dossier = self.dossier(made)
        if key in self.troubled:
            self.troubled.add(made)
        self.task_of[made], self.inherited[made] = dossier.facts.task_id, len(dossier.outcomes)
        return made

    # By hand

    @rule(key=executions, kind=st.sampled_from(["blocker", "escalation"]))
    def block(self, key: UUID, kind: str) -> None:
        self.same_end(
            self.intervene(key, "block" if kind == "blocker" else "escalate"), lambda: self.known[key].block(kind)
        )

    @rule(key=executions, next_state=STATES)
    def resolve(self, key: UUID, next_state: str) -> None:
        call = self.call(
            self.orchestrator.resolve_blocker, execution_id=key, resolution="resolved", next_state=next_state
        )
        went = self.same_end(call, lambda: self.known[key].resolve(next_state))
        assert went in {None, self.known[key].status}

    @rule(key=executions, other=executions, number=st.integers(0, 5), said=SAID)
    def answer(self, key: UUID, other: UUID, number: int, said: Said) -> None:
        """Answer a gate of that execution or of another, open or closed, or one that is nobody's."""
        gates = [one.id for one in self.known[other].questions] or [uuid4()]
        gate_id = gates[-1 - number % len(gates)]
        went = self.same_end(self.answered(key, gate_id, said), lambda: self.known[key].answer(gate_id, said))
        assert went in {None, self.known[key].status}

    @precondition(lambda self: any(one.waiting for one in self.known.values()))
    @rule(data=st.data(), said=SAID, times=st.integers(1, 2))
    def answer_rightly(self, data: Any, said: Said, times: int) -> None:
        """Answer a gate that is open, perhaps twice."""
        waiting = [(key, gate) for key, one in self.known.items() for gate in one.waiting]
        key, gate = data.draw(st.sampled_from(waiting))
        for _ in range(times):
            self.same_end(self.answered(key, gate.id, said), lambda: self.known[key].answer(gate.id, said))

    async def answered(self, key: UUID, gate_id: UUID | None, said: Said) -> Any:
        words = {"decision": said.decision, "text": said.text, "next_state": said.next_state}
        return await self.orchestrator.answer(key, gate_id or uuid4(), **words)

    @rule(key=executions, how=st.sampled_from(["review", "testing", "complete"]))
    def move_on(self, key: UUID, how: str) -> None:
        target = {"review": "reviewing", "testing": "testing", "complete": "completed"}[how]
        self.same_end(self.intervene(key, how), lambda: self.known[key].move(target))

    @rule(key=executions, how=st.sampled_from(["fail", "cancel"]))
    def give_up(self, key: UUID, how: str) -> None:
        self.same_end(self.intervene(key, how), lambda: self.known[key].move("failed"))

    @rule(key=executions, from_state=STATES, to_state=STATES)
    def transition(self, key: UUID, from_state: str, to_state: str) -> None:
        self.transition_state(key, from_state, to_state)

    @rule(key=executions, to_state=STATES)
    def transition_from_here(self, key: UUID, to_state: str) -> None:
        self.transition_state(key, self.known[key].status, to_state)

    def transition_state(self, key: UUID, from_state: str, to_state: str) -> None:
        engine = self.orchestrator.workflow_engine
        call = self.call(engine.transition_state, execution_id=key, from_state=from_state, to_state=to_state)
        self.same_end(call, lambda: self.known[key].transition(from_state, to_state))

    def intervene(self, key: UUID, how: str) -> Any:
        """Call the method for it."""
        reason = "by hand"
        one = self.orchestrator
        calls: dict[str, tuple[Any, dict[str, Any]]] = {
            "block": (one.handle_blocker, {"blocker_description": reason}),
            "escalate": (one.escalate_to_human, {"reason": reason, "details": "", "attempted_solutions": []}),
            "resolve": (one.resolve_blocker, {"resolution": reason, "next_state": "in_progress"}),
            "review": (one.transition_to_review, {"reason": reason}),
            "testing": (one.transition_to_testing, {"reason": reason}),
            "complete": (one.complete_task, {"result": {"by": reason}}),
            "fail": (one.fail_task, {"error": reason}),
            "cancel": (one.cancel, {"reason": reason}),
        }
        method, arguments = calls[how]
        return self.call(method, execution_id=key, **arguments)

    # Driven

    @rule(key=executions, habits=HABITS, how=st.sampled_from(["run", "run", "stream", "two runs"]))
    def drive(self, key: UUID, habits: dict[Role, str], how: str) -> None:
        self.driven([key], habits, {"run": self.ran, "stream": self.streamed, "two runs": self.ran_twice}[how](key))

    @rule(habits=HABITS)
    def drive_all(self, habits: dict[Role, str]) -> None:
        async def all_at_once() -> None:
            await asyncio.gather(*(self.ran(key) for key in self.known))

        self.driven(list(self.known), habits, all_at_once())

    @rule(key=executions, habits=HABITS, count=st.integers(1, 20))
    def leave_a_stream(self, key: UUID, habits: dict[Role, str], count: int) -> None:
        async def leave() -> None:
            left = count
            async with self.orchestrator.stream(key) as stream:
                async for _ in stream:
                    left -= 1
                    if not left:
                        break

        self.driven([key], habits, leave(), to_its_end=False)

    @rule(key=executions, habits=HABITS)
    def drive_the_bare_graph(self, key: UUID, habits: dict[Role, str]) -> None:
        """A client goes on with the thread; there is none before the first drive, or once it was deleted."""
        if self.thread(key) is None:
            with pytest.raises(EmptyInputError):
                self.run(self.graph.ainvoke(None, self.config(key), context=self.settings))
            return
        self.driven([key], habits, self.graph.ainvoke(None, self.config(key), context=self.settings))

    @precondition(lambda self: any(one.waiting and self.follows(key) for key, one in self.known.items()))
    @rule(data=st.data(), said=SAID, habits=HABITS)
    def resume_the_bare_graph(self, data: Any, said: Said, habits: dict[Role, str]) -> None:
        """A client answers the interrupt; an answer that does not count is asked for again, with the error."""
        keys = [key for key, one in self.known.items() if one.waiting and self.follows(key)]
        key = data.draw(st.sampled_from(keys))
        one = self.known[key]
        gate = data.draw(st.sampled_from(one.waiting))
        value = {"decision": said.decision, "text": said.text, "next_state": said.next_state}
        before = len(one.path)
        try:
            one.answer(gate.id, said)
        except Refused:
            was_refused = True
        else:
            was_refused = False
        output: list[Any] = []

        async def resume() -> None:
            command: Any = Command(resume={str(gate.id): value})
            output.append(await self.graph.ainvoke(command, self.config(key), context=self.settings))

        self.driven([key], habits, resume())
        if len(one.path) == before:
            [interrupt] = output[0]["__interrupt__"]
            assert bool(interrupt.value["error"]) == was_refused
            asked = [request["args"]["id"] for request in interrupt.value["action_requests"]]
            assert asked == [str(question.id) for question in one.waiting]

    @precondition(lambda self: any(not one.has_ended for one in self.known.values()))
    @rule(data=st.data(), asked=INTERVENTIONS, habits=HABITS)
    def ask_something_of_a_driven_one(self, data: Any, asked: list[str], habits: dict[Role, str]) -> None:
        """Requests that arrive while a member works are honoured in order, once, as if they were made by hand then."""
        key = data.draw(st.sampled_from([key for key, one in self.known.items() if not one.has_ended]))
        requests: list[Request] = []

        async def ask(execution_id: UUID) -> None:
            progress = await self.call(self.orchestrator.monitor_progress, execution_id=execution_id)
            assert progress["current_state"] == "in_progress"
            self.asked_at = (await self.database.read(lambda c: load_execution(c, execution_id))).seq
            requests.extend([await self.intervene(execution_id, how) for how in asked])

        self.squads.at_first_work = ask
        if "cancel" in asked:
            self.given_up.add(key)
        self.behave(habits, [key])
        self.run(self.orchestrator.run(key))
        self.squads.at_first_work = None
        if requests:
            self.catch_up(key, self.asked_at)
            for request, how in zip(requests, asked, strict=True):
                self.same_end(request.wait(), partial(self.honour, self.known[key], how))
        self.follow(key)

    @staticmethod
    def honour(one: Modelled, how: str) -> None:
        """Do what was asked, to the model."""
        if how in {"block", "escalate"}:
            one.block("blocker" if how == "block" else "escalation")
        elif how == "resolve":
            one.resolve("in_progress")
        else:
            one.move({"review": "reviewing", "testing": "testing", "complete": "completed"}.get(how, "failed"))

    def driven(self, keys: list[UUID], habits: dict[Role, str], work: Any, **expected: Any) -> None:
        """Drive, and let the model follow what the log says of it."""
        self.behave(habits, keys)
        self.run(work)
        for key in keys:
            self.follow(key, **expected)

    def behave(self, habits: dict[Role, str], keys: list[UUID]) -> None:
        """Say what members do instead of working, from now on."""
        self.squads.habits = habits
        if habits:
            self.troubled.update(keys)

    async def ran(self, key: UUID) -> None:
        summary = await self.orchestrator.run(key)
        assert summary == await self.orchestrator.get_execution_summary(key)

    async def ran_twice(self, key: UUID) -> None:
        ends = await asyncio.gather(*(self.orchestrator.run(key) for _ in range(2)), return_exceptions=True)
        assert [type(end).__name__ for end in ends] == ["dict", "ExecutionBusy"]

    async def streamed(self, key: UUID) -> None:
        events = [event async for event in self.orchestrator.stream(key)]
        assert [event.kind for event in events].count("end") == 1
        assert events[-1].kind == "end"
        seqs = [event.seq for event in events if event.kind == "transition"]
        assert seqs == list(range(self.known[key].seq + 1, events[-1].seq + 1))

    def follow(self, key: UUID, *, to_its_end: bool = True) -> None:
        """Let the model follow what a drive did, and check where it ended and that the thread is there too."""
        one = self.known[key]
        came_from = one.status
        self.catch_up(key)
        if to_its_end:
            self.check_end(key, came_from, one.status)
        values = self.thread(key)
        assert values is not None
        assert (values["execution_id"], values["seq"], values["status"]) == (str(key), one.seq, one.status)

    def catch_up(self, key: UUID, seq: int | None = None) -> None:
        """Let the model make the moves of a drive, each of which must be legal, and take note of what it asked."""
        one, dossier = self.known[key], self.dossier(key)
        moves = dossier.transitions[one.seq : seq]
        for move in moves:
            assert move.from_state == one.status
            one.move(move.to_state)
        if one.status == "blocked" and moves:
            gates = dossier.gates[len(one.questions) :]
            assert gates
            one.questions += [self.as_question(gate, one.seq) for gate in gates]

    def check_end(self, key: UUID, came_from: str, status: str) -> None:
        """Check that a drive ended where drives end, and well where every member has always worked."""
        assert status in {*ENDS, "blocked"}
        if came_from in {*ENDS, "blocked"}:
            assert status == came_from
        elif key not in self.troubled:
            assert status == "completed"

    @staticmethod
    def as_question(gate: Gate, visit: int) -> Question:
        return Question(gate.kind.value, gate.origin_state, visit, gate.next_state, id=gate.id)

    # Whatever else happens to a database

    @rule(key=executions)
    def lose_the_checkpoints(self, key: UUID) -> None:
        thread_id = self.dossier(key).execution.thread_id
        self.run(self.database.checkpointer.adelete_thread(thread_id))

    @rule()
    def reopen(self) -> None:
        self.run(self.database.close())
        self.open()

    # What always holds

    @invariant()
    def everything_is_as_the_model_has_it(self) -> None:
        """What has changed is checked whole; what has not, was checked when it did."""
        found = self.run(self.database.read(self.look)) if self.known else {}
        for key, (dossier, logs) in found.items():
            if self.seen.get(key) == (dossier, logs):
                assert (dossier.execution.status, dossier.execution.seq) == (
                    self.known[key].status,
                    self.known[key].seq,
                )
                continue
            assert key not in self.seen or self.seen[key][0].execution.status not in ENDS  # what has ended stays
            self.seen[key] = (dossier, logs)
            self.check_rows(self.known[key], dossier)
            self.check_work(key, dossier)
            self.run(self.call(self.check_what_callers_are_told, key=key, one=self.known[key]))

    def look(self, connection: Connection) -> dict[UUID, Any]:
        return {key: (load_dossier(connection, key), load_logs(connection, key)) for key in self.known}

    @staticmethod
    def check_rows(one: Modelled, dossier: Any) -> None:
        """Check row, log and gates."""
        row, moves = dossier.execution, dossier.transitions
        assert (row.status, row.seq) == (one.status, one.seq)
        assert [move.seq for move in moves] == list(range(1, one.seq + 1))
        assert [(move.from_state, move.to_state) for move in moves] == list(itertools.pairwise(one.path))
        for question, gate in zip(one.questions, dossier.gates, strict=True):
            question.id = question.id or gate.id
            assert (gate.id, gate.status.value, gate.kind.value) == (question.id, question.status, question.kind)
            assert gate.origin_state == question.origin
        assert bool(one.waiting) == (one.status == "blocked")

    def check_work(self, key: UUID, dossier: Any) -> None:
        """Check that each outcome is there once, and that no work has none where nothing was cancelled meanwhile."""
        turns = Counter((row.subtask_id, row.turn) for row in dossier.outcomes)
        assert set(turns.values()) <= {1}
        worked = len(dossier.outcomes) - self.inherited.get(key, 0)
        assert worked <= self.squads.calls[key]
        if key not in self.given_up:
            assert worked == self.squads.calls[key]

    async def check_what_callers_are_told(self, db: Any, key: UUID, one: Modelled) -> None:
        """Check that progress and summary agree with the model and with each other."""
        progress = await self.orchestrator.monitor_progress(db=db, execution_id=key)
        summary = await self.orchestrator.get_execution_summary(key, db=db)
        row = await TaskExecutionService.get_task_execution(db, key)
        assert progress["current_state"] == summary["status"] == row.status == one.status
        assert progress["progress_percentage"] == summary["progress_percentage"] == one.progress
        assert (progress["is_blocked"], progress["is_terminal"]) == (one.status == "blocked", one.has_ended)
        ends = [subtask["status"] for subtask in summary["subtasks"]]
        assert (progress["subtasks_done"], progress["subtasks_total"]) == (ends.count("done"), len(ends))
        assert [move["to_state"] for move in summary["transitions"]] == one.path[1:]

    # Looking

    def dossier(self, key: UUID) -> Any:
        return self.run(self.database.read(lambda connection: load_dossier(connection, key)))

    def config(self, key: UUID) -> Any:
        return {"configurable": {"thread_id": str(key)}}

    def thread(self, key: UUID) -> dict[str, Any] | None:
        found = self.run(self.database.checkpointer.aget_tuple(self.config(key)))
        return found and found.checkpoint["channel_values"]

    def follows(self, key: UUID) -> bool:
        """Tell whether the thread is where the execution is."""
        values = self.thread(key)
        return values is not None and values.get("seq") == self.known[key].seq


@pytest.mark.slow
@pytest.mark.timeout(120 + 5 * EXAMPLES)  # and whatever a failure takes to be made small
def test_any_order_of_any_operations_leaves_what_the_model_says(tmp_path: Path) -> None:
    template = tmp_path / "template.db"
    squad_id, tasks = asyncio.run(make_template(template))
    run_state_machine_as_test(
        lambda: AnyOrder(template, squad_id, tasks),
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            derandomize=EXAMPLES <= 100,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],  # each step is transactions on a real file
            database=None,
            phases=PHASES,
        ),
    )
