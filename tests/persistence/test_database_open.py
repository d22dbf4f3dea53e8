"""Opening a database: where it may be, what happens to what is there, and what is said where it cannot be."""

# ruff: noqa: ASYNC221, ASYNC240 - nothing else runs on a test's loop, so it may look at files and wait for a process

import asyncio
import os
import sqlite3
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError, OperationalError

from delegation import DatabaseError, DatabaseLocked, InputError, NewerDatabase, NotFound, Task
from persistence import Database, TaskService, location
from persistence import database as database_module
from persistence.base import table
from persistence.faults import is_locked, translated
from persistence.migrations import HEAD
from persistence.tables import TaskRow

ROOT = Path(__file__).resolve().parents[2]


async def keep_a_task(database: Database, title: str = "Kept") -> str:
    async with database.session() as db:
        return str((await TaskService.create_task(db, Task(title=title))).id)


async def title_of(database: Database, task_id: str) -> str:
    async with database.session() as db:
        return (await TaskService.get_task(db, task_id)).title


def revision_in(file: Path) -> str:
    with closing(sqlite3.connect(file)) as connection:
        return str(connection.execute("SELECT version_num FROM alembic_version").fetchone()[0])


async def test_a_fresh_file_is_made_with_the_newest_schema_and_the_checkpointers_tables(tmp_path: Path) -> None:
    file = tmp_path / "squad.db"
    async with await Database.open(f"sqlite+aiosqlite:///{file}") as database:
        assert database.name == f"sqlite+aiosqlite:///{file}"
        names = await database.read(
            lambda connection: set(connection.execute(text("SELECT name FROM sqlite_master")).scalars())
        )
    assert {"executions", "transitions", "gates", "journal", "checkpoints", "writes"} <= names
    assert revision_in(file) == HEAD


async def test_a_file_opened_again_holds_what_was_stored_and_is_not_migrated_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "squad.db"
    async with await Database.open(str(file)) as database:
        task_id = await keep_a_task(database)

    def never(*_: object) -> None:
        pytest.fail("an up-to-date database was migrated")

    monkeypatch.setattr(database_module, "migrate", never)
    async with await Database.open(str(file)) as database:
        assert await title_of(database, task_id) == "Kept"


async def test_an_up_to_date_file_opens_without_alembic(tmp_path: Path) -> None:
    file = tmp_path / "squad.db"
    async with await Database.open(str(file)):
        pass
    program = (
        "import asyncio, sys\n"
        "from persistence import Database\n"
        "async def main():\n"
        "    async with await Database.open(sys.argv[1]):\n"
        "        print('alembic' in sys.modules)\n"
        "asyncio.run(main())\n"
    )
    ran = subprocess.run([sys.executable, "-c", program, str(file)], cwd=ROOT, check=True, stdout=subprocess.PIPE)
    assert ran.stdout.split() == [b"False"]


@pytest.mark.parametrize("url", ["sqlite+aiosqlite:///:memory:", ":memory:", "sqlite://", "sqlite+aiosqlite://"])
async def test_a_database_in_memory_is_private_and_goes_away(url: str) -> None:
    async with await Database.open(url) as one, await Database.open(url) as other:
        assert one.name == "the database in memory"
        folder = Path(str(one._folder))
        assert folder.is_dir()
        task_id = await keep_a_task(one)
        assert await title_of(one, task_id) == "Kept"
        with pytest.raises(NotFound):
            await title_of(other, task_id)
        assert await one.checkpointer.aget_tuple({"configurable": {"thread_id": "t"}}) is None
    assert not folder.exists()


@pytest.mark.parametrize("name", ["with space.db", "100%.db", "a%20b.db", "what?.db", "#1.db", "säule ✓.db", "a'b;.db"])
@pytest.mark.parametrize("folder", [".", "sub %s folder"])
async def test_any_path_is_taken_as_it_stands(tmp_path: Path, folder: str, name: str) -> None:
    (tmp_path / folder).mkdir(exist_ok=True)
    file = tmp_path / folder / name
    async with await Database.open(str(file)) as database:
        task_id = await keep_a_task(database)
        assert await database.checkpointer.aget_tuple({"configurable": {"thread_id": "t"}}) is None
    assert file.is_file()
    assert sorted(one.name for one in file.parent.iterdir() if one.is_file()) == [name]
    async with await Database.open(str(file)) as database:
        assert await title_of(database, task_id) == "Kept"


async def test_a_relative_path_and_a_tilde_are_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for where in ("one.db", "sqlite+aiosqlite:///two.db", "~/three.db", "sqlite:///~/four.db"):
        async with await Database.open(where):
            pass
    assert sorted(one.name for one in tmp_path.iterdir()) == ["four.db", "one.db", "three.db", "two.db"]


