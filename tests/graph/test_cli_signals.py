import os
import signal
import socket
import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cli_process import LOGIN, Running, check_whole, document, parked, rows, squad, stored

from graph.cli import main
from persistence import lease

POINTS = ["execution ", "analyzing → planning", "delegated → in_progress", "S2: in_progress", "S3: done", "→ testing"]


def killed_and_resumed(folder: Path, said: str, delay: float = 0.0, pause: float | None = None) -> None:
    """Kill a run once it has said something, resume it at once, and check that nothing was done twice."""
    with Running("run", LOGIN, cwd=folder, pause=pause) as running:
        execution = running.execution()
        running.wait_for(said)
        time.sleep(delay)
        running.send(signal.SIGKILL)
        running.end()
    resumed = squad("resume", execution, "--json", cwd=folder)
    assert resumed.returncode == 0, resumed.stderr
    check_whole(document(resumed.stdout), folder / ".squad" / "squad.db")
    assert len(document(resumed.stdout)["transitions"]) == 7


@pytest.mark.parametrize("said", ["execution ", "S2: in_progress", "→ testing"])
def test_what_was_killed_is_resumed_at_once_and_does_nothing_twice(said: str, tmp_path: Path) -> None:
    killed_and_resumed(tmp_path, said, pause=0.1 if said.startswith("S2") else None)


@pytest.mark.slow
@pytest.mark.parametrize("delay", [0.0, 0.003, 0.02])
@pytest.mark.parametrize("said", POINTS)
def test_killed_anywhere(said: str, delay: float, tmp_path: Path) -> None:
    killed_and_resumed(tmp_path, said, delay)


@pytest.mark.slow
def test_killed_again_and_again(tmp_path: Path) -> None:
    with Running("run", LOGIN, cwd=tmp_path) as running:
        execution = running.execution()
        running.send(signal.SIGKILL)
        running.end()
    for _ in range(20):
        with Running("resume", execution, cwd=tmp_path) as running:
            try:
                running.wait_for(r"\[")
            except AssertionError:  # it has ended already
                running.end()
                break
            running.send(signal.SIGKILL)
            running.end()
    summary = document(squad("resume", execution, "--json", cwd=tmp_path).stdout)
    check_whole(summary, tmp_path / ".squad" / "squad.db")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_the_running_step_end_and_says_how_to_go_on(
    number: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / ".squad" / "squad.db"
    json_wanted = ["--json"] if number == signal.SIGINT else []
    with Running("run", LOGIN, *json_wanted, cwd=tmp_path, pause=0.7) as running:
        execution = running.execution()
        running.wait_for("S1: in_progress")
        running.send(number)
        running.wait_for("a second signal stops at once")
        assert running.end() == 75
    if json_wanted:
        error = document(running.stdout)["error"]
        assert error["code"] == "drained"
        assert error["hint"] == f"squad resume {execution}"
    else:
        assert running.stdout == ""
        assert running.stderr.splitlines()[-2:] == [
            f"squad: stopped by a signal; execution {execution} is saved and can be resumed",
            f"hint: squad resume {execution}",
        ]
    assert rows(file, "SELECT subtask_id, status FROM outcomes") == [("S1", "done")]
    assert rows(file, "SELECT status, lease_owner FROM executions") == [("in_progress", None)]
    assert main(["resume", execution, "--json", "--db", str(file)]) == 0
    check_whole(document(capsys.readouterr().out), file)


def test_a_step_that_outlasts_its_grace_period_is_cancelled_and_worked_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / ".squad" / "squad.db"
    with Running("run", LOGIN, "--grace", "0.4", cwd=tmp_path, pause=50.0) as running:
        execution = running.execution()
        running.wait_for("S1: in_progress")
        time.sleep(0.5)  # until the beginning is noted
        running.send(signal.SIGTERM)
        running.wait_for("at most in 0.4 s; a second signal stops at once")
        assert running.end() == 75
    assert f"hint: squad resume {execution}" in running.stderr
    assert rows(file, "SELECT status, lease_owner FROM executions") == [("in_progress", None)]
    assert not rows(file, "SELECT * FROM outcomes")
    assert main(["status", execution, "--json", "--db", str(file)]) == 0
    assert {one["status"] for one in document(capsys.readouterr().out)["subtasks"]} == {"pending"}
    assert main(["resume", execution, "--json", "--db", str(file)]) == 0
    check_whole(document(capsys.readouterr().out), file)


@pytest.mark.parametrize("grace", ["-1", "nan", "inf", "soon"])
def test_a_grace_period_that_is_no_time_is_refused(
    grace: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "Add a login page", f"--grace={grace}", "--db", str(tmp_path / "squad.db")]) == 64
    assert "--grace" in capsys.readouterr().err
    assert not (tmp_path / "squad.db").exists()


def test_a_second_signal_ends_at_once(tmp_path: Path) -> None:
    with Running("run", LOGIN, cwd=tmp_path, pause=20.0) as running:
        execution = running.execution()
        running.wait_for("S1: in_progress")
        running.send(signal.SIGTERM)
        running.wait_for("a second signal stops at once")
        began = time.monotonic()
        running.send(signal.SIGINT)
        assert running.end() == -signal.SIGINT
        assert time.monotonic() - began < 5
    assert main(["resume", execution, "--db", str(tmp_path / ".squad" / "squad.db")]) == 0


def test_a_signal_before_anything_began_leaves_nothing(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    with Running("run", "-", cwd=tmp_path, stdin=reader) as running:
        time.sleep(1.0)  # it waits for its standard input, which says nothing
        running.send(signal.SIGTERM)
        assert running.end() == 75
    os.close(reader)
    os.close(writer)
    assert running.stderr.splitlines()[0] == "squad: stopped by a signal before anything was stored"
    assert not stored(tmp_path / ".squad" / "squad.db")


def held_elsewhere(file: Path, seconds: float) -> None:
    """Make it look as if a driver on another host held every execution."""
    until = (datetime.now(UTC) + timedelta(seconds=seconds)).replace(tzinfo=None)
    with closing(sqlite3.connect(file)) as connection, connection:
        values = [f"not-{socket.gethostname()}|1|1.0|x", until.isoformat(" ")]
        connection.execute("UPDATE executions SET lease_owner = ?, lease_until = ?", values)


def test_a_driver_on_another_host_is_waited_for_as_long_as_its_lease_lasts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "squad.db"
    execution = parked(file)
    held_elsewhere(file, 1.5)
    assert main(["resume", execution, "--json", "--db", str(file)]) == 0
    shown = capsys.readouterr()
    assert "waiting for that" in shown.err
    check_whole(document(shown.out), file)

    execution = parked(file)
    held_elsewhere(file, 60.0)
    monkeypatch.setattr(lease, "LEASE_S", 0.5)
    assert main(["resume", execution, "--json", "--db", str(file)]) == 1  # it renewed its hold, so it lives
    shown = capsys.readouterr()
    assert "waiting for that" in shown.err
    assert document(shown.out)["error"]["code"] == "execution_busy"
