"""How long a whole run takes against a bare LangGraph graph that stores nothing but its checkpoints.

    python tests/benchmarks/spine.py [--rounds 30] [--profile]

The run goes through all eight states with six subtasks, ``execute_task``, log and messages included, on a real file.
The bare graph has eight nodes in a row, the stock checkpointer and the default durability, on a file of its own with
the same pragmas. Both run in this process, in turns. ``--profile`` runs more rounds under cProfile afterwards, once
for the event loop's thread and once for the database's writing and reading threads, and prints where the time goes.
"""

import argparse
import asyncio
import cProfile
import pstats
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiosqlite
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, START, StateGraph
from sqlalchemy import Connection
from typing_extensions import TypedDict

from agents.rules import RuleProjectManager
from delegation import Plan, Requirements, Role, Squad, Subtask, SubtaskKind, Task, TestCase
from graph import TaskOrchestrator
from persistence import Database, SquadService, TaskService

STATES = 8
SUBTASKS = 6
TRANSITIONS = STATES - 1
WARM_UP = 5
TASK = Task(
    title="Export orders as CSV from the orders page",
    description=(
        "Add a button to the orders page that downloads the orders as CSV from the API endpoint GET /orders.csv."
        " The deployment runs the export in a container of its own."
    ),
    acceptance_criteria=[
        "The button on the orders page downloads the orders shown",
        "The endpoint GET /orders.csv answers with text/csv",
        "The CI pipeline deploys the export's Docker image",
    ],
)

PIECES = (
    ("S1", Role.BACKEND_DEVELOPER, SubtaskKind.DESIGN, []),
    ("S2", Role.BACKEND_DEVELOPER, SubtaskKind.IMPLEMENTATION, ["S1"]),
    ("S3", Role.FRONTEND_DEVELOPER, SubtaskKind.IMPLEMENTATION, ["S1"]),
    ("S4", Role.DEVOPS_ENGINEER, SubtaskKind.DEPLOYMENT, ["S1"]),
    ("S5", Role.TECH_LEAD, SubtaskKind.DOCUMENTATION, ["S2", "S3", "S4"]),
    ("S6", Role.TESTER, SubtaskKind.TEST, ["S2", "S3", "S4"]),
)

Turn = Callable[[], Awaitable[None]]


class FixedPlan(RuleProjectManager):
    """The rule-based project manager with always the same plan, so that figures of different days compare."""

    async def break_down(self, task: Task, requirements: Requirements) -> Plan:
        """Return the plan of six subtasks."""
        criteria = [criterion.text for criterion in requirements.criteria]
        subtasks = [
            Subtask(id=id_, title=f"{kind}: {task.title}", role=role, kind=kind, depends_on=before, criteria=criteria)
            for id_, role, kind, before in PIECES
        ]
        ids = [subtask.id for subtask in subtasks]
        cases = [
            TestCase(id=f"T{number}", criterion=text, then=text, subtask_ids=ids)
            for number, text in enumerate(criteria, 1)
        ]
        return Plan(subtasks=subtasks, test_cases=cases)


class Bare(TypedDict):
    """What the bare graph's threads hold."""

    seq: int
    status: str


async def squad_turn(database: Database) -> Turn:
    """Return one whole execution as a call; the task and the squad are stored beforehand."""
    orchestrator = TaskOrchestrator(database=database, agents={Role.PROJECT_MANAGER: FixedPlan()})
    async with database.session() as db:
        task = await TaskService.create_task(db, TASK)
        squad = await SquadService.create_squad(db, Squad.default())

    async def turn() -> None:
        async with database.session() as db:
            execution_id = await orchestrator.execute_task(db=db, task=task, squad_id=squad.id)
        summary = await orchestrator.run(execution_id)
        assert summary["status"] == "completed", summary["error_message"]
        assert len(summary["transitions"]) == TRANSITIONS, summary["transitions"]
        assert len(summary["subtasks"]) == SUBTASKS, [one["title"] for one in summary["subtasks"]]

    return turn


async def bare_turn(connection: aiosqlite.Connection) -> Turn:
    """Return one run of the bare graph as a call."""
    saver = AsyncSqliteSaver(connection)
    await saver.setup()
    builder = StateGraph(Bare)
    names = [f"state_{number}" for number in range(STATES)]
    for name in names:
        builder.add_node(name, bare_node(name))
    for before, after in zip([START, *names], [*names, END], strict=True):
        builder.add_edge(before, after)
    graph = builder.compile(checkpointer=saver)

    async def turn() -> None:
        config: Any = {"configurable": {"thread_id": str(uuid4())}}
        out = await graph.ainvoke({"seq": 0, "status": "pending"}, config)
        assert out["seq"] == STATES

    return turn


