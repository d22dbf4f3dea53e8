import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from cli_process import LOGIN, SUMMARY_KEYS, TASKS, check_whole, command, document, environment, rows, squad

from graph.cli import main

STATES = ["pending", "analyzing", "planning", "delegated", "in_progress", "reviewing", "testing", "completed"]


def test_a_task_from_its_file_to_its_end_and_what_can_be_seen_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = squad("run", LOGIN, cwd=tmp_path)
    assert ran.returncode == 0
    first, second, *progress = ran.stderr.splitlines()
    execution = first.removeprefix("execution ")
    assert second.endswith(f"squad resume {execution}")
    assert any(line.startswith("[100 %] testing → completed") for line in progress)
    for heading in ("Implement user login", "Who did what", "Time in each state", "Deliverables", "Check list"):
        assert f"{heading}\n" in ran.stdout
    assert execution in ran.stdout
    assert "wrote plans and work orders, no code" in ran.stdout
    assert "→" not in ran.stdout  # progress goes elsewhere

    folder = tmp_path / ".squad"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / ".gitignore").read_text() == "*\n"

    monkeypatch.chdir(tmp_path)
    assert main(["status", execution, "--json"]) == 0
    status = capsys.readouterr()
    assert status.err == ""
    summary = document(status.out)
    check_whole(summary, folder / "squad.db")
    assert summary["task"]["title"] == "Implement user login"
    assert summary["task"]["labels"] == ["auth", "backend", "frontend"]
    assert ["pending", *(one["to_state"] for one in summary["transitions"])] == STATES

    monkeypatch.setenv("COLUMNS", "80")  # as wide as nobody's terminal is
    assert main(["resume", execution]) == 0
    resumed = capsys.readouterr()
    assert resumed.out == ran.stdout
    assert resumed.err == ""


def test_json_is_the_document_alone_and_a_task_may_be_typed_or_piped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "squads.db"
    monkeypatch.chdir(tmp_path)
    assert main(["run", "Add a page\n\nIt should list the orders.", "--json", "--db", str(file)]) == 0
    typed = capfd.readouterr()
    check_whole(document(typed.out), file)
    assert f"--db {file}" in typed.err.splitlines()[1]
    assert not (tmp_path / ".squad").exists()

    issue = (TASKS / "csv_export_issue.json").read_bytes()
    piped = squad("run", "-", "--json", cwd=tmp_path, stdin=issue, SQUAD_DATABASE_URL=f"sqlite+aiosqlite:///{file}")
    assert piped.returncode == 0
    assert document(piped.stdout)["task"]["title"] == json.loads(issue)["title"]
    assert rows(file, "SELECT count(*) FROM squads") == [(1,)]  # one default squad for all

    assert main(["list", "--json", "--db", str(file)]) == 0
    listed = document(capfd.readouterr().out)
    assert [one["task"] for one in listed] == [json.loads(issue)["title"], "Add a page"]
    assert listed[0].keys() == {"execution_id", "task", "status", "progress_percentage", "created_at"}
    assert {(one["status"], one["progress_percentage"]) for one in listed} == {("completed", 100)}

    execution = listed[1]["execution_id"]
    assert main(["log", execution, "--json", "--db", str(file)]) == 0
    assert document(capfd.readouterr().out) == document(typed.out)["transitions"]

    assert main(["resume", execution, "--json", "--db", str(file)]) == 0
    resumed = document(capfd.readouterr().out)
    assert resumed.keys() == SUMMARY_KEYS
    assert resumed == document(typed.out)

    task = resumed["task"]["id"]
    assert main(["run", "--task", task, "--json", "--db", str(file)]) == 0
    again = document(capfd.readouterr().out)
    check_whole(again, file)
    assert again["task"]["id"] == task
    assert again["execution_id"] != execution


def test_lists_are_one_line_each_and_harmless(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["list", "--json"]) == 0
    assert capsys.readouterr().out == "[]\n"
    assert main(["list"]) == 0
    assert "no executions yet" in capsys.readouterr().out
    title = "Zeige [red]Käufe[/red] für \u202eMüller " + "sehr " * 30 + "schnell"
    assert main(["run", title]) == 0
    shown = capsys.readouterr()
    assert "[red]Käufe[/red] für Müller" in shown.out

    assert main(["list"]) == 0
    heading, line = capsys.readouterr().out.splitlines()
    assert heading.split() == ["execution", "state", "done", "created", "task"]
    execution, state, percent, sign, *_moment = line.split()[:6]
    assert (state, percent, sign) == ("completed", "100", "%")
    assert line.endswith("schnell")
    assert "\u202e" not in line

    assert main(["log", execution]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [str(number) for number in range(1, 8)]
    assert "pending → analyzing  " in lines[0]
    assert "testing → completed" in lines[-1]


def test_help_comes_at_once_and_loads_nothing_heavy(capsys: pytest.CaptureFixture[str]) -> None:
    look = "import sys; from graph.cli import main; main(['--help']); print(sorted(sys.modules), file=sys.stderr)"
    done = subprocess.run(
        [command()[0], "-c", look], env=environment(), capture_output=True, text=True, timeout=60, check=True
    )
    for name in ("run", "resume", "status", "list", "log", "answer", "block", "cancel", "64", "75"):
        assert f"  {name} " in done.stdout
    assert not any(f"'{name}'" in done.stderr for name in ("langgraph", "sqlalchemy", "pydantic", "rich"))
    for name in ("run", "answer"):
        assert main([name, "--help"]) == 0
        assert capsys.readouterr().out.startswith(f"usage: squad {name} ")


def test_a_text_that_looks_like_an_option_stands_after_two_dashes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["run", "--", "--json"]) == 0
    assert capsys.readouterr().out.startswith("--json\ncompleted")
    assert main(["run", "--json", "- [ ] tick this box"]) == 0
    assert document(capsys.readouterr().out)["task"]["title"] == "tick this box"


def test_a_reader_that_goes_away_ends_nothing(tmp_path: Path) -> None:
    pipe = f'{" ".join(map(_quoted, command("run", LOGIN)))} 2>&1 | head -n 1; echo "${{PIPESTATUS[0]}}"'
    done = subprocess.run(
        ["/bin/bash", "-c", pipe],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    line, status = done.stdout.splitlines()
    assert line.startswith("execution ")
    assert status == "0"
    assert done.stderr == ""
    assert rows(tmp_path / ".squad" / "squad.db", "SELECT status FROM executions") == [("completed",)]


def test_an_output_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("there is no /dev/full here")
    with full.open("w") as nowhere:
        done = subprocess.run(
            command("list", "--json"),
            cwd=tmp_path,
            env=environment(),
            stdout=nowhere,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == "squad: standard output cannot be written: No space left on device"
    assert len(done.stderr.splitlines()) == 2


def test_an_output_without_unicode_still_gets_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = squad("run", "Zeige Käufe → jetzt", "--json", cwd=tmp_path, PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert document(done.stdout)["task"]["title"] == "Zeige Käufe → jetzt"
    execution = document(done.stdout)["execution_id"]
    assert done.stdout.isascii()
    shown = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", shown)
    assert main(["log", execution, "--db", str(tmp_path / ".squad" / "squad.db")]) == 0
    assert b"pending -> analyzing" in shown.buffer.getvalue()


def _quoted(word: str) -> str:
    return f"'{word}'"
