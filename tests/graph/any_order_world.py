"""What random orders of operations work on: a database, agents that misbehave when told, the model, and the checks."""

import asyncio
import itertools
import shutil
import tempfile
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import UUID

from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant
from lifecycle_model import ENDS, Modelled, Refused, Said
from scripted import all_roles, done
from sqlalchemy import Connection

from agents import Brief
from delegation import Outcome, OutcomeStatus, Role, Squad, Task
from graph import RunSettings, SquadError, TaskOrchestrator, build_graph
from persistence import (
    Database,
    SquadService,
    TaskExecutionService,
    TaskService,
    load_dossier,
    load_logs,
)

CRITERION = "A wrong password is refused"
TASKS = [Task(title=f"Implement user login {one}", acceptance_criteria=[CRITERION]) for one in range(3)]
ADDED = "What was added"
SOME_PLAN = {"subtasks": [{"id": "S1", "title": "Whatever", "criteria": [CRITERION]}]}
executions = Bundle("executions")


def edited(plan: dict[str, Any], how: str) -> dict[str, Any]:
    """Return the plan as a human gives it back: a good one, or one with something wrong in it."""
    first, *rest = plan["subtasks"]
    if how == "no subtasks":
        return plan | {"subtasks": []}
    if how == "a cycle":
        return plan | {"subtasks": [first | {"depends_on": [first["id"]]}, *rest]}
    if how == "an unserved criterion":
        return plan | {"subtasks": [one | {"criteria": []} for one in plan["subtasks"]]}
    more = first | {"id": f"X{len(rest)}", "depends_on": [first["id"]]}
    return plan | {"subtasks": [one | {"title": one["title"] + ", edited"} for one in [first, *rest, more]]}


async def make_template(file: Path) -> tuple[UUID, list[UUID]]:
    """Make a migrated file with a squad and some tasks in it; every example works on a copy."""
    async with await Database.open(str(file)) as database, database.session() as db:
        squad = await SquadService.create_squad(db, Squad.default())
        tasks = [await TaskService.create_task(db, task) for task in TASKS]
        return squad.id, [task.id for task in tasks]


class Squads:
    """The agents of all drives: what they do is set from outside, and every piece of work is counted."""

    def __init__(self) -> None:
        self.habits: dict[Role, str] = {}
        self.calls: Counter[UUID] = Counter()
        self.worked: dict[UUID, set[str]] = defaultdict(set)
        """The titles of the subtasks that were begun."""
        self.at_first_work: Callable[[UUID], Awaitable[None]] | None = None

    async def work(self, brief: Brief) -> Outcome:
        """Do the work, or what the role does instead."""
        self.calls[brief.execution_id] += 1
        self.worked[brief.execution_id].add(brief.subtask.title)
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


class World(RuleBasedStateMachine):
    """Several executions of one database, and what the model says of them."""

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
        self.origin_of: dict[UUID, UUID] = {}
        """Forks, and what they came from."""
        self.pruned: set[UUID] = set()
        self.open_boards: set[tuple[UUID, int]] = set()
        """Executions, at the transitions at which a drive may have left their boards open."""
        self.settings = RunSettings()
        self.numbers = itertools.count(1)
        self.database: Database | None = None

    def open(self) -> None:
        """Open the database, as a process that has just started does."""

        async def opened() -> Database:
            return await Database.open(str(self.file))

        self.database = self.run(opened())
        self.agents = all_roles(self.squads.work)
        self.orchestrator = self.choosing(None)
        self.__dict__.pop("graph", None)

    def choosing(self, approval: str | None) -> TaskOrchestrator:
        """Return an orchestrator whose runs choose who approves plans, or leave that as it is."""
        chosen = self.settings.model_dump(exclude_unset=True) | ({"approval": approval} if approval else {})
        return TaskOrchestrator(database=self.database, agents=self.agents, settings=RunSettings(**chosen))

    @cached_property
    def graph(self) -> Any:
        """The bare graph on the database as it is open now; many examples need none, and it takes a while to build."""
        return build_graph(database=self.database, agents=self.agents)

    def new_subtask(self) -> dict[str, Any]:
        """Return a subtask that no plan has."""
        return {"id": f"N{next(self.numbers)}", "title": ADDED, "effort": 1.0}

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

    # What is said to gates

    def in_full(self, said: Said, gate_id: UUID | None) -> dict[str, Any]:
        """Return an answer with the plan that goes with it: made from the gate's own where that shows one."""
        shown = [gate.plan for one in self.known.values() for gate in one.questions if gate.id == gate_id and gate.plan]
        plan = edited(shown[0] if shown else SOME_PLAN, said.plan) if said.plan else None
        return {"decision": said.decision, "text": said.text, "next_state": said.next_state, "plan": plan}

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

    @contextmanager
    def as_approved(self, keys: list[UUID]) -> Iterator[None]:
        """Check that the work which is begun meanwhile is of an approved plan, wherever a human is to approve plans.

        Work on a board that was open when a human was chosen goes on.
        """
        began_at = {key: self.known[key].seq for key in keys}
        self.squads.worked.clear()
        yield
        for key, seq in began_at.items():
            one, titles = self.known[key], self.squads.worked[key]
            if titles and not (one.approval != "human" or (key, seq) in self.open_boards):
                assert one.approved
                plan = one.approved.plan
                plan = edited(plan, "good") if one.approved.said.decision == "edit" else plan
                assert titles <= {subtask["title"] for subtask in plan["subtasks"]} | {ADDED}
            if one.may_work:
                self.open_boards.add((key, one.seq))

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
            assert (gate.deadline is not None, gate.overdue_at is not None) == (question.has_deadline, question.is_late)
        assert (row.settings or {}).get("approval") == one.approval
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
