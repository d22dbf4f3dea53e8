"""``squad watch`` as a user starts it, and what other commands tell the sinks of the environment."""

import signal
import sqlite3
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from cli_process import Running, document, parked, rows, squad
from programs import wait_until
from receiver import Receiver, gone

from graph.cli import main
from graph.cli_checks import UsageError
from graph.cli_parser import parse
from graph.durations import seconds_of

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


def status_of(file: Path) -> list[str]:
    return [status for (status,) in rows(file, "SELECT status FROM executions ORDER BY started_at")]


def test_a_service_serves_what_becomes_due_until_a_signal_ends_it(file: Path, capsys: Capture) -> None:
    execution, other = parked(file), parked(file)
    with Running("watch", "--interval", "0.05s", "--json", "--db", file, cwd=file.parent) as service:
        service.wait_for("watching")
        assert told(capsys, "block", execution, "Which?", "--deadline-in", "0.1s", "--default", "bcrypt")[0] == 0
        assert told(capsys, "block", other, "And?", "--remind-in", "0.1s")[0] == 0
        service.wait_for(f"driving execution {execution} on")
        service.wait_for("reminded of gate")
        service.send(signal.SIGTERM)
        assert service.end() == 0
    assert document(service.stdout) == {"reminded": 1, "answered": 1, "overdue": 0, "driven": 1, "notified": 0}
    status, summary = told(capsys, "resume", execution)  # the signal may have come while it was driven: that is saved
    assert (status, summary["status"]) == (0, "completed")
    assert summary["gates"][0]["answer"]["answered_by"] == "deadline"


def test_once_serves_what_is_due_and_drives_it_to_its_end(file: Path, capsys: Capture) -> None:
    execution = parked(file)
    _, summary = told(capsys, "block", execution, "Which?", "--deadline-in", "0.01", "--default", "this")
    assert main(["status", execution]) == 0
    assert "then: this" in capsys.readouterr().out
    nothing = {"reminded": 0, "answered": 0, "overdue": 0, "driven": 0, "notified": 0}
    assert told(capsys, "watch", "--once", "--no-run") == (0, nothing | {"answered": 1})
    assert status_of(file) == ["analyzing"]
    assert main(["watch", "--once"]) == 0
    assert capsys.readouterr().out == "reminded: 0, answered: 0, overdue: 0, driven: 1, notified: 0\n"
    status, summary = told(capsys, "status", execution)
    assert (status, summary["status"]) == (0, "completed")
    assert told(capsys, "watch", "--once") == (0, nothing)


def late(file: Path, capsys: Capture) -> str:
    """Return an execution whose question has got its default answer, and that nobody drives."""
    execution = parked(file)
    told(capsys, "block", execution, "Which?", "--deadline-in", "0.01", "--default", "this")
    told(capsys, "watch", "--once", "--no-run")
    return execution


def at_work(file: Path) -> Running:
    """Return a service that drives, and that has stored an outcome."""
    service = Running("watch", "--interval", "0.05", "--db", file, cwd=file.parent, pause=0.3)
    service.wait_for("driving execution")
    wait_until(lambda: service.process.poll() is not None or rows(file, "SELECT 1 FROM outcomes"))
    assert service.process.poll() is None
    return service


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_service_saves_what_it_drives(file: Path, capsys: Capture, number: signal.Signals) -> None:
    execution = late(file, capsys)
    with at_work(file) as service:
        service.send(number)
        assert service.end() == 0
    assert rows(file, "SELECT status, lease_owner FROM executions") == [("in_progress", None)]
    status, summary = told(capsys, "resume", execution)
    assert (status, {one["status"] for one in summary["subtasks"]}) == (0, {"done"})


@pytest.mark.slow
def test_what_a_killed_service_was_driving_another_one_ends(file: Path, capsys: Capture) -> None:
    execution = late(file, capsys)
    with at_work(file) as service:
        service.send(signal.SIGKILL)
        assert service.end() == -signal.SIGKILL
    assert told(capsys, "watch", "--once")[1]["driven"] == 1
    status, summary = told(capsys, "status", execution)
    assert (status, summary["status"]) == (0, "completed")
    outcomes = rows(file, "SELECT subtask_id, count(*) FROM outcomes GROUP BY subtask_id")
    assert dict(outcomes) == dict.fromkeys((one["id"] for one in summary["subtasks"]), 1)


