"""What all tables stand on: the states as text, times with their zone, names for constraints."""

from datetime import UTC, datetime
from typing import Any, cast

from sqlalchemy import JSON, CheckConstraint, DateTime, MetaData, Row, Table, Text, TypeDecorator, text
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase

__all__ = ["FINAL_STATES", "OPEN", "REFUSED", "STATES", "Base", "as_dict", "state_check", "table", "utc_now"]

STATES = (
    "pending",
    "analyzing",
    "planning",
    "delegated",
    "in_progress",
    "reviewing",
    "testing",
    "completed",
    "blocked",
    "failed",
)
"""The states that a constraint lets in; a test holds them against the lifecycle's map."""

FINAL_STATES = ("completed", "failed")

OPEN = text("status NOT IN ('completed', 'failed')")
REFUSED = text("status = 'refused'")
"""Refusals among outcomes; in these words, so that their index is found."""


def utc_now() -> datetime:
    """Return the present time with its zone: the one clock that rows are stamped with."""
    return datetime.now(UTC)


class UtcDateTime(TypeDecorator[datetime]):
    """A point in time, stored without its zone in UTC and given back with it, on every database alike."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Turn an aware time into UTC; a naive one is taken as UTC."""
        return value if value is None or value.tzinfo is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give the zone back."""
        return value if value is None else value.replace(tzinfo=UTC)


class Base(DeclarativeBase):
    """The tables' common ground: names for constraints, and the types behind the annotations."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {
        datetime: UtcDateTime(),
        dict[str, Any]: JSON(none_as_null=True),
        list[Any]: JSON(none_as_null=True),
        str: Text(),
    }


def state_check(column: str, name: str) -> CheckConstraint:
    """Return the constraint that a column holds a state."""
    values = ", ".join(f"'{state}'" for state in STATES)
    return CheckConstraint(f"{column} IN ({values})", name=name)


def as_dict(row: Row[Any]) -> dict[str, Any]:
    """Return a row's columns by name."""
    return dict(row._mapping)  # noqa: SLF001 - its public name, underscored only so that it is no column's


def table(model: type[Base]) -> Table:
    """Return the table behind a model, for statements that run on a plain connection."""
    return cast("Table", model.__table__)
