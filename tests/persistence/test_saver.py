"""The checkpointer: what it stores is what the library's own would store, and types come back as themselves."""

import asyncio
import random
import types
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from enum import Enum
from typing import Annotated, Any, Literal, NotRequired, Required, Union, get_args, get_origin, get_type_hints
from uuid import UUID, uuid4

import aiosqlite
import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import Checkpoint, empty_checkpoint
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt
from pydantic import AwareDatetime, BaseModel
from sqlalchemy import Connection, text
from typing_extensions import TypedDict, is_typeddict

from delegation import ConfigurationError, Role, vocabulary
from graph.state import BoardState, MemberTurn, SquadInput, SquadState
from persistence import Database
from persistence.hops import driver_of
from persistence.saver import OneHopSaver

CONFIG: RunnableConfig = {"configurable": {"thread_id": "t", "checkpoint_ns": ""}}


class Unknown(BaseModel):
    """A type that nobody named to the serializer."""

    text: str = "x"


def example(kind: Any) -> Any:  # noqa: PLR0911 - a case for each kind of annotation
    """Return a value of that type in which every field of every model is set."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in {Annotated, NotRequired, Required}:
        return example(arguments[0])
    if origin in {Union, types.UnionType}:
        return example(next(one for one in arguments if one is not type(None)))
    if origin is Literal:
        return arguments[0]
    if origin is list:
        return [example(arguments[0])]
    if origin is tuple:
        return tuple(example(one) for one in arguments if one is not Ellipsis)
    if origin is dict:
        return {example(arguments[0]): example(arguments[1])}
    if is_typeddict(kind):
        return {name: example(one) for name, one in get_type_hints(kind).items()}
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return kind(**{name: example(field.annotation) for name, field in kind.model_fields.items()})
    if isinstance(kind, type) and issubclass(kind, Enum):
        return next(iter(kind))
    known = {str: "täxt", int: 1, float: 1.5, bool: True, Any: {"any": [1, None]}, UUID: uuid4()}
    return datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC) if kind in {datetime, AwareDatetime} else known[kind]


def shape(value: Any) -> Any:
    """Return the value's types, all the way down."""
    if isinstance(value, BaseModel):
        return type(value), {name: shape(getattr(value, name)) for name in type(value).model_fields}
    if isinstance(value, dict):
        return type(value), {(type(key), key): shape(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return type(value), [shape(one) for one in value]
    return type(value)


def checkpoint_with(**values: Any) -> Checkpoint:
    return empty_checkpoint() | {"channel_values": values}  # type: ignore[return-value]


async def reloaded(database: Database, value: Any) -> Any:
    saver = database.checkpointer
    stored = await saver.aput(CONFIG, checkpoint_with(one=value), {}, {})
    await saver.aput_writes(stored, [("two", value)], "task")
    found = await saver.aget_tuple(stored)
    assert found is not None
    assert found.pending_writes is not None
    ((_, _, written),) = found.pending_writes
    again = found.checkpoint["channel_values"]["one"]
    assert shape(again) == shape(written)
    return again


@pytest.mark.parametrize("kind", vocabulary(), ids=lambda kind: kind.__name__)
async def test_every_type_of_the_vocabulary_comes_back_as_itself(database: Database, kind: type) -> None:
    values = list(kind) if issubclass(kind, Enum) else [example(kind)]
    again = await reloaded(database, values)
    assert again == values
    assert shape(again) == shape(values)


@pytest.mark.parametrize("schema", [SquadState, SquadInput, BoardState, MemberTurn], ids=lambda kind: kind.__name__)
async def test_every_channel_of_the_graphs_comes_back_as_itself(database: Database, schema: type) -> None:
    values = example(schema)
    assert values
    again = await reloaded(database, values)
    assert again == values
    assert shape(again) == shape(values)


@pytest.mark.filterwarnings("default")
async def test_a_type_that_was_not_named_does_not_come_back_as_itself(database: Database) -> None:
    again = await reloaded(database, Unknown())
    assert not isinstance(again, Unknown)
    assert again == {"text": "x"}


async def test_a_role_in_a_key_or_in_a_list_stays_a_role(database: Database) -> None:
    again = await reloaded(database, {"by_role": [Role.TESTER], "text": str(Role.TESTER)})
    assert type(again["by_role"][0]) is Role
    assert type(again["text"]) is str


@pytest.fixture
async def stock(database: Database) -> AsyncIterator[AsyncSqliteSaver]:
    """The library's saver, with the same serializer, on the same file."""
    async with aiosqlite.connect(str(database._url.database)) as connection:
        yield AsyncSqliteSaver(connection, serde=database.checkpointer.serde)


async def everything(saver: AsyncSqliteSaver) -> list[Any]:
    return [one async for one in saver.alist(None)]


async def play(saver: AsyncSqliteSaver, seed: int) -> None:
    """Do the same for the same seed: checkpoints with parents and namespaces, writes of all kinds, deletions."""
    dice = random.Random(seed)  # noqa: S311 - the same each time is the point
    places: list[RunnableConfig] = []
    for step in range(60):
        thread, ns = dice.choice(["a", "b", "7"]), dice.choice(["", "child|x"])
        before = dice.choice(places) if places and dice.random() < 0.7 else None
        match dice.choice(["put", "put", "writes", "special", "delete"]):
            case "put":
                config: RunnableConfig = before or {
                    "configurable": {"thread_id": int(thread) if thread == "7" else thread, "checkpoint_ns": ns},
                    "metadata": {"run": step},
                }
                saved = checkpoint_with(x=dice.random(), role=Role.TESTER) | {"id": f"{step:04}-{seed}", "ts": "now"}
                places.append(await saver.aput(config, saved, {"step": step, "ü": "é"}, {}))  # type: ignore[arg-type,typeddict-unknown-key]
            case "writes" if before:
                await saver.aput_writes(before, [("x", step), ("y", [step])], f"task{step % 5}", dice.choice(["", "p"]))
            case "special" if before:
                await saver.aput_writes(before, [("__interrupt__", step)], f"task{step % 5}")
            case "delete" if dice.random() < 0.3:
                await saver.adelete_thread(thread)


@pytest.mark.parametrize("seed", range(8))
async def test_it_stores_to_the_byte_what_the_librarys_saver_stores(tmp_path: Any, seed: int) -> None:
    async with (
        await Database.open(str(tmp_path / "ours.db")) as ours,
        await Database.open(str(tmp_path / "theirs.db")) as theirs,
        aiosqlite.connect(str(tmp_path / "theirs.db")) as connection,
    ):
        await play(ours.checkpointer, seed)
        await play(AsyncSqliteSaver(connection, serde=theirs.checkpointer.serde), seed)

        def rows(connection: Connection) -> list[list[Any]]:
            names = ("checkpoints", "writes")
            return [list(connection.execute(text(f"SELECT * FROM {one} ORDER BY 1, 2, 3, 4"))) for one in names]  # noqa: S608

        stored, expected = await ours.read(rows), await theirs.read(rows)
        assert [[tuple(one) for one in some] for some in stored] == [[tuple(one) for one in some] for some in expected]
        assert stored[0]


@pytest.mark.parametrize("seed", range(4))
async def test_what_one_saver_writes_the_other_reads(database: Database, stock: AsyncSqliteSaver, seed: int) -> None:
    await play(database.checkpointer, seed)
    assert await everything(stock) == await everything(database.checkpointer)
    await play(stock, seed + 100)
    found = await everything(database.checkpointer)
    assert found == await everything(stock)
    for one in found[:5]:
        assert await stock.aget_tuple(one.config) == await database.checkpointer.aget_tuple(one.config) == one


class Counted(TypedDict):
    count: int


def asking_graph(saver: AsyncSqliteSaver) -> Any:
    def add(state: Counted) -> Counted:
        return {"count": state["count"] + interrupt("how many?")}

    builder = StateGraph(Counted)
    builder.add_node("add", add)
    builder.add_edge(START, "add")
    return builder.compile(checkpointer=saver)


async def test_a_run_that_one_saver_holds_goes_on_under_the_other(database: Database, stock: AsyncSqliteSaver) -> None:
    for number, (first, second) in enumerate([(database.checkpointer, stock), (stock, database.checkpointer)]):
        config: RunnableConfig = {"configurable": {"thread_id": str(number)}}
        asked = await asking_graph(first).ainvoke({"count": 1}, config)
        assert asked["__interrupt__"][0].value == "how many?"
        assert await asking_graph(second).ainvoke(Command(resume=4), config) == {"count": 5}


async def test_a_deleted_thread_is_gone_and_others_stay(database: Database) -> None:
    saver = database.checkpointer
    for thread in ("a", "b"):
        await asking_graph(saver).ainvoke({"count": 1}, {"configurable": {"thread_id": thread}})
    await saver.adelete_thread("a")
    assert await saver.aget_tuple({"configurable": {"thread_id": "a"}}) is None
    kept = await saver.aget_tuple({"configurable": {"thread_id": "b"}})
    assert kept is not None
    assert kept.pending_writes


async def test_a_write_that_fails_stores_nothing_and_the_next_one_works(database: Database) -> None:
    saver = database.checkpointer
    stored = await saver.aput(CONFIG, checkpoint_with(), {}, {})
    where = stored["configurable"]
    rows = [(where["thread_id"], "", where["checkpoint_id"], "t", "", index, "x", "null", b"") for index in (0, None)]
    statement = "INSERT INTO writes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
    with pytest.raises(Exception, match="NOT NULL constraint failed"):
        await database.write(lambda connection: driver_of(connection).executemany(statement, rows))
    found = await saver.aget_tuple(stored)
    assert found is not None
    assert found.pending_writes == []
    await saver.aput_writes(stored, [("x", 1)], "t")


async def test_the_synchronous_methods_refuse_in_one_line_on_the_loop_and_in_a_thread(database: Database) -> None:
    saver: OneHopSaver = database.checkpointer
    saved = checkpoint_with()
    calls: list[Any] = [
        lambda: saver.get(CONFIG),
        lambda: saver.get_tuple(CONFIG),
        lambda: list(saver.list(CONFIG)),
        lambda: saver.put(CONFIG, saved, {}, {}),
        lambda: saver.put_writes(CONFIG, [("x", 1)], "t"),
        lambda: saver.delete_thread("t"),
        lambda: saver.get_delta_channel_history(config=CONFIG, channels=["x"]),
    ]
    for call in calls:
        with pytest.raises(ConfigurationError, match=r"^this checkpointer is asynchronous$"):
            call()
        with pytest.raises(ConfigurationError, match=r"^this checkpointer is asynchronous$"):
            await asyncio.to_thread(call)
    assert await saver.aget_tuple(CONFIG) is None