async def test_without_a_url_it_is_the_embedded_default_private_and_ignored_by_git(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with await Database.open():
        pass
    folder = tmp_path / ".squad"
    assert (folder / "squad.db").is_file()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / ".gitignore").read_text() == "*\n"
    (folder / ".gitignore").write_text("own\n")
    assert location.default_database() == ".squad/squad.db"
    assert (folder / ".gitignore").read_text() == "own\n"


@pytest.mark.parametrize(
    ("where", "error", "match"),
    [
        ("{tmp}/missing/squad.db", DatabaseError, "missing/squad.db: the folder is not there"),
        ("{tmp}", DatabaseError, "is a folder, not a file"),
        ("{tmp}/text.txt", DatabaseError, "not an SQLite database"),
        ("sqlite+aiosqlite:///{tmp}/text.txt", DatabaseError, "not an SQLite database"),
        ("://", InputError, "URL cannot be read"),
        ("sqlite+aiosqlite://squad.db", InputError, "three slashes"),
        ("sqlite+aiosqlite://user:secret@host/squad.db", InputError, "three slashes"),
        ("postgresql+psycopg://me:secret@host/db", InputError, r"me:\*\*\*@host/db: only SQLite is supported"),
        ("nosuch://me:secret@host/db", InputError, r"me:\*\*\*@host/db: only SQLite is supported"),
        ("{tmp}/nul\0.db", InputError, "cannot be read"),
    ],
)
async def test_what_cannot_be_opened_is_said_in_one_line_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, error: type[Exception], match: str
) -> None:
    (tmp_path / "tmp").mkdir()
    (tmp_path / "text.txt").write_text("no database, " * 1000)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    with pytest.raises(error, match=match) as raised:
        await Database.open(where.replace("{tmp}", str(tmp_path)))
    assert "secret" not in str(raised.value)
    assert "\n" not in str(raised.value)
    assert getattr(raised.value, "hint", None)
    assert list((tmp_path / "tmp").iterdir()) == []
    assert sorted(one.name for one in tmp_path.iterdir()) == ["text.txt", "tmp"]
    assert (tmp_path / "text.txt").read_text() == "no database, " * 1000


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser writes to files that are read-only")
@pytest.mark.parametrize("fresh", [True, False])
async def test_a_read_only_place_is_named_as_such(tmp_path: Path, fresh: bool) -> None:  # noqa: FBT001
    file = tmp_path / "squad.db"
    if not fresh:
        async with await Database.open(str(file)):
            pass
        file.chmod(0o400)
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(DatabaseError, match=r"read-only|cannot be opened"):
            await Database.open(str(file))
    finally:
        tmp_path.chmod(0o700)


async def test_a_database_that_becomes_read_only_says_so_at_the_next_write(database: Database) -> None:
    def query_only(connection: Connection) -> None:
        connection.exec_driver_sql("PRAGMA query_only = ON")

    await database.write(query_only)
    with pytest.raises(DatabaseError, match="the database is read-only"):
        await database.write(lambda connection: connection.execute(text("DELETE FROM squads")))
    with pytest.raises(DatabaseError, match="the database is read-only"):
        await database.checkpointer.adelete_thread("t")


async def test_a_newer_database_is_refused_and_stays_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "squad.db"
    async with await Database.open(str(file)):
        pass
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'f00d'")
        connection.execute("DROP TABLE requests")
        connection.commit()
    before = file.read_bytes()
    with pytest.raises(NewerDatabase, match=f"revision 'f00d', newer than this version knows \\('{HEAD}'\\)"):
        await Database.open(str(file))
    assert file.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == ["squad.db"]


PRAGMAS = ("journal_mode", "synchronous", "busy_timeout", "foreign_keys")


def pragmas(connection: Connection) -> list[Any]:
    return [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in PRAGMAS]


@pytest.mark.parametrize(("synchronous", "number"), [("NORMAL", 1), ("FULL", 2)])
async def test_every_connection_has_the_same_settings(tmp_path: Path, synchronous: Any, number: int) -> None:
    async with await Database.open(str(tmp_path / "squad.db"), synchronous=synchronous) as database:
        expected = ["wal", number, 5000, 1]
        assert await database.read(pragmas) == expected
        assert await database.write(pragmas) == expected
        async with database.session() as one, database.session() as two:  # two connections
            for db in (one, two):
                assert await (await db.connection()).run_sync(pragmas) == expected
        saver = database.checkpointer.conn
        for name, value in zip(PRAGMAS[:3], expected[:3], strict=True):
            async with saver.execute(f"PRAGMA {name}") as cursor:
                assert await cursor.fetchone() == (value,)


