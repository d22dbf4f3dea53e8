"""Whole transactions in one thread hop: kept or rolled back whole, whoever is cancelled, waits or runs out of room."""

import asyncio
import contextvars
import threading
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Connection, insert, text
from sqlalchemy.exc import IntegrityError

from delegation import DatabaseError, DatabaseLocked, Message, MessageType
from persistence import Database, Effects, Move, apply_move, hops, load_transitions
from persistence.base import table, utc_now
from persistence.hops import settled
from persistence.tables import SquadRow

# Takes the write lock, says so, and lets go after so many seconds, or when its input ends.
HOLD_LOCK = """
import select, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
select.select([sys.stdin], [], [], float(sys.argv[2]))
connection.execute("COMMIT")
"""


def add(connection: Connection, name: str = "x") -> None:
    connection.execute(insert(table(SquadRow)), {"id": uuid4(), "name": name, "created_at": utc_now()})


def names(connection: Connection) -> list[str]:
    return list(connection.execute(text("SELECT name FROM squads ORDER BY name")).scalars())


def file_of(database: Database) -> str:
    return str(database._url.database)


async def test_a_transaction_gives_back_what_its_work_returns_and_keeps_what_it_stored(database: Database) -> None:
    assert await database.write(lambda connection: (add(connection), 7)[1]) == 7
    assert await database.read(names) == ["x"]


async def test_a_transaction_that_raises_is_rolled_back_whole_and_the_next_one_works(database: Database) -> None:
    class Boom(BaseException):
        """Not even an Exception."""

    def half(connection: Connection) -> None:
        add(connection)
        raise Boom

    def twice(connection: Connection) -> None:
        row = {"id": uuid4(), "name": "x", "created_at": utc_now()}
        connection.execute(insert(table(SquadRow)), row)
        connection.execute(insert(table(SquadRow)), row)

    with pytest.raises(Boom):
        await database.write(half)
    with pytest.raises(IntegrityError, match=r"squads\.id"):
        await database.write(twice)
    await database.write(lambda connection: add(connection, "kept"))
    assert await database.read(names) == ["kept"]


async def test_what_queues_up_is_committed_together_and_a_failure_among_it_undoes_its_own_part_alone(
    database: Database,
) -> None:
    def fails(connection: Connection) -> None:
        add(connection, "lost")
        raise LookupError("not this one")

    works = [lambda connection, name=name: add(connection, name) for name in ("one", "two", "three")]
    ends = await asyncio.gather(
        *(database.write(work) for work in (works[0], fails, works[1], fails, works[2])), return_exceptions=True
    )
    assert [type(end) for end in ends if isinstance(end, BaseException)] == [LookupError, LookupError]
    assert sorted(await database.read(names)) == ["one", "three", "two"]


async def test_nothing_runs_on_the_event_loops_thread(database: Database) -> None:
    here = threading.get_ident()
    writer = await database.write(lambda _: threading.get_ident())
    reader = await database.read(lambda _: threading.get_ident())
    assert len({here, writer, reader}) == 3
    assert await database.write(lambda _: threading.get_ident()) == writer  # one writing thread


async def test_a_reading_transaction_sees_one_moment(database: Database) -> None:
    looked, written = threading.Event(), threading.Event()

    def look_twice(connection: Connection) -> tuple[list[str], list[str]]:
        first = names(connection)
        looked.set()
        assert written.wait(30)
        return first, names(connection)

    reading = asyncio.create_task(database.read(look_twice))
    await asyncio.to_thread(looked.wait, 30)
    await database.write(add)  # which the reader does not hold up
    written.set()
    assert await reading == ([], [])
    assert await database.read(names) == ["x"]


async def test_a_cancelled_caller_lets_the_commit_finish_and_then_the_cancellation_go_on(database: Database) -> None:
    started, may_end = threading.Event(), threading.Event()

    def slow(connection: Connection) -> None:
        started.set()
        assert may_end.wait(30)
        add(connection, "kept")

    writing = asyncio.create_task(database.write(slow))
    await asyncio.to_thread(started.wait, 30)
    for _ in range(3):  # however often it is asked
        writing.cancel()
        await asyncio.sleep(0)
    assert not writing.done()
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert await database.read(names) == ["kept"]  # decided before the cancellation went on


