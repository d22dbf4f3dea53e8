"""What members remember, in the database: the store behind the context manager."""

from typing import Any
from uuid import UUID

from sqlalchemy import Connection, func, insert, select, update

from persistence.base import table
from persistence.database import Database
from persistence.tables import FactRow

__all__ = ["DatabaseContextStore"]


class DatabaseContextStore:
    """Keeps named facts, execution by execution, for as long as the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, execution_id: UUID, key: str, value: Any) -> None:
        """Store the fact, in place of an earlier one of that name; the value must be plain JSON."""
        row = table(FactRow)
        mine = row.c.execution_id == execution_id

        def store(connection: Connection) -> None:
            kept = {"value": value}
            if connection.execute(update(row).where(mine, row.c.key == key).values(value=kept)).rowcount:
                return
            last = connection.execute(select(func.max(row.c.position)).where(mine)).scalar() or 0
            values = {"execution_id": execution_id, "key": key, "position": last + 1, "value": kept}
            connection.execute(insert(row), values)

        await self._database.write(store)

    async def get(self, execution_id: UUID) -> dict[str, Any]:
        """Return all facts of the execution by name, in the order in which they were first stored."""
        row = table(FactRow)
        query = select(row.c.key, row.c.value).where(row.c.execution_id == execution_id).order_by(row.c.position)
        found = await self._database.read(lambda connection: connection.execute(query).all())
        return {one.key: one.value["value"] for one in found}
