"""What models answered, and what their answers took."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Insert, Select, Update, bindparam, func, insert, select, update

from persistence.base import table, utc_now
from persistence.model_tables import ModelCallRow
from persistence.tables import JournalRow

__all__ = ["ModelUsage", "carry_on", "context_journal", "keep_answer", "load_answers", "load_usage"]


@dataclass(frozen=True)
class ModelUsage:
    """What the calls of one model took in all, in tokens."""

    model: str
    calls: int
    input_tokens: int
    output_tokens: int


def load_answers(connection: Connection, execution_id: UUID, piece: str) -> dict[str, dict[str, Any]]:
    """Return the answers that were kept for a step or a piece of work, by key."""
    rows = connection.execute(_answers(), {"execution": execution_id, "of": piece})
    return {row.key: row.answer for row in rows if row.answer is not None}


def keep_answer(
    connection: Connection, execution_id: UUID, piece: str, key: str, answer: Mapping[str, Any], usage: ModelUsage
) -> None:
    """Store an answer, and what it took."""
    values = {
        "execution_id": execution_id,
        "piece": piece,
        "key": key,
        "model": usage.model,
        "answer": dict(answer),
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "at": utc_now(),
    }
    connection.execute(_keep(), values)


def context_journal(execution_id: UUID, piece: str) -> str:
    """Return what the journal knows the contexts by that were told for a step or a piece of work."""
    return f"context:{execution_id}:{piece}"


def carry_on(connection: Connection, execution_id: UUID, piece: str, to: str) -> None:
    """Give the answers and contexts that were kept for a step to another one, which goes on where it stopped."""
    connection.execute(_carry(), {"execution": execution_id, "of": piece, "to": to})
    told = {"of": context_journal(execution_id, piece), "to": context_journal(execution_id, to)}
    connection.execute(_carry_contexts(), told)


def load_usage(connection: Connection, execution_id: UUID) -> list[ModelUsage]:
    """Return what the execution's calls took, by model."""
    return [ModelUsage(*row) for row in connection.execute(_usage(), {"execution": execution_id})]


@cache
def _answers() -> Select[Any]:
    row = table(ModelCallRow)
    mine = (row.c.execution_id == bindparam("execution"), row.c.piece == bindparam("of"))
    return select(row.c.key, row.c.answer).where(*mine).order_by(row.c.id)


@cache
def _keep() -> Insert:
    return insert(table(ModelCallRow))


@cache
def _carry() -> Update:
    row = table(ModelCallRow)
    mine = (row.c.execution_id == bindparam("execution"), row.c.piece == bindparam("of"))
    return update(row).where(*mine).values(piece=bindparam("to"))


@cache
def _carry_contexts() -> Update:
    row = table(JournalRow)
    return update(row).where(row.c.task_id == bindparam("of")).values(task_id=bindparam("to"))


@cache
def _usage() -> Select[Any]:
    row = table(ModelCallRow)
    sums = (func.count(), func.sum(row.c.input_tokens), func.sum(row.c.output_tokens))
    return (
        select(row.c.model, *sums)
        .where(row.c.execution_id == bindparam("execution"))
        .group_by(row.c.model)
        .order_by(row.c.model)
    )
