"""Run every report of a CSV to an end through the graph, and count how they end.

    python tests/benchmarks/corpus.py CSV [--concurrency 16] [--limit N]

The file has the columns repo, created_at, label, title and body. Each report is read as ``squad run`` reads an issue,
without its label, and all run on one database in a temporary folder. The exit status is 1 when fewer than 95 % end as
completed, or when anything was raised.
"""

import argparse
import asyncio
import csv
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from delegation import InputError, Squad
from graph import TaskOrchestrator
from graph.intake import parse_task
from persistence import Database, SquadService, TaskService

ENOUGH = 0.95
SHOWN = 5


@dataclass(frozen=True)
class Report:
    """One row of the file."""

    number: int
    repo: str
    title: str
    body: str

    def issue(self) -> str:
        """Return the JSON that ``gh issue view`` would give."""
        return json.dumps({"number": self.number, "title": self.title, "body": self.body, "labels": []})

    def __str__(self) -> str:
        """Return what names it on a line."""
        return f"row {self.number} ({self.repo}): {self.title[:70]!r}"


@dataclass(frozen=True)
class End:
    """How one report ended: a state, ``refused`` where the input is no task, or ``raised``; and in how many seconds."""

    report: Report
    kind: str
    seconds: float
    note: str = ""


def reports(path: Path) -> Iterator[Report]:
    """Yield the rows; one that lacks a column counts as empty there."""
    csv.field_size_limit(sys.maxsize)
    with path.open(newline="", encoding="utf-8") as lines:
        for number, row in enumerate(csv.DictReader(lines), 1):
            yield Report(number, row.get("repo") or "", row.get("title") or "", row.get("body") or "")


class Corpus:
    """Runs reports on one database."""

    def __init__(self, database: Database, squad_id: UUID) -> None:
        self._database, self._squad_id = database, squad_id
        self._orchestrator = TaskOrchestrator(database=database)
        self.ends: list[End] = []

    async def worker(self, rows: Iterator[Report]) -> None:
        """Run one report after another until there are no more; several workers share the rows."""
        for report in rows:
            started = time.perf_counter()
            try:
                kind, note = await self._run(report)
            except InputError as error:
                kind, note = "refused", str(error)
            except Exception as error:  # noqa: BLE001 - whatever is raised is what this program is there to count
                kind, note = "raised", repr(error)
            self.ends.append(End(report, kind, time.perf_counter() - started, note))
            if len(self.ends) % 100 == 0:
                print(f"{len(self.ends)} done", file=sys.stderr, flush=True)

    async def _run(self, report: Report) -> tuple[str, str]:
        task = parse_task(report.issue(), source=f"row {report.number}", form="json")
        async with self._database.session() as db:
            row = await TaskService.create_task(db, task)
            execution_id = await self._orchestrator.execute_task(db=db, task=row, squad_id=self._squad_id)
        summary = await self._orchestrator.run(execution_id)
        asked = "; ".join(gate["question"] for gate in summary["gates"] if gate["status"] == "open")
        return summary["status"], summary["error_message"] or asked


async def run_all(path: Path, *, concurrency: int, limit: int | None, folder: Path) -> list[End]:
    """Run the file's reports, some at a time, and return how they ended."""
    rows = iter(list(reports(path))[:limit])
    async with await Database.open(str(folder / "corpus.db")) as database:
        async with database.session() as db:
            squad = await SquadService.create_squad(db, Squad.default())
        corpus = Corpus(database, squad.id)
        await asyncio.gather(*(corpus.worker(rows) for _ in range(concurrency)))
    return corpus.ends


def print_figures(ends: list[End], seconds: float) -> None:
    """Print the counts, what did not complete, and the slowest."""
    counts = Counter(end.kind for end in ends)
    share = counts["completed"] / max(len(ends), 1)
    named = ", ".join(f"{counts[kind]} {kind}" for kind in ("completed", "failed", "blocked", "refused", "raised"))
    print(f"{len(ends)} reports in {seconds:.1f} s: {named} ({share:.1%} completed)")
    for end in [end for end in ends if end.kind != "completed"][: 4 * SHOWN]:
        print(f"  {end.kind}: {end.report}: {end.note[:200]}")
    print("slowest, in seconds, beside the others that ran at the same time:")
    for end in sorted(ends, key=lambda end: -end.seconds)[:SHOWN]:
        print(f"  {end.seconds:6.2f}  {end.report} ({len(end.report.body):,} characters)")


def main() -> int:
    """Read the arguments, run, and say whether enough completed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("csv", type=Path)
    parser.add_argument("--concurrency", type=int, default=16)
    parser.add_argument("--limit", type=int, help="only the first rows")
    arguments = parser.parse_args()
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="squad-corpus-") as folder:
        ends = asyncio.run(
            run_all(
                arguments.csv,
                concurrency=max(arguments.concurrency, 1),
                limit=arguments.limit,
                folder=Path(folder),
            )
        )
    print_figures(ends, time.perf_counter() - started)
    counts = Counter(end.kind for end in ends)
    return 0 if ends and counts["completed"] / len(ends) >= ENOUGH and not counts["raised"] else 1


if __name__ == "__main__":
    sys.exit(main())
