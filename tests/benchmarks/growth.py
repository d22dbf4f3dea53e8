"""Whether an execution grows as it goes on: bytes and time of a rework round, early and late.

    python tests/benchmarks/growth.py [--rounds 1000]

One execution whose tech lead sends the same subtask back at every review, on a real file. A round is two transitions:
back to the board, and on to the review. Printed are the bytes of the database's pages per transition and the time per
round, both around the 10th round and around the last, with their ratio, and what takes the space.
"""

import argparse
import asyncio
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from agents.rules import RuleProjectManager, RuleTechLead
from delegation import Finding, Outcome, Plan, Requirements, Review, Role, Squad, Subtask, SubtaskKind, Task, TestCase
from graph import TaskOrchestrator
from graph.context import RunSettings
from persistence import Database, SquadService, TaskService

TRANSITIONS = 2
"""How many transitions a round has."""
WINDOW = 10
"""Over how many rounds bytes are taken."""
TIMED = 50
"""Over how many rounds the median of their times is taken, since a shared machine is not always calm."""


class ThreeSubtasks(RuleProjectManager):
    """The rule-based project manager with always the same small plan."""

    async def break_down(self, task: Task, requirements: Requirements) -> Plan:
        """Return a plan of three subtasks in a row."""
        criteria = [criterion.text for criterion in requirements.criteria]
        roles = (
            ("S1", Role.BACKEND_DEVELOPER, SubtaskKind.IMPLEMENTATION, []),
            ("S2", Role.FRONTEND_DEVELOPER, SubtaskKind.IMPLEMENTATION, []),
            ("S3", Role.TESTER, SubtaskKind.TEST, ["S1", "S2"]),
        )
        subtasks = [
            Subtask(id=id_, title=task.title, role=role, kind=kind, depends_on=before, criteria=criteria)
            for id_, role, kind, before in roles
        ]
        cases = [TestCase(id=f"T{n}", criterion=one, then=one, subtask_ids=["S1"]) for n, one in enumerate(criteria, 1)]
        return Plan(subtasks=subtasks, test_cases=cases)


@dataclass
class Gauge:
    """The size of a database and the time, noted once a round."""

    file: Path
    bytes: list[int] = field(default_factory=list)
    times: list[float] = field(default_factory=list)

    def note(self) -> None:
        """Note both."""
        self.bytes.append(size(self.file))
        self.times.append(time.perf_counter())

    def per_transition(self, first: int, last: int) -> float:
        """Return the bytes that a transition took between two rounds."""
        return (self.bytes[last] - self.bytes[first]) / (last - first) / TRANSITIONS

    def per_round(self, first: int, last: int) -> float:
        """Return the median of the time that a round took between two rounds, in seconds."""
        return statistics.median(self.times[one + 1] - self.times[one] for one in range(first, last))


class NeverContent(RuleTechLead):
    """A tech lead that sends the first subtask back a number of times, and notes what each round took."""

    def __init__(self, rounds: int, gauge: Gauge) -> None:
        super().__init__()
        self._left, self._gauge = rounds, gauge

    async def review(self, plan: Plan, requirements: Requirements, outcomes: Mapping[str, Outcome]) -> Review:
        """Find something, until it has been often enough."""
        self._gauge.note()
        self._left -= 1
        if self._left < 0:
            return Review(approved=True, summary="it will do")
        return Review(approved=False, findings=[Finding(subtask_id="S1", message="it is still wanting")])


def size(file: Path) -> int:
    """Return the bytes that the database's pages take, write-ahead log included."""
    with closing(sqlite3.connect(file)) as connection:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        return int(pages) * int(connection.execute("PRAGMA page_size").fetchone()[0])


async def reworked(file: Path, rounds: int) -> Gauge:
    """Run one execution with that many rounds of rework to its end, and return what was noted."""
    gauge = Gauge(file)
    agents = {Role.PROJECT_MANAGER: ThreeSubtasks(), Role.TECH_LEAD: NeverContent(rounds, gauge)}
    async with await Database.open(str(file)) as database:
        settings = RunSettings(max_reworks=rounds)
        orchestrator = TaskOrchestrator(database=database, agents=agents, settings=settings)
        async with database.session() as db:
            task = await TaskService.create_task(db, Task(title="Export orders as CSV"))
            squad = await SquadService.create_squad(db, Squad.default())
            execution_id = await orchestrator.execute_task(db=db, task=task, squad_id=squad.id)
        summary = await orchestrator.run(execution_id)
    if summary["status"] != "completed" or len(summary["transitions"]) != 7 + TRANSITIONS * rounds:
        raise RuntimeError(f"the run ended in {summary['status']}: {summary['error_message']}")
    return gauge


def print_figures(gauge: Gauge, rounds: int) -> None:
    """Print bytes and times, early and late."""
    print(f"{rounds} rounds of rework, {TRANSITIONS} transitions each")
    for name, figure, unit, scale, window in (
        ("bytes per transition", gauge.per_transition, "", 1, WINDOW),
        ("time per round", gauge.per_round, " ms", 1000, min(TIMED, rounds // 2)),
    ):
        one, other = figure(WINDOW // 2, WINDOW // 2 + window) * scale, figure(rounds - window, rounds) * scale
        print(f"  {name:<21} round {WINDOW}: {one:9,.1f}{unit}   round {rounds}: {other:9,.1f}{unit}", end="")
        print(f"   ratio {other / one:.2f}")


def print_space(file: Path) -> None:
    """Print which tables and indexes take how many bytes, by SQLite's own account where it keeps one."""
    with closing(sqlite3.connect(file)) as connection:
        try:
            query = "SELECT name, sum(pgsize) FROM dbstat GROUP BY name ORDER BY 2 DESC LIMIT 8"
            found = connection.execute(query).fetchall()
        except sqlite3.OperationalError:  # built without it
            found = sorted(lengths(connection), key=lambda one: -one[1])[:8]
    print("  what takes the space")
    for name, taken in found:
        print(f"    {name:<40} {taken:>12,}")


def lengths(connection: sqlite3.Connection) -> list[tuple[str, int]]:
    """Return how many bytes the values of each table take."""
    tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    found = []
    for name in tables:
        columns = [row[1] for row in connection.execute(f'PRAGMA table_info("{name}")')]
        sums = " + ".join(f'coalesce(length("{column}"), 0)' for column in columns)
        found.append((name, int(connection.execute(f'SELECT total({sums}) FROM "{name}"').fetchone()[0])))  # noqa: S608 - names of the database's own
    return found


def main() -> int:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=1000)
    arguments = parser.parse_args()
    rounds = min(max(arguments.rounds, 2 * WINDOW), 1000)
    with tempfile.TemporaryDirectory(prefix="squad-growth-") as folder:
        file = Path(folder) / "squad.db"
        print_figures(asyncio.run(reworked(file, rounds)), rounds)
        print_space(file)
    return 0


if __name__ == "__main__":
    sys.exit(main())
