import array
import fcntl
import os
import signal
import socket
import sqlite3
import termios
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cli_process import LOGIN, Running, check_whole, document, parked, rows, stored
from programs import wait_until

from graph.cli import main
from persistence import lease

Capture = pytest.CaptureFixture[str]

POINTS = {
    "execution ": 0.0,
    "analyzing → planning": 0.003,
    "delegated → in_progress": 0.02,
    "S2: in_progress": 0.0,
    "S3: done": 0.003,
    "→ testing": 0.02,
}
"""What a run has said when it is killed, and how many seconds later."""


def resumed(capsys: Capture, execution: str, file: Path) -> None:
    """Resume an execution to its end, and check that nothing of it was done twice."""
    capsys.readouterr()
    assert main(["resume", execution, "--json", "--db", str(file)]) == 0
    summary = document(capsys.readouterr().out)
    check_whole(summary, file)
    assert len(summary["transitions"]) == 7


def killed_and_resumed(
    folder: Path, capsys: Capture, said: str, delay: float = 0.0, pause: float | None = None
) -> None:
    """Kill a run once it has said something, and resume it at once."""
    with Running("run", LOGIN, cwd=folder, pause=pause) as running:
        execution = running.execution()
        running.wait_for(said)
        time.sleep(delay)
        running.send(signal.SIGKILL)
        running.end()
    resumed(capsys, execution, folder / ".squad" / "squad.db")


def test_what_was_killed_is_resumed_at_once_and_does_nothing_twice(tmp_path: Path, capsys: Capture) -> None:
    killed_and_resumed(tmp_path, capsys, "S2: in_progress", pause=0.1)


@pytest.mark.slow
@pytest.mark.parametrize(("said", "delay"), POINTS.items())
def test_killed_anywhere(said: str, delay: float, tmp_path: Path, capsys: Capture) -> None:
    killed_and_resumed(tmp_path, capsys, said, delay)


@pytest.mark.slow
def test_killed_again_and_again(tmp_path: Path, capsys: Capture) -> None:
    with Running("run", LOGIN, cwd=tmp_path) as running:
        execution = running.execution()
        running.send(signal.SIGKILL)
        running.end()
    for _ in range(5):
        with Running("resume", execution, cwd=tmp_path) as running:
            try:
                running.wait_for(r"\[")
            except AssertionError:  # it has ended already
                running.end()
                break
            running.send(signal.SIGKILL)
            running.end()
    resumed(capsys, execution, tmp_path / ".squad" / "squad.db")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_the_running_step_end_and_says_how_to_go_on(number: int, tmp_path: Path, capsys: Capture) -> None:
    file, go = tmp_path / ".squad" / "squad.db", tmp_path / "go"
    json_wanted = ["--json"] if number == signal.SIGINT else []
    with Running("run", LOGIN, *json_wanted, cwd=tmp_path, until=go, pause=0.3) as running:
        execution = running.execution()
        running.wait_for("S1: in_progress")
        running.send(number)
        running.wait_for("a second signal stops at once")
        go.touch()
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
    resumed(capsys, execution, file)


def test_a_step_that_outlasts_its_grace_period_is_cancelled_and_worked_again(tmp_path: Path, capsys: Capture) -> None:
    file = tmp_path / ".squad" / "squad.db"
    with Running("run", LOGIN, "--grace", "0.4", cwd=tmp_path, until=tmp_path / "never") as running:
        execution = running.execution()
        running.wait_for("S1: in_progress")
        wait_until(lambda: rows(file, "SELECT 1 FROM assignments WHERE started_at IS NOT NULL"))
        running.send(signal.SIGTERM)
        running.wait_for("at most in 0.4 s; a second signal stops at once")
        assert running.end() == 75
    assert f"hint: squad resume {execution}" in running.stderr
    assert rows(file, "SELECT status, lease_owner FROM executions") == [("in_progress", None)]
    assert not rows(file, "SELECT * FROM outcomes")
    assert main(["status", execution, "--json", "--db", str(file)]) == 0
    assert {one["status"] for one in document(capsys.readouterr().out)["subtasks"]} == {"pending"}
    resumed(capsys, execution, file)


@pytest.mark.parametrize("grace", ["-1", "nan", "inf", "soon"])
def test_a_grace_period_that_is_no_time_is_refused(grace: str, tmp_path: Path, capsys: Capture) -> None:
    assert main(["run", "Add a login page", f"--grace={grace}", "--db", str(tmp_path / "squad.db")]) == 64
    assert "--grace" in capsys.readouterr().err
    assert not (tmp_path / "squad.db").exists()


def test_a_second_signal_ends_at_once(tmp_path: Path) -> None:
    with Running("run", LOGIN, "--grace", "3600", cwd=tmp_path, until=tmp_path / "never") as running:
        execution = running.execution()
        running.wait_for("S1: in_progress")
        running.send(signal.SIGTERM)
        running.wait_for("a second signal stops at once")
        running.send(signal.SIGINT)
        assert running.end() == -signal.SIGINT
    assert main(["resume", execution, "--db", str(tmp_path / ".squad" / "squad.db")]) == 0


def test_a_signal_before_anything_began_leaves_nothing(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.write(writer, b"Add a login page")

    def unread() -> int:
        count = array.array("i", [0])
        fcntl.ioctl(reader, termios.FIONREAD, count)
        return count[0]

    with Running("run", "-", cwd=tmp_path, stdin=reader) as running:
        wait_until(lambda: not unread())  # it has begun to read, and waits for the rest
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
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
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
