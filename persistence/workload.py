"""What an execution's members have to do in the other open executions of their squad."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, Select, and_, bindparam, case, func, select

from persistence.base import OPEN, table
from persistence.lease import holder
from persistence.tables import AssignmentRow, ExecutionRow, OutcomeRow

__all__ = ["Elsewhere", "Given", "load_workload"]

_UNASSIGNED = ("pending", "analyzing", "planning")
"""The states in which there are no assignments, or those of a plan that is about to be replaced."""


@dataclass(frozen=True)
class Given:
    """An assignment in force whose work has not ended: hours from ``at``, when it was given, by today's estimate."""

    member_id: str
    start: float
    finish: float
    at: datetime
    started_at: datetime | None


@dataclass(frozen=True)
class Elsewhere:
    """What is left to do in one other execution, and whether anybody drives it."""

    given: list[Given]
    is_driven: bool


def load_workload(connection: Connection, execution_id: UUID) -> list[Elsewhere]:
    """Return what is left to do in the squad's other open executions, for each that has something left.

    It is the newest assignment of each subtask of the present plan. What ended since it was given, or was last begun,
    is left out, however it ended: what failed or waits for an answer keeps nobody busy.
    """
    found = connection.execute(_given(), {"execution": execution_id}).all()
    if not found:
        return []
    of: defaultdict[UUID, list[Row[Any]]] = defaultdict(list)
    for row in found:
        of[row.execution_id].append(row)
    planned = _planned(connection, list(of))
    elsewhere = [Elsewhere([*_left_of(rows, planned[one])], holder(rows[0]) is not None) for one, rows in of.items()]
    return [one for one in elsewhere if one.given]


def _planned(connection: Connection, execution_ids: Sequence[UUID]) -> dict[UUID, dict[str, float | None]]:
    """Return the hours of the present plan's subtasks by id: assignments of an earlier plan stay in the table."""
    rows = connection.execute(_plans(), {"executions": execution_ids})
    return {row.id: {one["id"]: one.get("effort") for one in (row.plan or {}).get("subtasks", [])} for row in rows}


def _left_of(rows: Iterable[Row[Any]], hours: Mapping[str, float | None]) -> Iterable[Given]:
    """Return what was given of the present plan, by its present estimates: what is at work keeps its row as it was."""
    for row in rows:
        if row.subtask_id in hours:
            effort = hours[row.subtask_id]
            finish = row.finish if effort is None else row.start + effort
            yield Given(row.member_id, row.start, finish, row.at, row.started_at)


# Statements, each built once: building one costs more than running it.


@cache
def _given() -> Select[Any]:
    execution, given, end = table(ExecutionRow), table(AssignmentRow), table(OutcomeRow)
    own, newer = execution.alias("own"), given.alias("newer")
    squad = select(own.c.squad_id).where(own.c.id == bindparam("execution")).scalar_subquery()
    same = (newer.c.execution_id == given.c.execution_id, newer.c.subtask_id == given.c.subtask_id)
    newest = select(func.max(newer.c.turn)).where(*same).scalar_subquery()
    has_ended = (
        select(end.c.turn)
        .where(end.c.execution_id == given.c.execution_id, end.c.subtask_id == given.c.subtask_id)
        .where(end.c.at >= func.max(given.c.at, func.coalesce(given.c.started_at, given.c.at)))
        .exists()
    )
    query = select(given, execution.c.lease_owner, execution.c.lease_until)
    query = query.join(execution, execution.c.id == given.c.execution_id)
    query = query.where(given.c.at.is_not(None))  # nobody knows from when the oldest ones' hours count
    # in these words, so that the index of open executions is found
    query = query.where(OPEN, execution.c.squad_id == squad, execution.c.id != bindparam("execution"))
    state = execution.c.status
    came_from = case((state == "blocked", execution.c.origin_state), else_=state)
    has_assignments = and_(*(came_from != one for one in _UNASSIGNED))  # a list would be expanded at each run
    return query.where(has_assignments, given.c.turn == newest, ~has_ended).order_by(given.c.execution_id, given.c.at)


@cache
def _plans() -> Select[Any]:
    row = table(ExecutionRow)
    return select(row.c.id, row.c.plan).where(row.c.id.in_(bindparam("executions", expanding=True)))