async def test_a_cancelled_caller_whose_work_fails_leaves_nothing(database: Database) -> None:
    started, may_end = threading.Event(), threading.Event()

    def slow(connection: Connection) -> None:
        add(connection)
        started.set()
        assert may_end.wait(30)
        raise ValueError("lost")

    writing = asyncio.create_task(database.write(slow))
    await asyncio.to_thread(started.wait, 30)
    writing.cancel()
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert await database.read(names) == []


@pytest.mark.parametrize("error", [None, ValueError("lost")])
async def test_a_loop_that_ends_while_something_is_written_does_not_wait_for_ever(
    database: Database, error: Exception | None
) -> None:
    started, may_end = threading.Event(), threading.Event()

    def slow(connection: Connection) -> None:
        started.set()
        assert may_end.wait(30)
        add(connection, "kept")
        if error:
            raise error

    writing = asyncio.create_task(database.write(slow))
    await asyncio.to_thread(started.wait, 30)
    queued = asyncio.create_task(database.write(lambda connection: add(connection, "never begun")))
    await asyncio.sleep(0)
    for task in asyncio.all_tasks() - {asyncio.current_task()}:  # as a loop does when its program ends
        task.cancel()
    may_end.set()
    async with asyncio.timeout(20):
        assert all(isinstance(one, asyncio.CancelledError) for one in await gathered(writing, queued))
        await database.write(lambda connection: add(connection, "next"))
    assert await database.read(names) == (["next"] if error else ["kept", "next"])


async def gathered(*tasks: asyncio.Task[None]) -> list[BaseException | None]:
    """Return how the tasks ended."""
    return list(await asyncio.gather(*tasks, return_exceptions=True))


async def test_each_of_a_batch_gets_its_own_end_whatever_is_raised_in_it(database: Database) -> None:
    def failing(error: BaseException, connection: Connection) -> None:
        add(connection, "undone")
        raise error

    class Boom(BaseException):
        """Not even an Exception."""

    errors: list[BaseException] = [ValueError("no"), Boom(), StopIteration()]
    async with asyncio.timeout(20):
        ends = await asyncio.gather(
            *(database.write(partial(failing, error)) for error in errors),
            *(database.write(lambda connection, name=name: add(connection, name)) for name in "ab"),
            return_exceptions=True,
        )
    assert [type(one) for one in ends] == [ValueError, Boom, RuntimeError, type(None), type(None)]
    assert await database.read(names) == ["a", "b"]


async def test_a_batch_that_finds_no_room_tells_everybody_and_stores_nothing_of_what_failed(
    database: Database,
) -> None:
    def limit(connection: Connection) -> None:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + 3}")

    await database.write(limit)
    works = [partial(add, name=name) for name in ("a", "b" * 200_000, "c")]
    ends = await asyncio.gather(*map(database.write, works), return_exceptions=True)
    assert isinstance(ends[1], DatabaseError)
    stored = [work.keywords["name"] for work, end in zip(works, ends, strict=True) if end is None]
    assert await database.read(names) == stored  # whoever was told that it is kept finds it, and nobody else


async def test_a_caller_that_is_cancelled_while_it_waits_for_its_turn_stores_nothing(database: Database) -> None:
    async with database.turn():
        waiting = asyncio.create_task(database.write(add), context=contextvars.Context())
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    assert await database.read(names) == []
    await database.write(add)


async def test_settled_gives_the_result_or_the_error_where_nobody_cancels() -> None:
    loop = asyncio.get_running_loop()
    done: asyncio.Future[int] = loop.create_future()
    done.set_result(3)
    assert await settled(done) == 3
    failed: asyncio.Future[int] = loop.create_future()
    failed.set_exception(ValueError("its own"))
    with pytest.raises(ValueError, match="its own"):
        await settled(failed)


async def test_many_writers_queue_up(database: Database) -> None:
    await asyncio.gather(*(database.write(lambda connection, i=i: add(connection, f"{i:03}")) for i in range(200)))
    assert await database.read(names) == [f"{i:03}" for i in range(200)]


