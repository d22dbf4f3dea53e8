import threading
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from cli_process import LOGIN, Running, check_whole, document, parked, rows
from programs import wait_until

from graph.cli import main

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "squad.db"
    monkeypatch.setenv("SQUAD_DATABASE_URL", str(file))
    return file


def told(capsys: Capture, *words: str) -> tuple[int, Any]:
    """Run a command with --json and return its exit status and its document."""
    status = main([words[0], "--json", *words[1:]])
    return status, document(capsys.readouterr().out)


def test_a_block_and_its_answer_lead_to_the_end(file: Path, capsys: Capture) -> None:
    execution = parked(file)
    status, summary = told(capsys, "block", execution, "Which API\x1b[31m is meant?", "--severity", "high")
    assert (status, summary["status"], summary["progress_percentage"]) == (0, "blocked", 25)
    (gate,) = summary["gates"]
    assert gate["question"] == "Which API is meant?"
    assert gate["metadata"] == {"severity": "high"}

    assert main(["resume", execution]) == 2
    shown = capsys.readouterr()
    assert "Waiting for you" in shown.out
    assert f'squad answer {execution} {gate["id"]} "text"' in shown.out
    assert main(["status", execution]) == 0
    assert capsys.readouterr().out == shown.out

    status, refused = told(capsys, "answer", execution, gate["id"], "--decision", "approve")
    assert (status, refused["error"]["code"]) == (1, "gate_error")
    status, refused = told(capsys, "answer", execution, str(uuid4()), "The first one")
    assert (status, refused["error"]["code"]) == (1, "gate_error")
    status, refused = told(capsys, "answer", execution, gate["id"], "Go", "--next-state", "completed")
    assert (status, refused["error"]["code"]) == (1, "invalid_transition")

    # words may stand among options
    status, summary = told(capsys, "answer", execution, gate["id"], "--decision", "respond", "The first one")
    assert status == 0
    assert summary["gates"][0]["status"] == "answered"
    moves = [one["to_state"] for one in summary["transitions"]]
    assert moves[:3] == ["analyzing", "blocked", "analyzing"]
    assert moves[-1] == "completed"
    assert summary["transitions"][2]["reason"] == "The first one"

    for words in (["answer", execution, gate["id"], "Again"], ["block", execution, "Why?"], ["cancel", execution]):
        status, refused = told(capsys, *words)
        assert status == 1
        assert refused["error"]["code"] in {"gate_error", "invalid_transition"}
    assert told(capsys, "status", execution) == (0, summary)


def test_several_questions_are_answered_one_by_one_and_need_not_be_driven_on(file: Path, capsys: Capture) -> None:
    execution = parked(file)
    told(capsys, "block", execution, "First?")
    _, summary = told(capsys, "block", execution, "Second?")
    first, second = [gate["id"] for gate in summary["gates"]]
    status, summary = told(capsys, "answer", execution, second, "Two")
    assert (status, summary["status"]) == (2, "blocked")
    status, summary = told(capsys, "answer", execution, first, "One", "--next-state", "planning", "--no-run")
    assert (status, summary["status"]) == (0, "planning")
    status, summary = told(capsys, "resume", execution)
    assert (status, summary["status"]) == (0, "completed")


def test_what_is_given_up_or_cancelled_has_failed(file: Path, capsys: Capture) -> None:
    execution = parked(file)
    _, summary = told(capsys, "block", execution, "Why?")
    assert main(["answer", execution, summary["gates"][0]["id"], "--decision", "reject"]) == 1
    assert "failed, 0 %" in capsys.readouterr().out

    execution = parked(file)
    assert main(["cancel", execution]) == 0
    assert "error: cancelled: " in capsys.readouterr().out
    status, summary = told(capsys, "resume", execution)
    assert (status, summary["status"]) == (1, "failed")
    status, summary = told(capsys, "run", "--task", summary["task"]["id"])
    assert (status, summary["status"]) == (0, "completed")
    assert summary["execution_id"] != execution