async def test_closing_twice_does_nothing_and_a_closed_database_says_that_it_is(tmp_path: Path) -> None:
    async with await Database.open(str(tmp_path / "squad.db")) as database:
        await database.close()
    await database.close()


async def test_types_of_ones_own_come_back_from_the_checkpointer_as_themselves(tmp_path: Path) -> None:
    class Opinion(Task):
        """A state type that the project does not know."""

    saved = {"v": 1, "id": "1", "channel_values": {"x": Opinion(title="mine")}, "ts": "", "channel_versions": {}}
    globals()["Opinion"] = Opinion
    Opinion.__qualname__ = "Opinion"
    config: Any = {"configurable": {"thread_id": "t", "checkpoint_ns": ""}}
    async with await Database.open(str(tmp_path / "squad.db"), state_types=[Opinion]) as database:
        await database.checkpointer.aput(config, saved, {}, {})  # type: ignore[arg-type]
        found = await database.checkpointer.aget_tuple(config)
    assert found is not None
    assert type(found.checkpoint["channel_values"]["x"]) is Opinion


async def test_many_that_open_one_fresh_file_in_one_process_migrate_it_once(tmp_path: Path) -> None:
    file = str(tmp_path / "squad.db")
    opened = await asyncio.gather(*(Database.open(file) for _ in range(8)))
    try:
        tasks = await asyncio.gather(*(keep_a_task(one, f"from {i}") for i, one in enumerate(opened)))
        assert len(set(tasks)) == 8
        count = text("SELECT count(*) FROM alembic_version")
        assert await opened[0].read(lambda connection: connection.execute(count).scalar()) == 1
    finally:
        for one in opened:
            await one.close()


Fault = Callable[[Any], Awaitable[None]]


@pytest.mark.parametrize(
    ("said", "kind", "meaning"),
    [
        ("database is locked", DatabaseLocked, "another process holds the database's write lock"),
        ("database table is locked", DatabaseLocked, "another process holds"),
        ("attempt to write a readonly database", DatabaseError, "read-only"),
        ("database or disk is full", DatabaseError, "disk or the database is full"),
        ("unable to open database file", DatabaseError, "cannot be opened"),
        ("file is not a database", DatabaseError, "not an SQLite database"),
        ("database disk image is malformed", DatabaseError, "damaged"),
        ("disk I/O error", DatabaseError, "the disk reported an error"),
    ],
)
def test_a_drivers_error_becomes_the_projects_with_the_place_and_a_hint(said: str, kind: type, meaning: str) -> None:
    bare = sqlite3.OperationalError(said)
    # what the statement or its values say is not what the driver says
    wrapped = OperationalError("UPDATE executions SET blocked_at = ?", {"text": "busy and blocked, is locked"}, bare)
    for error in (bare, wrapped):
        with pytest.raises(DatabaseError, match=f"^here: .*{meaning}") as raised, translated("here"):
            raise error
        assert type(raised.value) is kind
        assert raised.value.hint
        assert is_locked(error) == (kind is DatabaseLocked)


async def test_a_value_that_no_column_can_hold_is_bad_input_and_what_was_stored_stays(database: Database) -> None:
    task_id = await keep_a_task(database)
    for column, value in (("labels", [object()]), ("title", "half \ud800")):
        change = table(TaskRow).update().values({column: value})
        with pytest.raises(InputError, match="a value cannot be stored: ") as raised:
            await database.write(lambda connection, change=change: connection.execute(change))
        assert raised.value.hint
        async with database.session() as db:
            row = await TaskService.get_task(db, task_id)
            setattr(row, column, value)
            with pytest.raises(InputError, match="a value cannot be stored: "):
                await TaskService.create_task(db, Task(title="not stored either"))
    assert await title_of(database, task_id) == "Kept"


def test_an_error_about_one_statement_passes_through_whatever_its_values_say() -> None:
    cause = sqlite3.IntegrityError("NOT NULL constraint failed: executions.blocked_at")
    error = IntegrityError("UPDATE executions SET blocked_at = ?", {"text": "database is locked, disk is full"}, cause)
    assert not is_locked(error)
    with pytest.raises(IntegrityError), translated("here"):
        raise error


def test_a_database_that_nobody_closed_lets_the_process_end(tmp_path: Path) -> None:
    script = (
        "import asyncio, sys\n"
        "from persistence import Database\n"
        "opened = asyncio.run(Database.open(sys.argv[1]))\n"
        "print(opened.name)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "left.db")],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert "left.db" in ended.stdout
