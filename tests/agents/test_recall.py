"""Similar past tasks: by words and by meaning, their ranks fused, for one squad at a time."""

import logging
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import wordllama
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.embeddings import Embeddings
from sqlalchemy import Connection, update

from agents import ContextManager
from agents.memory import Recall, fused, vectors
from delegation import Squad, Task
from persistence import Database, DatabasePastTasks, create_execution, insert_squad, insert_task
from persistence.base import table, utc_now
from persistence.tables import ExecutionRow


@cache
def static_model() -> Any:
    """The model that the wheel carries; nothing is downloaded."""
    folder = Path(wordllama.__file__).parent
    return wordllama.WordLlama.load(cache_dir=folder, disable_download=True)


class StaticEmbeddings(Embeddings):
    """A small static model, which counts what it embeds."""

    def __init__(self, model: str = "l2_supercat_256") -> None:
        self.model = model
        self.embedded: list[str] = []

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        self.embedded += texts
        return [list(map(float, one)) for one in static_model().embed(texts)]

    def embed_query(self, text: str) -> list[float]:
        return list(map(float, static_model().embed([text])[0]))


class Broken(Embeddings):
    """A provider that is away."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        raise ConnectionError("key sk-123 refused")

    def embed_query(self, text: str) -> list[float]:
        raise ConnectionError("key sk-123 refused")


def new_squad(connection: Connection) -> UUID:
    squad_id = uuid4()
    insert_squad(connection, squad_id, Squad.default())
    return squad_id


def ended(*titles: str, squad_id: UUID) -> Callable[[Connection], list[UUID]]:
    """Return what stores executions of these tasks and ends them."""

    def store(connection: Connection) -> list[UUID]:
        made = []
        for title in titles:
            task_id, execution_id = uuid4(), uuid4()
            insert_task(connection, task_id, Task(title=title))
            create_execution(
                connection, execution_id=execution_id, task_id=task_id, squad_id=squad_id, thread_id=str(execution_id)
            )
            row = table(ExecutionRow)
            values = {"status": "completed", "ended_at": utc_now()}
            connection.execute(update(row).where(row.c.id == execution_id).values(values))
            made.append(execution_id)
        return made

    return store


TITLES = (
    "Users sign in with a password",
    "Export invoices as a spreadsheet",
    "The database runs out of connections",
    "Dark mode for the settings page",
)


async def test_meaning_finds_what_shares_no_word(database: Database) -> None:
    squad_id = await database.write(new_squad)
    await database.write(ended(*TITLES, squad_id=squad_id))
    words = Recall(DatabasePastTasks(database))
    both = Recall(DatabasePastTasks(database), StaticEmbeddings())
    asked = "Login form: authentication of accounts"
    assert await words.similar(squad_id, asked) == []
    assert (await both.similar(squad_id, asked))[0].title == TITLES[0]
    assert (await both.similar(squad_id, "Download bills to Excel", limit=1))[0].title == TITLES[1]


async def test_words_and_meaning_together_outrank_either(database: Database) -> None:
    squad_id = await database.write(new_squad)
    await database.write(ended("Cookie recipes", "Session cookie of the login", "Log in", squad_id=squad_id))
    recall = Recall(DatabasePastTasks(database), StaticEmbeddings())
    found = await recall.similar(squad_id, "login session cookie expires")
    assert found[0].title == "Session cookie of the login"


async def test_a_task_is_not_similar_to_itself_and_the_limit_is_kept(database: Database) -> None:
    squad_id = await database.write(new_squad)
    first, *_ = await database.write(ended("Login one", "Login two", "Login three", squad_id=squad_id))
    recall = Recall(DatabasePastTasks(database))
    found = await recall.similar(squad_id, "login", limit=2, without=first)
    assert [one.title for one in found] == ["Login three", "Login two"]


async def test_each_task_is_embedded_once_a_model_whoever_searches(database: Database) -> None:
    squad_id = await database.write(new_squad)
    await database.write(ended(*TITLES, squad_id=squad_id))
    embeddings, another = StaticEmbeddings(), StaticEmbeddings("another")
    for recall in (Recall(DatabasePastTasks(database), embeddings), Recall(DatabasePastTasks(database), embeddings)):
        await recall.similar(squad_id, "sign in")
    assert len(embeddings.embedded) == len(TITLES)
    await database.write(ended("A later one about authentication", squad_id=squad_id))
    assert (await recall.similar(squad_id, "authentication"))[0].title == "A later one about authentication"
    assert len(embeddings.embedded) == len(TITLES) + 1
    await Recall(DatabasePastTasks(database), another).similar(squad_id, "sign in")
    assert len(another.embedded) == len(TITLES) + 1


async def test_what_had_piled_up_is_embedded_bit_by_bit_or_at_once(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vectors, "BATCH", 2)
    monkeypatch.setattr(vectors, "READ", 3)
    squad_id = await database.write(new_squad)
    await database.write(ended(*(f"Task number {number}" for number in range(9)), squad_id=squad_id))
    embeddings = StaticEmbeddings()
    manager = ContextManager(embeddings=embeddings)
    manager.bind(past=DatabasePastTasks(database))
    await manager.similar_tasks(squad_id, "number")
    assert len(embeddings.embedded) == 4
    assert await manager.embed_past_tasks(squad_id) == 5
    assert await manager.embed_past_tasks(squad_id) == 0
    assert len(await manager.similar_tasks(squad_id, "totally different", limit=9)) == 9


async def test_where_the_embeddings_fail_words_decide_and_nothing_of_the_error_is_told(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    squad_id = await database.write(new_squad)
    await database.write(ended("Login", squad_id=squad_id))
    with caplog.at_level(logging.WARNING):
        found = await Recall(DatabasePastTasks(database), Broken()).similar(squad_id, "login")
    assert [one.title for one in found] == ["Login"]
    assert "ConnectionError" in caplog.text
    assert "sk-123" not in caplog.text


async def test_vectors_are_as_much_apart_as_squads_are(database: Database) -> None:
    owner, other = [await database.write(new_squad) for _ in range(2)]
    await database.write(ended("Secret launch plan", squad_id=owner))
    recall = Recall(DatabasePastTasks(database), StaticEmbeddings())
    assert await recall.similar(owner, "the secret launch")
    for squad_id in (other, uuid4()):
        assert await recall.similar(squad_id, "Secret launch plan") == []
    await database.write(ended("Lunch", squad_id=other))
    assert [one.title for one in await recall.similar(other, "Secret launch plan")] == ["Lunch"]


async def test_vectors_of_another_length_say_nothing(database: Database) -> None:
    squad_id = await database.write(new_squad)
    await database.write(ended("Login", squad_id=squad_id))
    past, embeddings = DatabasePastTasks(database), StaticEmbeddings()
    (number,) = await past.find(squad_id, "login")
    name = vectors.Vectors(past, embeddings).name
    await past.keep_vectors(squad_id, name, {number: b"short"})
    assert await Recall(past, embeddings).similar(squad_id, "authentication") == []


def test_ranks_are_fused() -> None:
    assert fused([[1, 2, 3], [3, 4]]) == [3, 1, 4, 2]
    assert fused([[], []]) == []
    assert fused([[5], [6]]) == [6, 5]  # among equals the later one


@given(st.lists(st.lists(st.integers(0, 20), unique=True, max_size=10), max_size=3))
def test_fusing_keeps_everything_once_and_what_is_first_everywhere_first(ranks: list[list[int]]) -> None:
    found = fused(ranks)
    assert sorted(found) == sorted({one for ranking in ranks for one in ranking})
    if ranks and all(ranking and ranking[0] == ranks[0][0] for ranking in ranks):
        assert found[0] == ranks[0][0]
