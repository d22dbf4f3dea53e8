"""How long the search among a squad's past tasks takes: 100,000 tasks of one squad beside those of another.

``make bench-memory``; ``ARGS="--tasks 10000"`` for fewer. The texts are random words, as often as words are in a
language, so that the common ones are in almost every task; the vectors are random too.
"""

import argparse
import asyncio
import random
import statistics
import struct
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from langchain_core.embeddings import Embeddings
from sqlalchemy import Connection, insert, update

from agents.memory import Recall
from agents.memory.vectors import Vectors
from delegation import Squad
from persistence import Database, DatabasePastTasks, insert_squad
from persistence.base import table, utc_now
from persistence.tables import ExecutionRow, TaskRow

WORDS = 20_000
SEARCHES = 40
DIMENSIONS = 256


class Words:
    """Texts of made-up words; the n-th most common one is about 1/n as frequent as the first."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - no secret
        syllables = [a + b for a in "bdfgklmnprstvz" for b in "aeiou"]
        self._words = ["".join(self._random.choices(syllables, k=3)) + str(i % 9) for i in range(WORDS)]
        self._weights = list(accumulate(1 / (rank + 3) for rank in range(WORDS)))

    def text(self, words: int) -> str:
        """Return so many words."""
        return " ".join(self._random.choices(self._words, cum_weights=self._weights, k=words))


def fill(connection: Connection, squad_id: UUID, count: int, words: Words) -> None:
    """Store tasks with executions that end, so that the database remembers them as it does everywhere."""
    insert_squad(connection, squad_id, Squad.default())
    now = utc_now()
    for first in range(0, count, 5_000):
        ids = [uuid4() for _ in range(min(5_000, count - first))]
        made = {"acceptance_criteria": [], "priority": "normal", "labels": [], "created_at": now}
        tasks = [made | {"id": one, "title": words.text(7), "description": words.text(60)} for one in ids]
        connection.execute(insert(table(TaskRow)), tasks)
        run = {"squad_id": squad_id, "status": "testing", "seq": 7, "started_at": now, "updated_at": now}
        run |= {"lease_epoch": 0, "result": {"summary": "all subtasks delivered"}}
        rows = [run | {"id": uuid4(), "task_id": one, "thread_id": str(one)} for one in ids]
        connection.execute(insert(table(ExecutionRow)), rows)
    mine = table(ExecutionRow).c.squad_id == squad_id
    connection.execute(update(table(ExecutionRow)).where(mine).values(status="completed", ended_at=now))


class RandomEmbeddings(Embeddings):
    """A model whose vectors mean nothing and cost nothing, so that what is timed is the search."""

    model = "random"

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return a vector for each text."""
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        """Return a vector that the text decides."""
        chance = random.Random(text)  # noqa: S311 - no secret
        return [chance.gauss(0, 1) for _ in range(DIMENSIONS)]


async def keep_vectors(past: DatabasePastTasks, squad_id: UUID, name: str) -> None:
    """Store a vector for each past task."""
    chance = random.Random(2)  # noqa: S311 - no secret
    while lacking := await past.without_vectors(squad_id, name, limit=5_000):
        await past.keep_vectors(squad_id, name, {one: _random_bytes(chance) for one, _ in lacking})


def _random_bytes(chance: random.Random) -> bytes:
    return struct.pack(f"<{DIMENSIONS}f", *(chance.uniform(-0.1, 0.1) for _ in range(DIMENSIONS)))


class Times(NamedTuple):
    """How long each search took in milliseconds: by the clock, and of the processor."""

    wall: list[float]
    cpu: list[float]


async def timed(search: Callable[[str], Awaitable[Any]], queries: Sequence[str]) -> Times:
    """Return how long each search took; on a machine that is busy, the processor's time says more."""
    times = Times([], [])
    for query in queries:
        wall, cpu = time.perf_counter(), time.process_time()
        await search(query)
        times.wall.append((time.perf_counter() - wall) * 1e3)
        times.cpu.append((time.process_time() - cpu) * 1e3)
    return times


def told(what: str, times: Times) -> str:
    """Return a line with the figures."""
    p95 = [statistics.quantiles(one, n=20)[-1] for one in times]
    p50 = [statistics.median(one) for one in times]
    return f"  {what:<34} p50 {p50[0]:6.1f} ms   p95 {p95[0]:6.1f}   processor p50 {p50[1]:6.1f}   p95 {p95[1]:6.1f}"


async def measure(file: Path, count: int) -> None:
    """Fill a database, search it, and print how long that took."""
    words, squad_id = Words(1), uuid4()
    async with await Database.open(str(file)) as database:
        begun = time.perf_counter()
        for one, tasks in ((squad_id, count), (uuid4(), count // 5)):
            await database.write(lambda connection, one=one, tasks=tasks: fill(connection, one, tasks, words))
        print(f"{count:,} past tasks of a squad, stored in {time.perf_counter() - begun:.0f} s")
        past = DatabasePastTasks(database)
        await past.find(squad_id, words.text(7))
        for what, length in (("a title of 7 words", 7), ("a title and 60 words", 67), ("one word", 1)):
            queries = [words.text(length) for _ in range(SEARCHES)]
            print(told(f"text, {what}", await timed(lambda query: past.find(squad_id, query), queries)))
        recall, vectors = Recall(past), Vectors(past, RandomEmbeddings())
        queries = [words.text(7) for _ in range(SEARCHES)]
        print(told("text, and what was found is read", await timed(lambda q: recall.similar(squad_id, q), queries)))
        await keep_vectors(past, squad_id, vectors.name)
        begun = time.perf_counter()
        await vectors.nearest(squad_id, "first", limit=30)
        print(f"  vectors of {DIMENSIONS}, read into memory once in {time.perf_counter() - begun:.1f} s")
        near = await timed(lambda query: vectors.nearest(squad_id, query, limit=30), queries)
        print(told("vectors", near))


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=100_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(Path(folder) / "memory.db", options.tasks))


if __name__ == "__main__":
    main()