@pytest.mark.slow
def test_of_several_services_one_serves_each_thing(file: Path, capsys: Capture) -> None:
    with Receiver() as receiver, ExitStack() as stack:
        words, sinks = ("watch", "--interval", "0.05", "--json", "--db", file), f"team={receiver.url}"
        services = [stack.enter_context(Running(*words, cwd=file.parent, SQUAD_NOTIFY=sinks)) for _ in range(3)]
        for service in services:
            service.wait_for("watching")
        for execution in [parked(file) for _ in range(3)]:
            terms = ("--remind-in", "0.2", "--deadline-in", "1h", "--default", "a")
            told(capsys, "block", execution, "Which?", *terms)
        wait_until(lambda: rows(file, "SELECT count(reminded_at) FROM gates") == [(3,)])
        with closing(sqlite3.connect(file)) as connection, connection:
            connection.execute("UPDATE gates SET deadline = remind_at")  # which has passed
        wait_until(lambda: status_of(file) == ["completed"] * 3)
        assert all(service.process.poll() is None for service in services)
        receiver.wait_for(1)
        for service in services:
            service.send(signal.SIGTERM)
        assert [service.end() for service in services] == [0, 0, 0]
        totals = [document(service.stdout) for service in services]
        assert [sum(one[name] for one in totals) for name in ("reminded", "answered", "overdue")] == [3, 3, 0]
        assert sum(one["driven"] for one in totals) >= 3  # several may begin, and one gets the lease
        told_of = [(post["title"], post["message"]) for post in receiver.posts]
        assert len(told_of) == len(set(told_of)) >= sum(one["notified"] for one in totals)  # the end's own is not told
        assert rows(file, "SELECT count(*) FROM outbox WHERE sent_at IS NOT NULL") == [(len(told_of),)]
    for query in (
        "SELECT execution_id FROM gates WHERE status != 'answered'",
        "SELECT 1 FROM outbox WHERE attempts > 1",
    ):
        assert rows(file, query) == []


def test_a_command_tells_the_sinks_once_its_summary_is_out(
    file: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    execution = parked(file)
    with Receiver() as receiver:
        monkeypatch.setenv("SQUAD_NOTIFY", f"team={receiver.url} away={gone()}")
        assert main(["block", execution, "Which hash?", "--json"]) == 0
        (post,) = receiver.posts
        assert post["title"].startswith("blocker: ")
        assert "Which hash?" in post["message"]
    shown = capfd.readouterr()
    assert document(shown.out)["status"] == "blocked"
    assert "s3cret" not in shown.err
    assert "127.0.0.1" not in shown.err
    states = rows(file, "SELECT sink, attempts, sent_at IS NOT NULL FROM outbox ORDER BY sink")
    assert states == [("away", 1, 0), ("team", 1, 1)]


def test_a_process_ends_although_a_sink_hangs(file: Path) -> None:
    execution = parked(file)
    with Receiver([0]) as hanging:
        done = squad(
            "block",
            execution,
            "Which?",
            "--json",
            cwd=file.parent,
            SQUAD_DATABASE_URL=str(file),
            SQUAD_NOTIFY=f"team={hanging.url}",
        )
    assert (done.returncode, document(done.stdout)["status"]) == (0, "blocked")
    assert "the sink team was not told" in done.stderr
    assert "s3cret" not in done.stderr


def test_sinks_that_cannot_be_read_are_told_and_change_nothing(
    file: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    execution = parked(file)
    monkeypatch.setenv("SQUAD_NOTIFY", "json://s3cret/")
    assert main(["block", execution, "Which?"]) == 0
    shown = capsys.readouterr().err
    assert "nobody was notified: sink 1 is not of the form name=url" in shown
    assert main(["watch", "--once"]) == 64
    assert "s3cret" not in shown + capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "seconds"), [("45s", 45), ("30m", 1_800), ("2h", 7_200), ("7d", 604_800), ("1.5", 1.5), (" 2 H ", 7_200)]
)
def test_durations_are_read_as_people_write_them(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "0m", "-5", "5w", "m", "1e9", "nan", "inf", "5 minutes", "9" * 400])
def test_other_durations_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a duration is"):
        seconds_of(text)
    with pytest.raises(UsageError, match=r"a duration is|expected one argument"):
        parse(["watch", "--interval", text])


def test_a_default_needs_its_deadline() -> None:
    with pytest.raises(UsageError, match="--deadline-in"):
        parse(["block", "ID", "Which?", "--default", "this"])
