"""The tables of what squads remember.

Past tasks are written and indexed by the database itself, through triggers: ``past_tasks_text`` is an FTS5 table over
their texts, so that ending an execution costs a step no further statement, and no index lags behind its table.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from persistence.base import Base, utc_now

__all__ = ["SHELF", "ErasureRow", "MemoryRow", "PastTaskRow", "ShelfRow", "VectorRow"]

SHELF = 2**32
"""How many numbers each squad's shelf has for its past tasks."""


class ShelfRow(Base):
    """A squad's part of the numbers of past tasks, from ``number * SHELF`` on.

    So a squad's tasks are a range of numbers, and a search for words looks at nothing outside of it. A number is never
    given to another squad, also where this one has been erased.
    """

    __tablename__ = "shelves"
    __table_args__ = {"sqlite_autoincrement": True}

    number: Mapped[int] = mapped_column(primary_key=True)
    squad_id: Mapped[UUID] = mapped_column(unique=True)


class PastTaskRow(Base):
    """A task whose execution has ended; a trigger writes it in the transaction that ends the execution."""

    __tablename__ = "past_tasks"

    id: Mapped[int] = mapped_column(primary_key=True)
    squad_id: Mapped[UUID] = mapped_column(index=True)
    execution_id: Mapped[UUID] = mapped_column(ForeignKey("executions.id"), unique=True)
    status: Mapped[str] = mapped_column(String(16))
    title: Mapped[str]
    body: Mapped[str]
    summary: Mapped[str]
    learnt: Mapped[str]
    ended_at: Mapped[datetime]


class VectorRow(Base):
    """A past task's meaning, as one model of embeddings gives it: little-endian 32-bit floats of length 1."""

    __tablename__ = "vectors"
    __table_args__ = (
        UniqueConstraint("past_task_id", "model"),
        Index(None, "squad_id", "model", "id"),
        {"sqlite_autoincrement": True},  # whoever has read up to a number misses nothing that comes later
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    past_task_id: Mapped[int] = mapped_column(ForeignKey("past_tasks.id", ondelete="CASCADE"))
    squad_id: Mapped[UUID]
    model: Mapped[str]
    vector: Mapped[bytes] = mapped_column(LargeBinary)


class MemoryRow(Base):
    """One item of the store that LangGraph's agents remember with; ``text`` is what a search for words looks at.

    ``ttl_minutes`` is how long it lives after it was last read or written, ``expires_at`` when that is over.
    """

    __tablename__ = "memories"
    __table_args__ = (UniqueConstraint("namespace", "key"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    namespace: Mapped[str]
    key: Mapped[str]
    value: Mapped[dict[str, Any]]
    text: Mapped[str]
    ttl_minutes: Mapped[float | None]
    expires_at: Mapped[datetime | None] = mapped_column(index=True)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    updated_at: Mapped[datetime] = mapped_column(default=utc_now)


class ErasureRow(Base):
    """That a squad was erased: all that is left of it. While it is written, the squad's log lets itself be removed."""

    __tablename__ = "erasures"

    squad_id: Mapped[UUID] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(default=utc_now)
