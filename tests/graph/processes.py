"""Programs in processes of their own: many that are let go at once, and drivers that a test stops and kills."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]

# Everything is imported once and before the fork, so that the processes are let go at the same moment.
_AT_ONCE = """
import asyncio, json, os, sys
from pathlib import Path
from langgraph.types import Command
from delegation import Deliverable, GateError, Outcome, OutcomeStatus, Role, Task
from graph import ExecutionBusy, ExecutionExists, Request, TaskOrchestrator, build_graph
from persistence import Database, TaskService
{work}
count, arguments = int(sys.argv[1]), sys.argv[2:]
gate, opener = os.pipe()
children = []
for _ in range(count):
    if child := os.fork():
        children.append(child)
        continue
    os.close(opener)
    os.read(gate, 1)
    said = json.dumps(asyncio.run(work(*arguments)))
    os.write(1, said.encode() + b"\\n")  # a short line is written in one piece
    sys.exit()
os.close(opener)
sys.exit(max(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children))
"""

AGENTS = """
class Agent:
    \"\"\"Writes down what it works on, and where; then waits until it is let go.\"\"\"

    def __init__(self, role, folder):
        self.role, self.folder = role, Path(folder)

    async def work(self, brief):
        with (self.folder / "worked").open("a") as file:
            file.write(f"{os.getpid()} {brief.subtask.id}\\n")
        while not (self.folder / "go").exists():
            await asyncio.sleep(0.01)
        criteria = list(brief.subtask.criteria)
        deliverable = Deliverable(kind="work_order", title="t", body="b", criteria=criteria)
        return Outcome(status=OutcomeStatus.DONE, deliverable=deliverable)

def agents(folder):
    return {role: Agent(role, folder) for role in Role}
"""
"""Agents for such programs: ``agents(folder)``."""


def at_once(count: int, work: str, *arguments: object) -> list[Any]:
    """Run ``work`` in that many processes, let go at the same moment; returns what each gave back."""
    command = [sys.executable, "-c", _AT_ONCE.format(work=work), str(count), *map(str, arguments)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert (ended.stderr, ended.returncode) == ("", 0)
    return [json.loads(line) for line in ended.stdout.splitlines()]


def worked(folder: Path) -> list[tuple[int, str]]:
    """Return what :data:`AGENTS` wrote down: process and subtask of each piece of work that was begun."""
    file = folder / "worked"
    lines = file.read_text().splitlines() if file.exists() else []
    return [(int(pid), subtask) for pid, subtask in (line.split() for line in lines)]
