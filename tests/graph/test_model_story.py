"""A squad with a model behind every role mends a small repository: real client, HTTP, git and tests."""

import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cli_process import document, squad
from model_server import Asked, ModelServer, Reply, Script
from model_story import KEY, TASK, TEST_COMMAND, WHOLE, checked_out, place, shop, story
from repositories import git, snapshot

from graph import RunSettings, TaskOrchestrator
from persistence import Database

Store = Callable[..., Awaitable[Any]]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return shop(tmp_path / "shop")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelServer]:
    barrier = threading.Barrier(2, timeout=50)

    def together(asked: Asked) -> Reply:
        """Let nobody begin alone: each developer waits until the other asks as well."""
        if not asked.told("what has to be mended"):
            barrier.wait()
        return story().answer(asked)

    script = story(Script().on(together, form="WorkResult", turn=0, subtask={"S1", "S2"}.__contains__))
    with ModelServer(script) as running:
        monkeypatch.setenv("OPENAI_BASE_URL", running.url)
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        yield running
    assert running.unscripted == []


def check(summary: dict[str, Any], server: ModelServer, repository: Path, folder: Path) -> None:
    """Check how the story ends, whoever has it told."""
    assert summary["status"] == "completed", summary["error_message"]
    came = summary["result"]["workspace"]
    assert came["branch"] == f"squad/{summary['execution_id']}"
    members = {one["id"]: one["member"] for one in summary["subtasks"]}
    commits = [(one["subtask_id"], one["member"]) for one in came["commits"]]
    assert sorted(commits) == [("S1", members["S1"]), ("S2", members["S2"]), ("S2", members["S2"])]
    assert (came["tests"]["status"], came["tests"]["commit"]) == (0, came["head"])
    for line in summary["result"]["checklist"][:2]:
        assert line["met"]
        assert "exit status 0" in line["evidence"]
    moves = [(one["from_state"], one["to_state"]) for one in summary["transitions"]]
    assert moves.count(("reviewing", "in_progress")) == 1
    assert Counter(map(place, server.asked)) == WHOLE
    assert all(one.whole for one in server.log)
    branch = checked_out(repository, came["branch"], folder)
    tests = [sys.executable, "-B", "-m", "unittest", "-q"]
    assert subprocess.run(tests, cwd=branch, capture_output=True, check=False).returncode == 0
    assert "EUR" in git(repository, "show", f"{came['head']}:shop/receipt.py")


async def test_the_squad_plans_works_is_reviewed_mends_and_passes_the_repositorys_own_tests(
    database: Database, store: Store, server: ModelServer, repository: Path, tmp_path: Path
) -> None:
    before = snapshot(repository)
    settings = RunSettings(workspace=str(repository), test_command=TEST_COMMAND)
    orchestrator = TaskOrchestrator(database=database, model="openai:scripted", settings=settings)
    stored = await store(database, TASK)
    async with database.session() as db:
        execution_id = await orchestrator.execute_task(db=db, task=stored.task, squad_id=stored.squad.id)
        summary = await orchestrator.run(execution_id)
        progress = await orchestrator.monitor_progress(db=db, execution_id=execution_id)
    assert snapshot(repository) == before
    check(summary, server, repository, tmp_path / "branch")
    taken = [one.asked.request for one in server.log]
    assert progress["model_calls"] == len(taken)
    assert progress["input_tokens"] > 0 < progress["output_tokens"]


@pytest.mark.slow
def test_so_it_does_from_the_command_line(server: ModelServer, repository: Path, tmp_path: Path) -> None:
    criteria = "\n".join(f"- {one}" for one in TASK.acceptance_criteria)
    task = tmp_path / "task.md"
    task.write_text(f"# {TASK.title}\n\n{TASK.description}\n\n## Acceptance criteria\n\n{criteria}\n")
    model = ["--model", "openai:scripted", "--workspace", repository, "--test-command", TEST_COMMAND]
    done = squad("run", task, *model, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    check(document(done.stdout), server, repository, tmp_path / "branch")
    assert KEY not in done.stdout + done.stderr
    kept = [file for file in (tmp_path / ".squad").rglob("*") if file.is_file()]
    assert kept
    assert not [file for file in kept if KEY.encode() in file.read_bytes()]
