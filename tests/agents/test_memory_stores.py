"""The memory: LangGraph's store in process and in the database, by one contract, and a squad's part of either."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langgraph.store.base import (
    BaseStore,
    GetOp,
    InvalidNamespaceError,
    ListNamespacesOp,
    MatchCondition,
    PutOp,
    SearchOp,
)

from agents.memory import LESSONS_LAST, InProcessStore, SquadMemory, keep_lesson
from delegation import ConfigurationError, InputError
from persistence import Database, DatabaseStore


class Clock:
    """The time, which passes when it is told to."""

    def __init__(self) -> None:
        self.now = datetime(2030, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def minutes(self, passed: float) -> None:
        self.now += timedelta(minutes=passed)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["in process", "database", "a squad's part"])
def store(request: pytest.FixtureRequest, database: Database, clock: Clock) -> BaseStore:
    """Each kind of store."""
    in_database = DatabaseStore(database._hops, now=clock)
    return {
        "in process": InProcessStore(now=clock),
        "database": in_database,
        "a squad's part": SquadMemory(in_database, uuid4()),
    }[request.param]


async def test_what_is_put_is_got_changed_and_deleted(store: BaseStore) -> None:
    await store.aput(("notes", "api"), "style", {"text": "REST", "votes": 3})
    first = await store.aget(("notes", "api"), "style")
    assert first is not None
    assert (first.value, first.key, first.namespace) == ({"text": "REST", "votes": 3}, "style", ("notes", "api"))
    await store.aput(("notes", "api"), "style", {"text": "GraphQL"})
    second = await store.aget(("notes", "api"), "style")
    assert second is not None
    assert second.value == {"text": "GraphQL"}
    await store.adelete(("notes", "api"), "style")
    assert await store.aget(("notes", "api"), "style") is None
    assert await store.aget(("notes",), "style") is None


async def test_a_search_is_for_a_namespace_and_all_beneath_it_and_for_nothing_beside_it(store: BaseStore) -> None:
    for space in (("a",), ("a", "b"), ("ab",), ("a", "b", "c"), ("a", "bc")):
        await store.aput(space, "k", {"space": "/".join(space)})
    found = await store.asearch(("a", "b"))
    assert {one.value["space"] for one in found} == {"a/b", "a/b/c"}
    assert {one.namespace for one in await store.asearch(("a",))} == {("a",), ("a", "b"), ("a", "b", "c"), ("a", "bc")}
    assert len(await store.asearch(("a",), limit=3)) == 3
    assert len(await store.asearch(("a",), limit=3, offset=3)) == 1


async def test_a_search_filters_by_value_and_by_comparison(store: BaseStore) -> None:
    for votes in (1, 2, 3):
        await store.aput(("n",), str(votes), {"votes": votes, "about": {"kind": "even" if votes == 2 else "odd"}})

    async def keys(**wanted: Any) -> set[str]:
        return {one.key for one in await store.asearch(("n",), filter=wanted)}

    assert await keys(votes=2) == {"2"}
    assert await keys(votes={"$gte": 2}) == {"2", "3"}
    assert await keys(votes={"$gt": 1, "$lt": 3}) == {"2"}
    assert await keys(about={"kind": "odd"}) == {"1", "3"}
    assert await keys(votes={"$ne": 2}) == {"1", "3"}
    assert await keys(unknown=1) == set()


async def test_a_search_for_words_ranks_by_those_that_are_shared(store: BaseStore) -> None:
    await store.aput(("n",), "cookies", {"text": "Session cookies need the attribute SameSite."})
    await store.aput(("n",), "hash", {"text": "Passwords are hashed with argon2; a session is no password."})
    await store.aput(("n",), "css", {"text": "Buttons are blue."})
    found = await store.asearch(("n",), query="which session cookies?")
    assert [one.key for one in found] == ["cookies", "hash"]
    assert found[0].score is not None
    assert found[1].score is not None
    assert found[0].score > found[1].score
    assert await store.asearch(("n",), query="nothing of that sort") == []
    assert [one.key for one in await store.asearch(("n",), query="session", limit=1, offset=1)] != []


async def test_what_has_expired_is_never_returned(store: BaseStore, clock: Clock) -> None:
    await store.aput(("n",), "short", {"text": "soon gone"}, ttl=10)
    await store.aput(("n",), "long", {"text": "stays"})
    clock.minutes(9.9)
    assert await store.aget(("n",), "short", refresh_ttl=False) is not None
    clock.minutes(0.2)
    assert await store.aget(("n",), "short") is None
    assert [one.key for one in await store.asearch(("n",))] == ["long"]
    assert await store.asearch(("n",), query="soon gone") == []
    await store.aput(("m",), "k", {"v": 1}, ttl=1)
    clock.minutes(1)
    assert await store.aget(("m",), "k") is None


async def test_reading_makes_the_time_to_live_begin_anew_unless_told_otherwise(store: BaseStore, clock: Clock) -> None:
    for key in ("got", "searched", "left"):
        await store.aput((key,), key, {"v": 1}, ttl=10)
    clock.minutes(6)
    await store.aget(("got",), "got")
    await store.asearch(("searched",))
    await store.aget(("left",), "left", refresh_ttl=False)
    clock.minutes(6)
    left = [await store.aget((key,), key, refresh_ttl=False) for key in ("got", "searched", "left")]
    assert [one is not None for one in left] == [True, True, False]


async def test_namespaces_are_listed(store: BaseStore) -> None:
    for space in (("a", "b"), ("a", "c", "d"), ("x", "d")):
        await store.aput(space, "k", {"v": 1})
    assert await store.alist_namespaces() == [("a", "b"), ("a", "c", "d"), ("x", "d")]
    assert await store.alist_namespaces(prefix=("a",)) == [("a", "b"), ("a", "c", "d")]
    assert await store.alist_namespaces(suffix=("d",)) == [("a", "c", "d"), ("x", "d")]
    assert await store.alist_namespaces(max_depth=1) == [("a",), ("x",)]
    assert await store.alist_namespaces(prefix=("*", "d")) == [("x", "d")]


async def test_a_namespace_that_could_name_another_one_is_refused(store: BaseStore) -> None:
    for op in (
        GetOp(("a.b",), "k"),
        PutOp(("a.b",), "k", {"v": 1}),
        SearchOp(("a.b",)),
        ListNamespacesOp((MatchCondition("prefix", ("a.b",)),)),
        SearchOp(("",)),
    ):
        with pytest.raises(InvalidNamespaceError):
            await store.abatch([op])


async def test_several_operations_are_one_transaction_and_the_reading_ones_see_what_was_before(
    database: Database,
) -> None:
    await database.store.aput(("n",), "k", {"v": 1})
    got, _ = await database.store.abatch([GetOp(("n",), "k"), PutOp(("n",), "k", {"v": 2})])
    assert got.value == {"v": 1}  # type: ignore[union-attr]
    for bad in ("\ud800", object()):
        with pytest.raises(InputError, match="the memory 'bad' cannot be stored"):
            await database.store.abatch([PutOp(("n",), "good", {"v": 1}), PutOp(("n",), "bad", {"v": bad})])
    assert await database.store.aget(("n",), "good") is None


async def test_what_has_expired_is_deleted_by_later_writes(database: Database, clock: Clock) -> None:
    store = DatabaseStore(database._hops, now=clock, ttl={"default_ttl": 5})
    await store.aput(("n",), "a", {"v": 1})
    await store.aput(("n",), "b", {"v": 1})
    clock.minutes(5)
    assert await store.sweep() == 2
    await store.aput(("n",), "c", {"v": 1})
    clock.minutes(5)
    await store.aput(("n",), "d", {"v": 1}, ttl=None)
    assert await store.sweep() == 0


async def test_the_database_keeps_it_beyond_the_process(database: Database) -> None:
    await database.store.aput(("n",), "k", {"v": [1, None, "ü"]})
    async with await Database.open(database.name) as again:
        item = await again.store.aget(("n",), "k")
    assert item is not None
    assert item.value == {"v": [1, None, "ü"]}


async def test_the_synchronous_methods_of_the_databases_store_refuse(database: Database) -> None:
    with pytest.raises(ConfigurationError, match="asynchronous"):
        database.store.get(("n",), "k")


LABELS = st.lists(st.text(alphabet="ab*%_/-ü", min_size=1, max_size=3) | st.just("squads"), max_size=3).map(tuple)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(space=LABELS.filter(bool), asked=LABELS)
@pytest.mark.parametrize("kind", ["in process", "database"])
async def test_a_squad_reaches_nothing_of_another_whatever_it_names(
    database: Database, kind: str, space: tuple[str, ...], asked: tuple[str, ...]
) -> None:
    whole = InProcessStore() if kind == "in process" else database.store
    owner, other = uuid4(), uuid4()
    mine, theirs = SquadMemory(whole, owner), SquadMemory(whole, other)
    await mine.aput(space, "k", {"text": "a secret"})
    for name in (space, asked, ("squads", owner.hex, *space), (*asked, owner.hex)):
        if name:
            assert await theirs.aget(name, "k") is None
        assert await theirs.asearch(name) == []
        assert await theirs.asearch(name, query="a secret") == []
        assert await theirs.asearch(name, filter={"text": "a secret"}) == []
        assert await theirs.alist_namespaces(prefix=name, suffix=name) == []
        if name:
            await theirs.adelete(name, "k")
            await theirs.aput(name, "k", {"text": "another"}, index=False)
            await theirs.adelete(name, "k")
    assert await theirs.alist_namespaces() == []
    item = await mine.aget(space, "k")
    assert item is not None
    assert (item.value, item.namespace) == ({"text": "a secret"}, space)


async def test_a_lesson_is_found_by_its_words_and_has_what_else_was_kept_with_it(
    store: BaseStore, clock: Clock
) -> None:
    execution_id = uuid4()
    for _ in range(2):
        await keep_lesson(store, execution_id, "argon2 needs memory", question="which hash?")
    (found,) = await store.asearch(("lessons",), query="memory")
    assert found.value == {"text": "argon2 needs memory", "question": "which hash?"}
    clock.minutes(LESSONS_LAST.total_seconds() / 60)
    assert await store.asearch(("lessons",)) == []
