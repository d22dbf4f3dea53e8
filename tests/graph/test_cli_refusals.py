import io
import sys
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest
from cli_process import document, squad, stored

import graph.cli_commands
from delegation import DatabaseError
from graph.cli import main

NOBODY = str(uuid4())

Said = Callable[[], tuple[str, str]]


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SQUAD_DATABASE_URL", raising=False)
    monkeypatch.delenv("SQUAD_DEBUG", raising=False)
    (tmp_path / "empty.md").write_text(" \n\n")
    (tmp_path / "binary.md").write_bytes(b"\x89PNG\r\n\0\0\0")
    (tmp_path / "large.txt").write_text("word " * 1_000_000)
    (tmp_path / "front.md").write_text("---\npriority: [\n---\n# Title\n")
    (tmp_path / "shape.json").write_text('{"name": "x", "version": 3}')
    (tmp_path / "list.json").write_text("[1, 2]")
    (tmp_path / "broken.json").write_text('{"title": ')
    return tmp_path / ".squad" / "squad.db"


BAD = {
    "no command": [],
    "an unknown command": ["frobnicate"],
    "an option before the command": ["--db", "list"],
    "an unknown option": ["list", "--frobnicate"],
    "too many words": ["run", "Add", "a", "page"],
    "no task": ["run"],
    "two tasks": ["run", "Add a page", "--task", NOBODY],
    "an empty task": ["run", ""],
    "an empty file": ["run", "empty.md"],
    "a missing file": ["run", "missing.md"],
    "a folder": ["run", "./"],
    "a binary file": ["run", "binary.md"],
    "5 MB": ["run", "large.txt"],
    "broken front matter": ["run", "front.md"],
    "JSON of another shape": ["run", "shape.json"],
    "a JSON list": ["run", "list.json"],
    "broken JSON": ["run", "broken.json"],
    "an unknown task": ["run", "--task", NOBODY],
    "a malformed task id": ["run", "--task", "12"],
    "an unknown execution": ["resume", NOBODY],
    "an unknown execution's status": ["status", NOBODY],
    "an unknown execution's log": ["log", NOBODY],
    "a malformed id": ["status", "not-an-id"],
    "an id with an escape": ["log", "\x1b[31mred"],
    "no id": ["resume"],
    "an answer to nothing": ["answer", NOBODY, NOBODY, "yes"],
    "an answer without words": ["answer", NOBODY, NOBODY],
    "a malformed gate": ["answer", NOBODY, "gate", "yes"],
    "an unknown decision": ["answer", NOBODY, NOBODY, "yes", "--decision", "perhaps"],
    "an unknown next state": ["answer", NOBODY, NOBODY, "yes", "--next-state", "nowhere"],
    "a block without words": ["block", NOBODY, " "],
    "a block without visible words": ["block", NOBODY, "\x1b[31m"],
    "a block of nothing": ["block", NOBODY, "Why?"],
    "a cancel of nothing": ["cancel", NOBODY],
    "an empty database": ["list", "--db", ""],
    "another database": ["list", "--db", "postgresql://user:secret@host/squad"],
    "a broken URL": ["list", "--db", "://x"],
}


@pytest.mark.parametrize("words", BAD.values(), ids=BAD.keys())
def test_bad_input_is_one_line_with_a_hint_and_leaves_nothing(
    words: list[str], database: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 64
    said = capsys.readouterr()
    assert said.out == ""
    message, hint = said.err.splitlines()
    assert message.startswith("squad: ")
    assert len(message) > len("squad: ")
    assert hint.startswith("hint: ")
    assert said.err.replace("\n", "").isprintable()
    assert "secret" not in said.err
    assert not stored(database)
    if words:
        assert main([words[0], "--json", *words[1:]]) == 64
        shown = capsys.readouterr()
        assert shown.err == ""
        error = document(shown.out)["error"]
        assert error.keys() == {"code", "message", "hint"}
        assert error["code"] in {"usage", "bad_input", "not_found"}
        assert error["hint"]


def test_a_model_that_cannot_be_had_is_refused_before_a_database_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    file = tmp_path / "squad.db"
    assert main(["run", "Add a login page", "--model", "openai:gpt-5", "--db", str(file)]) == 1
    assert "needs a key" in capsys.readouterr().err
    assert not file.exists()


def test_standard_input_is_checked_too(
    database: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for data in (b"", b"\xff\xfe\xfa", b"\0" * 10, b"x" * 5_000_000, b"---\nlabels: {\n---\nDo it"):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        assert main(["run", "-"]) == 64
        assert len(capsys.readouterr().err.splitlines()) == 2
    assert not database.parent.exists()


def test_a_process_refuses_as_main_does(tmp_path: Path) -> None:
    done = squad("run", "missing.md", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (64, "")
    assert done.stderr.startswith("squad: there is no file 'missing.md'\nhint: ")
    assert not (tmp_path / ".squad").exists()


@pytest.mark.usefixtures("database")
def test_a_database_that_cannot_be_used_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text.db").write_text("This is no database, though it is long enough to be looked at. " * 20)
    for where in ("text.db", "missing/squad.db", "."):
        assert main(["run", "Add a page", "--json", "--db", where]) == 1
        assert document(capsys.readouterr().out)["error"]["code"] == "database"
    (tmp_path / ".squad").write_text("in the way")
    assert main(["list", "--json"]) == 1
    assert document(capsys.readouterr().out)["error"]["code"] == "database"

    monkeypatch.setenv("SQUAD_DATABASE_URL", "missing/squad.db")
    assert main(["list"]) == 1
    assert "missing" in capsys.readouterr().err


@pytest.mark.usefixtures("database")
def test_an_internal_error_is_one_line_unless_its_traceback_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_args: object) -> None:
        raise RuntimeError("two\nlines")

    monkeypatch.setattr(graph.cli_commands, "as_uuid", broken)
    assert main(["status", NOBODY]) == 1
    said = capsys.readouterr().err
    assert said.splitlines()[0] == "squad: internal error: RuntimeError: two lines"
    assert "SQUAD_DEBUG=1" in said.splitlines()[1]
    assert len(said.splitlines()) == 2
    monkeypatch.setenv("SQUAD_DEBUG", "1")
    assert main(["status", NOBODY]) == 1
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.usefixtures("database")
def test_an_error_without_a_hint_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_args: object) -> None:
        raise DatabaseError("the disk is gone")

    monkeypatch.setattr(graph.cli_commands, "as_uuid", broken)
    assert main(["status", NOBODY]) == 1
    assert capsys.readouterr().err == "squad: the disk is gone\n"
