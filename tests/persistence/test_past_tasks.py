"""Past tasks: remembered as executions end, found by their words, and by one squad alone."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from alembic import command
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, make_url, text, update

from agents.memory import SquadMemory, lessons_of
from delegation import Squad, Task
from persistence import Database, DatabasePastTasks, create_execution, full_text, insert_squad, insert_task
from persistence.base import table, utc_now
from persistence.connections import sync_engine
from persistence.migrate import alembic_config
from persistence.tables import ExecutionRow


def new_squad(connection: Connection) -> UUID:
    squad_id = uuid4()
    insert_squad(connection, squad_id, Squad.default())
    return squad_id


def ended(connection: Connection, squad_id: UUID, task: Task | str, **columns: Any) -> UUID:
    """Store an execution of the task and end it."""
    task = Task(title=task) if isinstance(task, str) else task
    task_id, execution_id = uuid4(), uuid4()
    insert_task(connection, task_id, task)
    create_execution(
        connection, execution_id=execution_id, task_id=task_id, squad_id=squad_id, thread_id=str(execution_id)
    )
    values = {"status": "completed", "ended_at": utc_now()} | columns
    connection.execute(update(table(ExecutionRow)).where(table(ExecutionRow).c.id == execution_id).values(values))
    return execution_id


async def titles(database: Database, squad_id: UUID, words: str, limit: int = 10) -> list[str]:
    past = DatabasePastTasks(database)
    return [one.title for one in await past.get(squad_id, await past.find(squad_id, words, limit=limit))]


async def test_a_task_is_remembered_in_the_transaction_that_ends_its_execution(database: Database) -> None:
    squad_id = await database.write(new_squad)
    task = Task(title="Rate limiting", description="Answer 429.", acceptance_criteria=["A burst is refused"])

    def end(connection: Connection) -> UUID:
        return ended(connection, squad_id, task, result={"summary": "token bucket", "more": 1})

    def end_and_fail(connection: Connection) -> None:
        ended(connection, squad_id, "Rate of exchange")
        raise RuntimeError("rolled back")

    execution_id = await database.write(end)
    with pytest.raises(RuntimeError, match="rolled back"):
        await database.write(end_and_fail)
    await database.write(lambda connection: ended(connection, squad_id, "Rate something", status="blocked"))
    past = DatabasePastTasks(database)
    for words in ("rate", "limits", "429", "bursts refused", "TOKEN buckets"):  # words are stemmed
        (found,) = await past.get(squad_id, await past.find(squad_id, words))
        assert (found.execution_id, found.title, found.status) == (execution_id, "Rate limiting", "completed")
        assert found.summary == "token bucket"
    assert await past.find(squad_id, "exchange") == []


@pytest.mark.parametrize(
    ("columns", "summary"),
    [
        ({"status": "failed", "error_message": "cancelled: no money"}, "cancelled: no money"),
        ({"result": {"said": "by hand"}}, '{"said":"by hand"}'),
        ({"result": {"summary": {"no": "text"}}}, '{"summary":{"no":"text"}}'),
        ({"result": None}, ""),
    ],
)
async def test_what_came_of_it_is_told(database: Database, columns: dict[str, Any], summary: str) -> None:
    squad_id = await database.write(new_squad)
    await database.write(lambda connection: ended(connection, squad_id, "Login", **columns))
    past = DatabasePastTasks(database)
    (found,) = await past.get(squad_id, await past.find(squad_id, "login"))
    assert found.summary == summary


async def test_json_that_is_none_does_not_keep_an_execution_from_ending(database: Database) -> None:
    squad_id = await database.write(new_squad)

    def end(connection: Connection) -> None:
        execution_id = ended(connection, squad_id, "Login", status="testing")
        connection.execute(text("UPDATE executions SET result = '{NaN' WHERE id = :id"), {"id": execution_id.hex})
        connection.execute(text("UPDATE tasks SET acceptance_criteria = 'none'"))
        connection.execute(text("UPDATE executions SET status = 'completed' WHERE id = :id"), {"id": execution_id.hex})

    await database.write(end)
    assert await titles(database, squad_id, "login") == ["Login"]


async def test_the_most_similar_comes_first(database: Database) -> None:
    squad_id = await database.write(new_squad)

    def fill(connection: Connection) -> None:
        for title, description in (
            ("Payment by card", "The login page is not concerned."),
            ("Login page with password", "Users log in."),
            ("Export as CSV", "A page with a button."),
            ("Colours of buttons", "Blue."),
        ):
            ended(connection, squad_id, Task(title=title, description=description))

    await database.write(fill)
    assert await titles(database, squad_id, "A login page for users") == [
        "Login page with password",
        "Payment by card",
        "Export as CSV",
    ]
    assert await titles(database, squad_id, "login", limit=1) == ["Login page with password"]


async def test_common_words_find_the_newest_that_have_most_of_them(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(full_text, "COMMON", 3)
    squad_id = await database.write(new_squad)

    def fill(connection: Connection) -> None:
        for number in range(6):
            ended(connection, squad_id, f"alpha beta n{number}" if number == 3 else f"alpha n{number}")
        for number in range(4):
            ended(connection, squad_id, f"beta n{number + 6}" if number else "alpha beta n6")

    await database.write(fill)
    found = await titles(database, squad_id, "alpha beta")
    assert found[0] == "beta n9"  # the newest of those with as many words, as far as is looked
    assert set(found) == {"beta n9", "beta n8", "beta n7", "alpha beta n6", "alpha n5", "alpha n4"}


HOSTILE = st.sampled_from(['"', "title:", "NEAR(", " OR ", " AND ", "NOT ", "*", "^", "-", "(", ")", "{", "a", "login"])


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=st.text(max_size=60) | st.lists(HOSTILE, max_size=12).map("".join))
async def test_no_text_is_read_as_anything_but_words(database: Database, words: str) -> None:
    squad_id = await database.write(new_squad)
    await database.write(lambda connection: ended(connection, squad_id, "Login"))
    found = await titles(database, squad_id, words)
    assert found in ([], ["Login"])
    assert await titles(database, squad_id, f"{words} login") == ["Login"]


async def everything(database: Database, squad_id: UUID, ids: Sequence[int]) -> list[Any]:
    """Return whatever the squad gets to see, by every way that there is."""
    past = DatabasePastTasks(database)
    seen: list[Any] = await past.get(squad_id, ids)
    for words in ("secret", "secret plan", "launch", "s*", "secret OR launch"):
        seen += await past.find(squad_id, words, limit=1_000)
    seen += await past.without_vectors(squad_id, "m", limit=1_000)
    seen += await past.vectors(squad_id, "m", after=0, limit=1_000)
    return seen


async def test_a_squad_sees_nothing_of_another_squads_tasks(database: Database) -> None:
    owner, other, newcomer = [await database.write(new_squad) for _ in range(3)]
    past = DatabasePastTasks(database)
    for number in range(3):
        await database.write(
            lambda connection, number=number: ended(
                connection, owner, f"Secret plan {number}", result={"summary": "launch"}
            )
        )
    await database.write(lambda connection: ended(connection, other, "Something else"))
    ids = await past.find(owner, "secret")
    assert len(ids) == 3
    await past.keep_vectors(other, "m", dict.fromkeys(ids, b"\0" * 8))  # they are not this squad's to describe
    await past.keep_vectors(owner, "m", dict.fromkeys(ids, b"\0" * 8))
    assert [one for one, _ in await past.without_vectors(other, "m", limit=10)] == await past.find(other, "else")
    seen = await everything(database, other, ids)
    assert "Secret" not in repr(seen)
    assert not set(ids) & {one for one in seen if isinstance(one, int)}
    assert await everything(database, newcomer, ids) == []
    assert await everything(database, uuid4(), ids) == []


async def test_lessons_are_found_and_told_as_long_as_they_live(database: Database) -> None:
    owner, other = [await database.write(new_squad) for _ in range(2)]
    execution_id = uuid4()
    past, memory = DatabasePastTasks(database), SquadMemory(database.store, owner)

    def begin(connection: Connection) -> UUID:
        return ended(connection, owner, "Login", status="testing")

    execution_id = await database.write(begin)
    await memory.aput(lessons_of(execution_id), "1", {"text": "argon2 needs much memory"})
    ending = update(table(ExecutionRow)).where(table(ExecutionRow).c.id == execution_id).values(status="completed")
    await database.write(lambda connection: connection.execute(ending))
    await memory.aput(lessons_of(execution_id), "2", {"text": "cookies are SameSite"})
    await SquadMemory(database.store, other).aput(lessons_of(execution_id), "3", {"text": "forged by another squad"})
    (found,) = await past.get(owner, await past.find(owner, "argon2 cookies"))
    assert found.learnt == "argon2 needs much memory\ncookies are SameSite"
    assert await past.find(owner, "forged") == []
    await memory.adelete(lessons_of(execution_id), "1")
    await memory.aput(lessons_of(execution_id), "2", {"text": "cookies are Lax"})
    assert await past.find(owner, "argon2") == []
    (found,) = await past.get(owner, await past.find(owner, "lax"))
    assert found.learnt == "cookies are Lax"
    await memory.aput(lessons_of(execution_id), "2", {"text": "cookies are Lax"}, ttl=0)  # is over at once
    (found,) = await past.get(owner, await past.find(owner, "login"))
    assert found.learnt == ""


async def test_a_migration_remembers_what_had_ended_before(tmp_path: Path) -> None:
    file = tmp_path / "older.db"
    engine = sync_engine(make_url(f"sqlite:///{file}"), "NORMAL")
    config = alembic_config()
    with engine.connect() as connection, connection.execution_options(write=True).begin():
        config.attributes["connection"] = connection
        command.upgrade(config, "0003")
        squads = [new_squad(connection), new_squad(connection)]
        for number, squad_id in enumerate([squads[0], squads[0], squads[1]]):
            ended(connection, squad_id, f"Login {number}", result={"summary": f"done {number}"})
        ended(connection, squads[0], "Login still open", status="blocked")
    engine.dispose()
    async with await Database.open(str(file)) as database:
        assert await titles(database, squads[0], "login") == ["Login 1", "Login 0"]
        assert await titles(database, squads[1], "login") == ["Login 2"]
        await database.write(lambda connection: ended(connection, squads[1], "Login 4"))
        assert set(await titles(database, squads[1], "login")) == {"Login 2", "Login 4"}
    with closing(sqlite3.connect(file)) as plain:
        assert plain.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        plain.execute("INSERT INTO past_tasks_text (past_tasks_text, rank) VALUES ('integrity-check', 1)")


async def test_vectors_are_kept_by_model_and_read_from_where_one_left_off(database: Database) -> None:
    squad_id = await database.write(new_squad)
    for number in range(3):
        await database.write(lambda connection, number=number: ended(connection, squad_id, f"Task {number}"))
    past = DatabasePastTasks(database)
    missing = await past.without_vectors(squad_id, "m", limit=2)
    assert [words.splitlines()[0] for _, words in missing] == ["Task 2", "Task 1"]
    await past.keep_vectors(squad_id, "m", {number: b"12345678" for number, _ in missing})
    await past.keep_vectors(squad_id, "m", {number: b"again" for number, _ in missing})
    first = await past.vectors(squad_id, "m", after=0, limit=1)
    rest = await past.vectors(squad_id, "m", after=first[-1][0], limit=10)
    assert [vector for _, _, vector in first + rest] == [b"12345678", b"12345678"]
    assert len(await past.without_vectors(squad_id, "m", limit=10)) == 1
    assert len(await past.without_vectors(squad_id, "other", limit=10)) == 3
