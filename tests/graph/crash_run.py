"""One run of the crash matrix: how it is driven, killed and resumed, each time in a process of its own."""

import asyncio
import os
import shutil
import signal
import traceback
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from json import dumps, loads
from pathlib import Path
from typing import Any

from crash_points import Late, Points, put_in
from crash_scenario import ADDED, SQUAD, TASKS, Ledger, account, agents, committed
from langgraph.types import Command
from sqlalchemy import select

from graph import RunSettings, TaskOrchestrator, build_graph
from persistence import Database, SquadService, TaskService
from persistence.base import table
from persistence.tables import ExecutionRow

__all__ = ["MODES", "Mode", "Run", "ended", "forked", "make_template"]

THREAD = "crash"
SETTINGS = RunSettings(approval="human")
ANSWERS: dict[str, dict[str, Any]] = {
    "approval": {"decision": "approve", "text": "go on"},
    "blocker": {"decision": "respond", "text": "argon2id"},
}
"""What a human says to each kind of gate: one asks for approval of the plan, and one is a member's question."""
LIMIT_S = 60
"""How long one process of a run may take, in seconds, on a machine that does other things too: then it hangs."""


@dataclass(frozen=True)
class Mode:
    """How a run is driven until it is killed, and by whom it is resumed."""

    name: str
    is_bare: bool = True
    durability: Any = "async"
    late: Callable[[], Late] | None = None
    resumed_bare: bool = True

    @property
    def title(self) -> str:
        """The name, with who resumes."""
        return f"{self.name}, resumed by {'the bare graph' if self.resumed_bare else 'the orchestrator'}"


_BARE = [
    Mode("bare-sync", durability="sync"),
    Mode("bare-async", late=lambda: Late(None)),
    Mode("bare-async-lag", late=lambda: Late(1)),
    Mode("bare-async-root", late=lambda: Late(None, root_only=True)),
    Mode("bare-async-root-lag", late=lambda: Late(2, root_only=True)),
]
MODES = [
    Mode("orchestrator", is_bare=False, durability="sync", resumed_bare=False),
    *_BARE,
    *(replace(mode, resumed_bare=False) for mode in _BARE if "lag" not in mode.name),
]
"""In the asynchronous ones what goes to the checkpointer is late: all of it, or what the root graph writes alone."""


