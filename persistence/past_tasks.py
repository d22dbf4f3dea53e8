"""What a squad's earlier tasks were and how they ended: found by their words, and by vectors where there are any.

Every statement here names the squad: its tasks are a range of numbers, and nothing outside of it is looked at.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, bindparam, exists, func, select, text
from sqlalchemy.dialects.sqlite import insert as upsert

from delegation import PastTask
from persistence.base import UtcDateTime, table, utc_now
from persistence.database import Database
from persistence.full_text import Range, search_words
from persistence.memory_tables import SHELF, PastTaskRow, ShelfRow, VectorRow

__all__ = ["DatabasePastTasks"]

_row, _shelf, _vector = table(PastTaskRow), table(ShelfRow), table(VectorRow)

_LESSONS = text(
    "SELECT group_concat(json_extract(value, '$.text'), char(10)) FROM memories"
    " WHERE namespace = :namespace AND (expires_at IS NULL OR expires_at > :now)"
).bindparams(bindparam("now", type_=UtcDateTime()))
_OF_SQUAD = select(_shelf.c.number).where(_shelf.c.squad_id == bindparam("squad"))
_KNOWN = select(_row).where(_row.c.squad_id == bindparam("squad"), _row.c.id.in_(bindparam("ids", expanding=True)))
_VECTORS = (
    select(_vector.c.id, _vector.c.past_task_id, _vector.c.vector)
    .where(_vector.c.squad_id == bindparam("squad"), _vector.c.model == bindparam("model"))
    .where(_vector.c.id > bindparam("after"))
    .order_by(_vector.c.id)
    .limit(bindparam("most"))
)


class DatabasePastTasks:
    """Finds what is similar among the past tasks of one squad."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, squad_id: UUID, words: str, *, limit: int = 10) -> list[int]:
        """Return the numbers of the squad's past tasks that share words with a text, the most similar first.

        Nothing but this squad's tasks is looked at; how rare a word is, in ranking, counts over all squads' tasks.
        """

        def search(connection: Connection) -> list[int]:
            rows = _range_of(connection, squad_id)
            return search_words(connection, rows, words, limit) if rows else []

        return await self._database.read(search)

    async def get(self, squad_id: UUID, ids: Sequence[int]) -> list[PastTask]:
        """Return the squad's past tasks of these numbers, in their order; others are left out."""

        def look(connection: Connection) -> list[PastTask]:
            found = {one.id: one for one in connection.execute(_KNOWN, {"squad": squad_id, "ids": list(ids)})}
            return [_told(connection, found[one]) for one in ids if one in found]

        return await self._database.read(look) if ids else []

    async def newest(self, squad_id: UUID) -> int:
        """Return the highest number of the squad's past tasks; 0 where it has none."""
        query = select(func.max(_row.c.id)).where(_row.c.squad_id == squad_id)
        return int(await self._database.read(lambda connection: connection.execute(query).scalar()) or 0)

    async def without_vectors(self, squad_id: UUID, model: str, *, after: int = 0, limit: int) -> list[tuple[int, str]]:
        """Return number and text of later past tasks that the model has given no vector yet, newest first."""
        has_one = exists().where(_vector.c.past_task_id == _row.c.id, _vector.c.model == model)
        query = select(_row.c.id, _row.c.title, _row.c.body, _row.c.summary)
        query = (
            query.where(_row.c.squad_id == squad_id, _row.c.id > after, ~has_one)
            .order_by(_row.c.id.desc())
            .limit(limit)
        )
        found = await self._database.read(lambda connection: connection.execute(query).all())
        return [(one.id, "\n".join([one.title, one.body, one.summary])) for one in found]

    async def keep_vectors(self, squad_id: UUID, model: str, vectors: Mapping[int, bytes]) -> None:
        """Store what a model made of past tasks; of one that is gone meanwhile, nothing."""

        def store(connection: Connection) -> None:
            known = {one.id for one in connection.execute(_KNOWN, {"squad": squad_id, "ids": list(vectors)})}
            rows = [
                {"past_task_id": one, "squad_id": squad_id, "model": model, "vector": vectors[one]}
                for one in vectors
                if one in known
            ]
            if rows:
                connection.execute(upsert(_vector).on_conflict_do_nothing(), rows)

        await self._database.write(store)

    async def vectors(self, squad_id: UUID, model: str, *, after: int, limit: int) -> list[tuple[int, int, bytes]]:
        """Return vectors that were stored after the one of that number: its own number, its past task's, its bytes."""
        values = {"squad": squad_id, "model": model, "after": after, "most": limit}
        found = await self._database.read(lambda connection: connection.execute(_VECTORS, values).all())
        return [(one.id, one.past_task_id, one.vector) for one in found]


def _range_of(connection: Connection, squad_id: UUID) -> Range | None:
    number = connection.execute(_OF_SQUAD, {"squad": squad_id}).scalar()
    return None if number is None else Range(number * SHELF, (number + 1) * SHELF - 1)


def _told(connection: Connection, row: Any) -> PastTask:
    """Return a past task with the lessons that live still."""
    namespace = f"squads.{row.squad_id.hex}.lessons.{row.execution_id.hex}"
    learnt = connection.execute(_LESSONS, {"namespace": namespace, "now": utc_now()}).scalar()
    return PastTask(
        id=row.id,
        execution_id=row.execution_id,
        title=row.title,
        status=row.status,
        summary=row.summary,
        learnt=learnt or "",
        ended_at=row.ended_at,
    )
