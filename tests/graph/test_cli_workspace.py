"""The command line in a repository, as a user starts it."""

import json
import shlex
import sys
from pathlib import Path

import pytest
from cli_process import squad, stored
from repositories import git, make_repository, snapshot

FILES = {"app.py": "def total(items):\n    return 0\n", "check.py": "from app import total\nassert total([1]) == 1\n"}
AGENTS = """
from agents import surroundings
from delegation import Deliverable, Outcome, OutcomeStatus, Role

class Agent:
    def __init__(self, role):
        self.role = role

    async def work(self, brief):
        hands = surroundings().hands
        if brief.member.role == Role.BACKEND_DEVELOPER and "return 0" in await hands.read("app.py"):
            await hands.edit("app.py", "return 0", "return sum(items)")
        deliverable = Deliverable(kind="change", title="t", body="b", criteria=list(brief.subtask.criteria))
        return Outcome(status=OutcomeStatus.DONE, deliverable=deliverable)

AGENTS = {role: Agent(role) for role in Role}
"""
TESTS = shlex.join([sys.executable, "check.py"])


@pytest.fixture
def top(tmp_path: Path) -> Path:
    (tmp_path / "my_agents.py").write_text(AGENTS)
    return make_repository(tmp_path / "shop", FILES)


def test_a_task_is_worked_on_a_branch_and_shown(top: Path, tmp_path: Path) -> None:
    before = snapshot(top)
    words = ["run", "Add up in `app.py`, API `POST /total`", "--agents", "my_agents:AGENTS"]
    ran = squad(*words, "--workspace", "shop", "--test-command", TESTS, "--db", "squad.db", cwd=tmp_path)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    execution = git(top, "branch", "--list", "squad/*").strip().removeprefix("squad/")
    assert f"it works in {top}, on the branch squad/{execution}" in ran.stderr
    assert f"branch squad/{execution}: 1 commit(s) in 1 file(s), +1 -1" in " ".join(ran.stdout.split())
    assert "ended with exit status 0" in ran.stdout
    assert snapshot(top) == before
    shown = json.loads(squad("status", execution, "--db", "squad.db", "--json", cwd=tmp_path).stdout)
    assert shown["result"]["workspace"]["tests"]["passed"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--workspace", "nowhere"], "is no folder"),
        (["--workspace", "."], "is not in a git repository"),
        (["--test-command", "true"], "needs a workspace"),
        (["--allow-run"], "needs a workspace"),
        (["--workspace", "shop", "--test-command", "'open"], "test_command"),
        (["--workspace", "shop", "--run-timeout", "0"], "run_timeout_s"),
    ],
)
def test_what_cannot_be_worked_in_is_one_line_and_stores_nothing(
    top: Path, tmp_path: Path, options: list[str], said: str
) -> None:
    ran = squad("run", "Add up", *options, "--db", "squad.db", cwd=tmp_path)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert said in ran.stderr
    assert stored(tmp_path / "squad.db") == {}
    assert git(top, "branch", "--list", "squad/*") == ""