@dataclass(frozen=True)
class Run:
    """One run of a scenario over as many processes as it takes, in a folder of its own."""

    folder: Path
    scenario: str
    mode: Mode
    pace_s: float = 0.0

    @property
    def ledger(self) -> Ledger:
        """The calls of its agents."""
        return Ledger(self.folder / "ledger", self.pace_s)

    def prepare(self, template: Path) -> None:
        """Begin with a database in which nothing has happened."""
        self.folder.mkdir(parents=True)
        shutil.copy(template, self.folder / "squad.db")

    def begin(self, deadly: str | None = None) -> int:
        """Start the first process, which drives the run to its end, or to the deadly point; returns its id."""
        late = self.mode.late() if self.mode.late else None
        return forked(lambda: self._play(bare=self.mode.is_bare, late=late, deadly=deadly), self.folder / "trouble")

    def resume(self, *, late: bool = False) -> int:
        """Start a process that goes on from whatever is stored, as late as the first one or at once; returns its id."""
        bare = self.mode.resumed_bare
        held = replace(self.mode.late(), most_s=1.0) if self.mode.late and bare and late else None
        return forked(lambda: self._play(bare=bare, late=held), self.folder / "trouble")

    def found(self) -> dict[str, Any]:
        """Return what the last process that came to an end found there."""
        found: dict[str, Any] = loads((self.folder / "found").read_text())
        return found

    def trouble(self) -> str:
        """Return what its processes told of what went wrong."""
        file = self.folder / "trouble"
        return file.read_text()[-4000:] if file.exists() else "no trouble was told"

    async def _play(self, *, bare: bool, late: Late | None = None, deadly: str | None = None) -> None:
        points = Points(deadly)
        put_in(points, late)
        async with await Database.open(str(self.folder / "squad.db")) as database:
            self.ledger.note_in_flight(await database.read(committed))
            if bare or (self.mode.is_bare and not await _executions(database)):
                await self._by_the_graph(database, late)
            else:
                await self._by_the_orchestrator(database)
            rows = await database.read(account)
            thread = await _thread(database)
        found = {"rows": rows, "points": points.passed, "thread": thread}
        (self.folder / "found").write_text(dumps(found))

    async def _by_the_graph(self, database: Database, late: Late | None) -> None:
        graph = build_graph(database=database, agents=agents(self.ledger))
        config: Any = {"configurable": {"thread_id": THREAD}}
        known = await database.checkpointer.aget_tuple(config)
        given: Any = {"task": TASKS[self.scenario], "squad": SQUAD} if known is None else None
        while True:
            if late:
                late.start()
            output = await graph.ainvoke(given, config, durability=self.mode.durability, context=SETTINGS)
            if not (asked := output.get("__interrupt__")):
                return
            gates = [request["args"] for request in asked[0].value["action_requests"]]
            await self._change(database, TaskOrchestrator(database=database, agents=agents(self.ledger)), gates)
            given = Command(resume={gate["id"]: ANSWERS[gate["kind"]] for gate in gates})

    async def _by_the_orchestrator(self, database: Database) -> None:
        orchestrator = TaskOrchestrator(database=database, agents=agents(self.ledger), settings=SETTINGS)
        if not await _executions(database):
            await self._execute_task(database, orchestrator)
        [execution] = await _executions(database)
        while (summary := await orchestrator.run(execution.id))["status"] == "blocked":
            await self._change(database, orchestrator, summary["gates"])
            for gate in summary["gates"]:
                if gate["status"] == "open":
                    await orchestrator.answer(execution.id, gate["id"], **ANSWERS[gate["kind"]])

    @staticmethod
    async def _change(database: Database, orchestrator: TaskOrchestrator, gates: list[dict[str, Any]]) -> None:
        """Add to the plan while a member's question waits, unless a process that was killed has done so before."""
        execution = (await _executions(database))[-1]
        is_there = any(one["id"] == ADDED.id for one in (execution.plan or {}).get("subtasks", []))
        if is_there or not any((gate["kind"], gate["status"]) == ("blocker", "open") for gate in gates):
            return
        async with database.session() as db:
            await orchestrator.add_subtask(db=db, execution_id=execution.id, subtask=ADDED, needed_by=["check"])

    async def _execute_task(self, database: Database, orchestrator: TaskOrchestrator) -> None:
        ids = loads((self.folder.parent / "ids").read_text())
        async with database.session() as db:
            task = await TaskService.get_task(db, ids[self.scenario])
            await orchestrator.execute_task(db=db, task=task, squad_id=ids["squad"])


async def _executions(database: Database) -> Any:
    return await database.read(lambda connection: connection.execute(select(table(ExecutionRow))).all())


async def _thread(database: Database) -> list[Any]:
    """Return where the last execution's row is, and where its thread is."""
    execution = (await _executions(database))[-1]
    found = await database.checkpointer.aget_tuple({"configurable": {"thread_id": execution.thread_id}})
    values = found.checkpoint["channel_values"] if found else {}
    return [[execution.status, execution.seq], [values.get("status"), values.get("seq")]]


async def make_template(folder: Path) -> None:
    """Make a database that holds squad and tasks, and a file with their ids."""
    async with await Database.open(str(folder / "template.db")) as database, database.session() as db:
        ids = {"squad": str((await SquadService.create_squad(db, SQUAD)).id)}
        for name, task in TASKS.items():
            ids[name] = str((await TaskService.create_task(db, task)).id)
    (folder / "ids").write_text(dumps(ids))


def forked(work: Callable[[], Coroutine[Any, Any, None]], trouble: Path) -> int:
    """Run ``work`` in a process of its own, which writes what goes wrong to a file; returns its id."""
    if child := os.fork():
        return child
    status = 1
    try:
        signal.alarm(LIMIT_S)
        number = os.open(trouble, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.dup2(number, 2)
        asyncio.run(work())
        status = 0
    except BaseException:  # noqa: BLE001 - nothing of the parent's may run in the child
        traceback.print_exc()
    finally:
        os._exit(status)


def ended(child: int) -> int:
    """Wait for a process; returns its exit status, or the signal that killed it as a negative number."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
