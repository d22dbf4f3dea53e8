"""Messages in the database: the store behind the message bus."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, insert, or_, select
from sqlalchemy.exc import IntegrityError

from delegation import Message, MessageType, NotFound
from persistence.base import as_dict, table
from persistence.database import Database
from persistence.effects import message_values
from persistence.tables import ExecutionRow, MessageRow

__all__ = ["DatabaseMessageStore"]


class DatabaseMessageStore:
    """Stores messages that are sent outside a step, and reads all of them back in the order of storing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def append(self, messages: Sequence[Message]) -> None:
        """Store messages in one transaction.

        Raises:
            NotFound: one belongs to an execution that is not there.
        """
        rows = [message_values(message) for message in messages]
        if not rows:
            return
        try:
            await self._database.write(lambda connection: connection.execute(insert(table(MessageRow)), rows))
        except IntegrityError:
            ids = {message.execution_id for message in messages if message.execution_id}
            known = select(table(ExecutionRow).c.id).where(table(ExecutionRow).c.id.in_(ids))
            missing = ids - await self._database.read(lambda connection: set(connection.execute(known).scalars()))
            if not missing:
                raise
            raise NotFound(f"there is no execution {min(missing)}: nothing was sent") from None

    async def load(
        self,
        execution_id: UUID | None = None,
        *,
        member: str | None = None,
        since: datetime | None = None,
        types: Collection[MessageType] | None = None,
        limit: int | None = None,
    ) -> list[Message]:
        """Return messages, oldest first; ``limit`` keeps the newest. ``member`` is a recipient, broadcasts included."""
        row = table(MessageRow)
        query = select(row).order_by(row.c.position.desc()).limit(limit)
        if execution_id is not None:
            query = query.where(row.c.execution_id == execution_id)
        if member is not None:
            query = query.where(or_(row.c.recipient == member, row.c.recipient.is_(None)))
        if since is not None:
            query = query.where(row.c.at >= since)
        if types is not None:
            query = query.where(row.c.type.in_([kind.value for kind in types]))

        def fetch(connection: Connection) -> Sequence[Row[Any]]:
            return connection.execute(query).all()

        return [Message.model_validate(as_dict(one)) for one in reversed(await self._database.read(fetch))]