@pytest.mark.parametrize("how", ["transaction", "checkpoint"])
async def test_a_writer_waits_for_another_process_and_then_succeeds(database: Database, process: Any, how: str) -> None:
    await database.write(lambda connection: connection.exec_driver_sql("PRAGMA busy_timeout = 100"))
    holder = process(HOLD_LOCK, file_of(database), 2)
    assert holder.stdout.readline() == "held\n"
    loop = asyncio.get_running_loop()
    start = loop.time()
    if how == "transaction":
        await database.write(add)
        assert await database.read(names) == ["x"]
    else:
        config: Any = {"configurable": {"thread_id": "t", "checkpoint_ns": "", "checkpoint_id": "1"}}
        await database.checkpointer.aput_writes(config, [("x", 1)], "t")
    assert loop.time() - start > 1  # many tries, each longer than the timeout of one


@pytest.mark.parametrize("how", ["transaction", "checkpoint"])
async def test_beyond_the_patience_the_database_is_locked_and_readers_do_not_care(
    database: Database, process: Any, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(hops, "PATIENCE_S", 0.2)
    await database.write(lambda connection: connection.exec_driver_sql("PRAGMA busy_timeout = 50"))
    holder = process(HOLD_LOCK, file_of(database), 60)
    assert holder.stdout.readline() == "held\n"
    ran: list[str] = []
    config: Any = {"configurable": {"thread_id": "t", "checkpoint_ns": "", "checkpoint_id": "1"}}
    saver = database.checkpointer
    with pytest.raises(DatabaseLocked, match=r"squad\.db: another process holds the database's write lock"):
        await (
            database.write(lambda _: ran.append("work"))
            if how == "transaction"
            else saver.aput_writes(config, [("x", 1)], "t")
        )
    assert ran == []
    assert await database.read(names) == []
    holder.stdin.close()
    holder.wait()
    await database.write(add)
    assert await database.read(names) == ["x"]


async def test_a_full_disk_is_named_and_leaves_no_half_of_a_step(database: Database, execution: Any) -> None:
    def limit(connection: Connection, more: int | None = None) -> None:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one() + (more or 0)
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages if more is not None else 1_000_000_000}")

    def step(connection: Connection) -> None:
        effects = Effects()
        effects.log("short", "fits")
        text = "y" * 200_000
        effects.messages.append(Message(sender="pm", type=MessageType.STATUS_UPDATE, content=text))
        apply_move(connection, Move(execution_id=execution.id, from_state="pending", to_state="analyzing"), effects)

    def counts(connection: Connection) -> list[Any]:
        counted = [connection.execute(text(f"SELECT count(*) FROM {one}")).scalar() for one in ("logs", "messages")]  # noqa: S608
        status = connection.execute(text("SELECT status FROM executions")).scalar()
        return [*counted, len(load_transitions(connection, execution.id)), status]

    await database.write(lambda connection: limit(connection, 3))
    with pytest.raises(DatabaseError, match="disk or the database is full; nothing of this step was stored") as raised:
        await database.write(step)
    assert type(raised.value) is DatabaseError
    assert await database.read(counts) == [0, 0, 0, "pending"]
    config: Any = {"configurable": {"thread_id": "t", "checkpoint_ns": "", "checkpoint_id": "1"}}
    with pytest.raises(DatabaseError, match="full"):
        await database.checkpointer.aput_writes(config, [("x", 1), ("y", "y" * 200_000)], "t")
    assert await database.read(lambda c: c.execute(text("SELECT count(*) FROM writes")).scalar()) == 0
    await database.write(limit)
    await database.write(step)
    assert await database.read(counts) == [1, 2, 1, "analyzing"]


async def test_a_closed_database_says_that_it_is(memory_database: Database) -> None:
    await memory_database.close()
    for use in (memory_database.read, memory_database.write):
        with pytest.raises(DatabaseError, match="the database in memory is closed"):
            await use(names)


async def test_closing_waits_for_what_is_being_written(database: Database) -> None:
    started, may_end = threading.Event(), threading.Event()

    def slow(connection: Connection) -> None:
        started.set()
        assert may_end.wait(30)
        add(connection, "kept")

    writing = asyncio.create_task(database.write(slow))
    await asyncio.to_thread(started.wait, 30)
    closing = asyncio.create_task(database.close())
    await asyncio.sleep(0)
    may_end.set()
    await asyncio.gather(writing, closing)
    async with await Database.open(file_of(database)) as again:
        assert await again.read(names) == ["kept"]
