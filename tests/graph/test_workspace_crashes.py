"""Processes that are killed while they work in a repository, and what the next one makes of what they left."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from processes import ROOT
from programs import living, wait_until
from repositories import git, make_repository, snapshot

from delegation import Squad, Task
from graph import RunSettings, TaskOrchestrator
from persistence import Database, SquadService, TaskService

FILES = {"app.py": "def total(items):\n    return 0\n", "check.py": "from app import total\nassert total([1]) == 1\n"}
TASK = Task(title="Add up", description="An API `POST /api/total` in `app.py`.", acceptance_criteria=["It adds up"])

DRIVER = """
import asyncio, functools, os, signal, sys
from pathlib import Path
from uuid import UUID
from agents import surroundings
from agents.workspace import Workspace
from agents.workspace.git import Git
from delegation import Deliverable, Outcome, OutcomeStatus, Role
from graph import RunSettings, TaskOrchestrator
from persistence import Database

at, database, execution, calls = sys.argv[1:]


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def deadly(kind, name, *, before=False, when=lambda *given: True):
    call = getattr(kind, name)

    @functools.wraps(call)
    async def dying(*given, **named):
        if before and when(*given):
            die()
        found = await call(*given, **named)
        if when(*given):
            die()
        return found

    setattr(kind, name, dying)


if at == "between the commits":
    deadly(Workspace, "land")
elif at == "amid a copy":
    deadly(Git, "__call__", before=True, when=lambda *given: given[1] == "read-tree")
elif at == "amid the first reference":
    deadly(Git, "__call__", before=True, when=lambda *given: given[1] == "init")
elif at == "before the branch moves":
    deadly(Git, "attempt", before=True, when=lambda *given: given[1] == "update-ref" and "-" in str(given) and moved())


def moved():
    moved.count += 1
    return moved.count > 1


moved.count = 0


class Agent:
    def __init__(self, role):
        self.role = role

    async def work(self, brief):
        hands = surroundings().hands
        with open(calls, "a") as file:
            file.write(f"{brief.subtask.id}\\n")
        text = await hands.read("app.py")
        if "return 0" in text:
            await hands.edit("app.py", "return 0", "return sum(items)")
        await hands.write(f"notes/{brief.subtask.id}.md", "x")
        if at == "amid a run":
            code = "import time; open('on', 'w').close(); time.sleep(600)"
            await hands.run([sys.executable, "-c", code, "sign-" + execution])
        criteria = list(brief.subtask.criteria)
        deliverable = Deliverable(kind="work_order", title="t", body="b", criteria=criteria)
        return Outcome(status=OutcomeStatus.DONE, deliverable=deliverable)


async def main():
    agents = {role: Agent(role) for role in Role}
    async with await Database.open(database) as opened:
        summary = await TaskOrchestrator(database=opened, agents=agents).run(UUID(execution))
        print(summary["status"], summary["gates"], summary["error_message"])


asyncio.run(main())
"""


@pytest.fixture
def top(tmp_path: Path) -> Path:
    return make_repository(tmp_path / "repository", FILES)


def begun(file: Path, top: Path, **settings: Any) -> UUID:
    """Store an execution that works in the repository, and that nobody drives yet."""

    async def make() -> UUID:
        chosen = RunSettings(workspace=str(top), test_command=f"{sys.executable} check.py", **settings)
        async with await Database.open(str(file)) as database, database.session() as db:
            squad = await SquadService.create_squad(db, Squad.default())
            task = await TaskService.create_task(db, TASK)
            orchestrator = TaskOrchestrator(database=database, settings=chosen)
            return await orchestrator.execute_task(db=db, task=task, squad_id=squad.id)

    return asyncio.run(make())


def drive(at: str, folder: Path, execution: UUID) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", DRIVER, at, str(folder / "squad.db"), str(execution), str(folder / "calls")]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)


def check_whole(top: Path, execution: UUID, before: dict[str, object]) -> None:
    """Check the branch after the end: each subtask is one commit, and nothing else of ours is left."""
    assert snapshot(top) == before
    branch = f"squad/{execution}"
    subjects = git(top, "log", "--format=%s", f"main..{branch}").splitlines()
    assert len(subjects) == len({one.split(":")[0] for one in subjects}) > 1
    assert git(top, "show", f"{branch}:app.py") == "def total(items):\n    return sum(items)\n"
    assert git(top, "for-each-ref", "refs/squad") == ""
    assert git(top, "worktree", "list").count("\n") == 1
    assert git(top, "fsck", "--no-dangling") == ""


POINTS = ["amid a copy", "amid the first reference", "before the branch moves"]


@pytest.mark.parametrize("at", ["between the commits", *(pytest.param(one, marks=pytest.mark.slow) for one in POINTS)])
def test_a_killed_drive_is_taken_up_where_it_was(top: Path, tmp_path: Path, at: str) -> None:
    before = snapshot(top)
    execution = begun(tmp_path / "squad.db", top)
    killed = drive(at, tmp_path, execution)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    ended = drive("nowhere", tmp_path, execution)
    assert ended.stdout.startswith("completed"), ended.stdout + ended.stderr
    check_whole(top, execution, before)
    assert not list((tmp_path / "squad.db-worktrees").iterdir())


@pytest.mark.slow
def test_killed_again_and_again_between_the_commits_none_is_made_twice(top: Path, tmp_path: Path) -> None:
    before = snapshot(top)
    execution = begun(tmp_path / "squad.db", top)
    for _ in range(2):
        assert drive("between the commits", tmp_path, execution).returncode == -signal.SIGKILL
        assert git(top, "log", "--format=%s", f"main..squad/{execution}").count("\n") >= 1
    assert drive("nowhere", tmp_path, execution).stdout.startswith("completed")
    check_whole(top, execution, before)
    calls = (tmp_path / "calls").read_text().split()
    assert len(calls) > len(set(calls))  # what was committed and not stored was worked again


def test_nothing_of_a_run_lives_on_where_the_drive_is_killed(top: Path, tmp_path: Path) -> None:
    execution = begun(tmp_path / "squad.db", top, allow_run=True)
    command = [
        sys.executable,
        "-c",
        DRIVER,
        "amid a run",
        str(tmp_path / "squad.db"),
        str(execution),
        str(tmp_path / "calls"),
    ]
    driver = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    worktrees = tmp_path / "squad.db-worktrees"
    try:
        wait_until(lambda: list(worktrees.rglob("on")))
        assert living(f"sign-{execution}")
    finally:
        os.kill(driver.pid, signal.SIGKILL)
        driver.wait()
    wait_until(lambda: not living(f"sign-{execution}"))