def bare_node(name: str) -> Any:
    """Return a node that moves on and does nothing else."""

    async def node(state: Bare) -> dict[str, Any]:
        return {"seq": state["seq"] + 1, "status": name}

    return node


async def timed(turn: Turn) -> float:
    """Return how long one turn takes, in seconds."""
    started = time.perf_counter()
    await turn()
    return time.perf_counter() - started


def size(file: Path) -> int:
    """Return the bytes that the database's pages take, write-ahead log included."""
    import sqlite3  # noqa: PLC0415 - the one place that looks at the file itself

    connection = sqlite3.connect(file)
    try:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        return int(pages) * int(connection.execute("PRAGMA page_size").fetchone()[0])
    finally:
        connection.close()


async def measure(rounds: int, folder: Path, *, profile: bool) -> None:
    """Run both in turns and print what was found."""
    async with AsyncExitStack() as stack:
        file, bare_file = folder / "squad.db", folder / "bare.db"
        database = await stack.enter_async_context(await Database.open(str(file)))
        connection = await stack.enter_async_context(aiosqlite.connect(bare_file))
        for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "busy_timeout = 5000"):
            await connection.execute(f"PRAGMA {pragma}")
        squad, bare = await squad_turn(database), await bare_turn(connection)
        for _ in range(WARM_UP):
            await squad()
            await bare()
        before, bare_before = size(file), size(bare_file)
        pairs = [await pair(squad, bare, is_first=bool(number % 2)) for number in range(rounds)]
        print_figures(pairs, (size(file) - before) / rounds, (size(bare_file) - bare_before) / rounds)
        if profile:
            await print_profiles(database, squad, rounds)


async def pair(squad: Turn, bare: Turn, *, is_first: bool) -> tuple[float, float]:
    """Time one turn of each; who is first alternates, so that neither always pays for the other's garbage."""
    if is_first:
        ours, theirs = await timed(squad), await timed(bare)
    else:
        theirs, ours = await timed(bare), await timed(squad)
    return ours, theirs


def print_figures(pairs: list[tuple[float, float]], grown: float, bare_grown: float) -> None:
    """Print times, ratio, rate and size."""
    ours, theirs = [one for one, _ in pairs], [other for _, other in pairs]
    ratios = [one / other for one, other in pairs]
    print(f"{len(pairs)} rounds in turns, {STATES} states, {SUBTASKS} subtasks")
    for name, times in (("whole run", ours), ("bare graph", theirs)):
        low, high = min(times) * 1000, max(times) * 1000
        print(f"  {name:<12} median {statistics.median(times) * 1000:7.1f} ms   min {low:7.1f}   max {high:7.1f}")
    median = statistics.median(ours) / statistics.median(theirs)
    print(f"  {'ratio':<12} median {median:7.2f}      min {min(ratios):7.2f}   max {max(ratios):7.2f}")
    print(f"  transitions per second {TRANSITIONS / statistics.median(ours):.0f}")
    print(f"  bytes per execution    {grown:,.0f} (bare graph: {bare_grown:,.0f})")


async def print_profiles(database: Database, turn: Turn, rounds: int) -> None:
    """Profile the event loop's thread, then the writing and the reading thread, and print the top of each."""

    async def on_loop(work: Callable[[], None]) -> None:
        work()

    async def on_writer(work: Callable[[], None]) -> None:
        def call(_: Connection) -> None:
            work()

        await database.write(call)

    async def on_reader(work: Callable[[], None]) -> None:
        def call(_: Connection) -> None:
            work()

        await database.read(call)

    for name, within in (("event loop", on_loop), ("writing thread", on_writer), ("reading thread", on_reader)):
        profile = cProfile.Profile()
        await within(profile.enable)
        for _ in range(rounds):
            await turn()
        await within(profile.disable)
        stats = pstats.Stats(profile)
        for order in ("tottime", "cumulative"):
            print(f"\n{name}, {rounds} executions, by {order}")
            stats.sort_stats(order).print_stats(30)


def main() -> int:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--profile", action="store_true", help="also print where the time goes")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="squad-bench-") as folder:
        asyncio.run(measure(max(arguments.rounds, 1), Path(folder), profile=arguments.profile))
    return 0


if __name__ == "__main__":
    sys.exit(main())
