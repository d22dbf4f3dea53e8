"""Starting the command line as a user does: as a process of its own, on a file."""

import asyncio
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Self

from delegation import Squad
from graph import TaskOrchestrator
from graph.intake import read_task
from persistence import Database, SquadService, TaskService

TASKS = Path(__file__).parents[2] / "notebooks" / "tasks"
LOGIN = TASKS / "user_login.md"

SUMMARY_KEYS = {
    "execution_id",
    "task",
    "status",
    "progress_percentage",
    "started_at",
    "transitions",
    "subtasks",
    "gates",
    "metrics",
    "result",
    "error_message",
}

SLOW = """
import asyncio, os, sys
from agents import Roster

class Slow:
    def __init__(self, agent):
        self.agent = agent

    def __getattr__(self, name):
        return getattr(self.agent, name)

    async def work(self, brief):
        while {until!r} and not os.path.exists({until!r}):
            await asyncio.sleep(0.01)
        await asyncio.sleep({pause})
        return await self.agent.work(brief)

quick = Roster.of
Roster.of = lambda self, role: Slow(quick(self, role))
from graph.cli import main
sys.exit(main())
"""
"""The command line with members that take their time."""

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in {"SQUAD_DATABASE_URL", "SQUAD_DEBUG"}}
    return {**kept, "PYTHONIOENCODING": "utf-8", "PYTHONWARNINGS": "error", **more}


def command(*words: object, pause: float | None = None, until: Path | None = None) -> list[str]:
    """Return what starts the command; its members may wait until a file is there, and then for so many seconds."""
    start = ["-m", "graph.cli"]
    if pause is not None or until is not None:
        start = ["-c", SLOW.format(pause=pause or 0, until=str(until or ""))]
    return [sys.executable, *start, *map(str, words)]


def squad(*words: object, cwd: Path, stdin: bytes = b"", **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    done = subprocess.run(
        command(*words),
        cwd=cwd,
        input=stdin,
        env=environment(**variables),
        capture_output=True,
        timeout=60,
        check=False,
    )
    text = subprocess.CompletedProcess(
        done.args, done.returncode, done.stdout.decode("utf-8"), done.stderr.decode("utf-8")
    )
    assert "Traceback" not in text.stderr, text.stderr
    return text


class Running:
    """A command that is at work; its standard error is read while it comes."""

    def __init__(
        self,
        *words: object,
        cwd: Path,
        pause: float | None = None,
        until: Path | None = None,
        stdin: int = subprocess.DEVNULL,
        **variables: str,
    ) -> None:
        self.process = subprocess.Popen(
            command(*words, pause=pause, until=until),
            cwd=cwd,
            env=environment(**variables),
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            # a test run in the background of a shell ignores SIGINT, and would hand that on
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509 - no threads
        )
        self.lines: list[str] = []
        self.stdout = ""
        self._readers = [threading.Thread(target=self._read_errors), threading.Thread(target=self._read_output)]
        for reader in self._readers:
            reader.start()

    def _read_errors(self) -> None:
        assert self.process.stderr is not None
        self.lines.extend(iter(self.process.stderr.readline, ""))  # a list grows line by line

    def _read_output(self) -> None:
        assert self.process.stdout is not None
        self.stdout = self.process.stdout.read()

    @property
    def stderr(self) -> str:
        return "".join(self.lines)

    def wait_for(self, pattern: str, timeout: float = 60.0) -> str:
        """Wait until something that matches has been said, and return it."""
        until = time.monotonic() + timeout
        while time.monotonic() < until:
            over = self.process.poll() is not None and not self._readers[0].is_alive()
            if found := re.search(pattern, self.stderr):
                return found.group(1) if found.re.groups else found.group()
            assert not over, f"ended without saying {pattern!r}: {self.stderr}"
            time.sleep(0.002)
        raise AssertionError(f"nothing like {pattern!r} in {timeout} s: {self.stderr}")

    def execution(self) -> str:
        return self.wait_for(f"execution ({UUID})\n")

    def send(self, number: int) -> None:
        self.process.send_signal(number)

    def end(self, timeout: float = 60.0) -> int:
        """Wait for the end and return the exit status."""
        status = self.process.wait(timeout)
        for reader in self._readers:
            reader.join(timeout)
        assert "Traceback" not in self.stderr, self.stderr
        return status

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for reader in self._readers:
            reader.join()
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()


def parked(file: Path) -> str:
    """Return an execution that was made from Python and that nobody drives."""

    async def make() -> str:
        async with await Database.open(str(file)) as database, database.session() as db:
            squad = await SquadService.create_squad(db, Squad.default())
            task = await TaskService.create_task(db, read_task(str(LOGIN)))
            return str(await TaskOrchestrator().execute_task(db=db, task=task, squad_id=squad.id))

    return asyncio.run(make())


def rows(file: Path, query: str, values: Sequence[Any] = ()) -> list[Any]:
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
        return connection.execute(query, values).fetchall()


def stored(file: Path) -> dict[str, int]:
    """Count what is stored, table by table; what the migration and SQLite itself write is left out."""
    if not file.exists():
        return {}
    names = [name for (name,) in rows(file, "SELECT name FROM sqlite_master WHERE type = 'table'")]
    counts = {name: rows(file, f'SELECT count(*) FROM "{name}"')[0][0] for name in names}  # noqa: S608 - own names
    own = {"alembic_version", "sqlite_sequence"} | {name for name in names if name.startswith("past_tasks_text_")}
    return {name: count for name, count in counts.items() if count and name not in own}


def check_whole(summary: dict[str, Any], file: Path) -> None:
    """Check a completed execution: each transition once and without a gap, each subtask's outcome once."""
    assert summary.keys() == SUMMARY_KEYS
    assert summary["status"] == "completed"
    assert summary["progress_percentage"] == 100
    moves = [(one["from_state"], one["to_state"]) for one in summary["transitions"]]
    assert len(moves) == len(set(moves))
    assert [one["seq"] for one in summary["transitions"]] == list(range(1, len(moves) + 1))
    key = summary["execution_id"].replace("-", "")
    outcomes = rows(file, "SELECT subtask_id, count(*) FROM outcomes WHERE execution_id = ? GROUP BY subtask_id", [key])
    assert dict(outcomes) == dict.fromkeys((one["id"] for one in summary["subtasks"]), 1)
    assert {one["status"] for one in summary["subtasks"]} == {"done"}


def document(text: str) -> Any:
    return json.loads(text)