def test_a_task_that_is_open_is_not_run_twice(file: Path, capsys: Capture) -> None:
    execution = parked(file)
    _, summary = told(capsys, "status", execution)
    status, refused = told(capsys, "run", "--task", summary["task"]["id"])
    assert (status, refused["error"]["code"]) == (1, "execution_exists")
    assert refused["error"]["hint"] == f"squad resume {execution}"


def test_one_that_works_is_blocked_answered_and_cancelled_from_outside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.chdir(tmp_path)
    file, go = tmp_path / ".squad" / "squad.db", tmp_path / "go"

    def let_go_once_asked() -> None:
        wait_until(lambda: rows(file, "SELECT 1 FROM requests"))
        go.touch()

    asked = threading.Thread(target=let_go_once_asked)
    with Running("run", LOGIN, "--json", cwd=tmp_path, until=go, pause=0.5) as running:
        execution = running.execution()
        running.wait_for("S1: in_progress")
        status, refused = told(capsys, "resume", execution)
        assert (status, refused["error"]["code"]) == (1, "execution_busy")
        asked.start()
        assert main(["block", execution, "Stop here?", "--json"]) == 0
        asked.join()
        said = capsys.readouterr()
        assert "waiting for the driver" in said.err
        summary = document(said.out)
        assert summary["status"] == "blocked"
        assert running.end() == 2
        assert document(running.stdout)["gates"][0]["question"] == "Stop here?"
    assert {one["status"] for one in summary["subtasks"]} > {"done"}  # what ran was let finish

    go.unlink()
    gate = summary["gates"][0]["id"]
    with Running("answer", execution, gate, "Go on", "--json", cwd=tmp_path, until=go) as running:
        running.wait_for("S2: in_progress")
        assert "S1: done by" in running.stderr  # what is known from before is shown again
        status, cancelled = told(capsys, "cancel", execution)
        assert (status, cancelled["status"]) == (0, "failed")
        assert running.end() == 1
        assert document(running.stdout)["error_message"].startswith("cancelled: ")

    status, again = told(capsys, "run", "--task", summary["task"]["id"])
    assert status == 0
    check_whole(again, file)


def test_a_plan_and_a_squad_are_changed_from_the_command_line(file: Path, capsys: Capture) -> None:
    assert main(["run", "Implement user login with a form", "--approval", "human"]) == 2
    capsys.readouterr()
    [listed] = told(capsys, "list")[1]
    execution = listed["execution_id"]
    summary = told(capsys, "status", execution)[1]
    [gate] = summary["gates"]
    told(capsys, "answer", execution, gate["id"], "--decision", "approve", "--no-run")
    first = summary["subtasks"][0]["id"]
    new = file.with_name("new.json")
    new.write_text(f'{{"id": "docs", "title": "Write it down", "effort": 1, "needed_by": ["{first}"]}}')
    words = ["replan", execution, "--add", str(new), "--estimate", f"{first}=9.5", "--away", "designer"]
    status, changed = told(capsys, *words, "--reason", "more to do")
    assert status == 0
    by_id = {one["id"]: one for one in changed["subtasks"]}
    assert by_id[first]["effort"] == 9.5
    assert "docs" in by_id[first]["depends_on"]
    status, refused = told(capsys, "replan", execution, "--cancel", "dosc")
    assert (status, refused["error"]["code"]) == (1, "bad_plan")
    assert "did you mean 'docs'?" in refused["error"]["hint"]
    status, ended = told(capsys, "resume", execution)
    assert (status, ended["status"]) == (0, "completed")
    assert main(["replan", execution, "--back", "designer"]) == 1
    assert "has ended" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "nothing is to change"),
        (["--estimate", "S1"], "no pair"),
        (["--estimate", "S1=long"], "no number of hours"),
        (["--add", "nothing.json"], "nothing.json"),
    ],
)
def test_changes_that_cannot_be_understood_are_bad_usage(
    file: Path, capsys: Capture, words: list[str], says: str
) -> None:
    execution = parked(file)
    assert main(["replan", execution, *words]) == 64
    assert says in capsys.readouterr().err
