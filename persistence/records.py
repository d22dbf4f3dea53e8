"""What the database knows of an execution, read in one transaction, so that all of it is of one moment."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from typing import Any, Self
from uuid import UUID

from sqlalchemy import Connection, Row, Select, bindparam, func, select

from delegation import Gate, MessageType, NotFound, OutcomeStatus, Squad, Task
from persistence.base import Base, as_dict, table
from persistence.model_calls import ModelUsage, load_usage
from persistence.requests import next_request
from persistence.services import member_of, task_of
from persistence.tables import (
    AssignmentRow,
    ExecutionRow,
    GateRow,
    JournalRow,
    LogRow,
    MemberRow,
    MessageRow,
    OutcomeRow,
    SquadRow,
    TaskRow,
    TransitionRow,
)
from persistence.work import outcome_rows

__all__ = [
    "Assigned",
    "Dossier",
    "Facts",
    "TransitionLog",
    "load_assignments",
    "load_dossier",
    "load_execution",
    "load_facts",
    "load_gates",
    "load_log",
    "load_logs",
    "load_move",
    "load_progress",
    "load_record",
    "load_shared",
    "load_transition",
    "load_transitions",
]


@dataclass(frozen=True)
class Facts:
    """What does not change while an execution runs: its task and its squad."""

    task_id: UUID
    squad_id: UUID
    task: Task
    squad: Squad
    squad_at: datetime
    """When the squad was stored: its members' hours count from then."""

    def there(self, away: Collection[str]) -> Self:
        """Return the same with a squad of those alone who have not dropped out, which may be nobody."""
        left = [member for member in self.squad.members if member.id not in away]
        return replace(self, squad=self.squad.model_copy(update={"members": left})) if away else self


@dataclass(frozen=True)
class Assigned:
    """The assignment in force for a subtask."""

    subtask_id: str
    member_id: str
    start: float
    finish: float
    started_at: datetime | None
    at: datetime | None = None
    """When it was given, which its hours count from; not known of the oldest ones."""


@dataclass(frozen=True)
class Dossier:
    """Everything about one execution that a summary tells, in the order in which it happened."""

    execution: Row[Any]
    facts: Facts
    transitions: Sequence[Row[Any]]
    assignments: dict[str, Assigned]
    outcomes: Sequence[Row[Any]]
    gates: list[Gate]
    usage: list[ModelUsage]
    """What models' answers took; empty where none was to be asked."""


def load_execution(connection: Connection, execution_id: UUID) -> Row[Any]:
    """Return the execution's row; NotFound where there is none."""
    row = connection.execute(_of_execution(ExecutionRow), {"execution": execution_id}).one_or_none()
    if row is None:
        raise NotFound(f"there is no execution {execution_id}", hint="`squad list` shows those that there are")
    return row


def load_facts(connection: Connection, execution: Row[Any]) -> Facts:
    """Return the task and the squad of an execution's row."""
    task = connection.execute(_by_id(TaskRow), {"key": execution.task_id}).one()
    stored = connection.execute(_by_id(SquadRow), {"key": execution.squad_id}).one()
    members = connection.execute(_members(), {"squad": execution.squad_id})
    squad = Squad(name=stored.name, members=[member_of(one) for one in members])
    return Facts(execution.task_id, execution.squad_id, task_of(task), squad, stored.created_at)


def load_move(connection: Connection, task_id: str, execution_id: UUID | None = None) -> Row[Any] | None:
    """Return the transition that the step of that LangGraph task id made, or None where it made none.

    A client that goes on from an older checkpoint may bring an id back for an execution of its own; so several
    executions may have one, and the newest is returned where none is named.
    """
    if execution_id is None:
        return connection.execute(_move(), {"task": task_id}).first()
    return connection.execute(_own_move(), {"task": task_id, "execution": execution_id}).one_or_none()


@dataclass(frozen=True)
class TransitionLog:
    """An execution's row with all of its transitions, and whether callers' requests are waiting."""

    row: Row[Any]
    moves: Sequence[Row[Any]]
    asked: bool


def load_log(connection: Connection, execution_id: UUID, row: Row[Any] | None = None) -> TransitionLog:
    """Return where the execution stands and how it came there."""
    row = row or load_execution(connection, execution_id)
    asked = next_request(connection, execution_id) is not None
    return TransitionLog(row, load_transitions(connection, execution_id), asked)


def load_record(connection: Connection, task_id: str, key: str) -> dict[str, Any] | None:
    """Return what a step left in the journal under that key, or None."""
    record: dict[str, Any] | None = connection.execute(_record(), {"task": task_id, "name": key}).scalar()
    return record


def load_shared(connection: Connection, task_id: str, execution_id: UUID) -> list[dict[str, Any]]:
    """Return what steps of other executions left in the journal under that LangGraph task id, or under one made of it.

    Those are of a checkpoint that clients have gone back to: a fork's first step may come with its original's id.
    """
    row = table(JournalRow)
    same = (row.c.task_id == task_id) | row.c.task_id.startswith(f"{task_id}:", autoescape=True)
    return list(connection.execute(select(row.c.record).where(same, row.c.execution_id != execution_id)).scalars())


def load_transition(connection: Connection, execution_id: UUID, seq: int) -> Row[Any] | None:
    """Return one transition, or None."""
    return connection.execute(_transition(), {"execution": execution_id, "number": seq}).one_or_none()


def load_transitions(connection: Connection, execution_id: UUID, after: int = 0) -> Sequence[Row[Any]]:
    """Return the transitions with a number above ``after``, in order."""
    return connection.execute(_transitions(), {"execution": execution_id, "after": after}).all()


def load_assignments(connection: Connection, execution_id: UUID) -> dict[str, Assigned]:
    """Return the assignment in force for each subtask that has one."""
    rows = connection.execute(_of_execution(AssignmentRow, "turn"), {"execution": execution_id})
    return {
        one.subtask_id: Assigned(one.subtask_id, one.member_id, one.start, one.finish, one.started_at, one.at)
        for one in rows
    }


def load_gates(connection: Connection, execution_id: UUID) -> list[Gate]:
    """Return the execution's gates in the order in which they were opened."""
    rows = connection.execute(_of_execution(GateRow, "position"), {"execution": execution_id})
    return [Gate.model_validate(as_dict(one)) for one in rows]


def load_progress(connection: Connection, execution_id: UUID) -> dict[str, Any]:
    """Return the figures that progress tells besides the row's own: messages, subtasks in all and done."""
    execution = load_execution(connection, execution_id)
    message, outcome = table(MessageRow), table(OutcomeRow)
    messages = select(func.count()).where(message.c.execution_id == execution_id)
    newest = select(outcome.c.subtask_id, func.max(outcome.c.turn).label("turn"))
    of_plan = (outcome.c.execution_id == execution_id, outcome.c.round >= _since(connection, execution_id))
    newest_turn = newest.where(*of_plan).group_by(outcome.c.subtask_id).subquery()
    done = (
        select(func.count())
        .select_from(outcome)
        .join(
            newest_turn,
            (outcome.c.subtask_id == newest_turn.c.subtask_id) & (outcome.c.turn == newest_turn.c.turn),
        )
        .where(outcome.c.execution_id == execution_id, outcome.c.status == OutcomeStatus.DONE.value)
    )
    return {
        "execution": execution,
        "message_count": connection.execute(messages).scalar_one(),
        "last_standup": connection.execute(_last_standup(), {"execution": execution_id}).scalar(),
        "subtasks_done": connection.execute(done).scalar_one(),
        "subtasks_total": len((execution.plan or {}).get("subtasks", [])),
        "usage": _usage_of(connection, execution),
    }


def _since(connection: Connection, execution_id: UUID) -> int:
    """Return the round in which the present plan was made: what was worked for an earlier one counts for nothing."""
    row = table(TransitionRow)
    since = row.c.delta["since"].as_integer()
    query = select(since).where(row.c.execution_id == execution_id, since.is_not(None))
    return connection.execute(query.order_by(row.c.seq.desc()).limit(1)).scalar() or 1


def load_dossier(connection: Connection, execution_id: UUID) -> Dossier:
    """Return everything that a summary tells."""
    execution = load_execution(connection, execution_id)
    return Dossier(
        execution=execution,
        facts=load_facts(connection, execution),
        transitions=load_transitions(connection, execution_id),
        assignments=load_assignments(connection, execution_id),
        outcomes=outcome_rows(connection, execution_id),
        gates=load_gates(connection, execution_id),
        usage=_usage_of(connection, execution),
    )


def _usage_of(connection: Connection, execution: Row[Any]) -> list[ModelUsage]:
    """Return what an execution's models took; one that never chose any is not looked up."""
    chose = (execution.settings or {}).keys() & {"model", "models"}
    return load_usage(connection, execution.id) if chose else []


def load_logs(connection: Connection, execution_id: UUID) -> Sequence[Row[Any]]:
    """Return the audit log, oldest first."""
    return connection.execute(_of_execution(LogRow, "id"), {"execution": execution_id}).all()


# Statements, each built once: building one costs more than running it.


@cache
def _of_execution(model: type[Base], *order: str) -> Select[Any]:
    row = table(model)
    key = row.c.id if model is ExecutionRow else row.c.execution_id
    return select(row).where(key == bindparam("execution")).order_by(*(row.c[name] for name in order))


@cache
def _last_standup() -> Select[Any]:
    row = table(MessageRow)
    mine = (row.c.execution_id == bindparam("execution"), row.c.type == MessageType.STANDUP.value)
    return select(row.c.content).where(*mine).order_by(row.c.position.desc()).limit(1)


@cache
def _by_id(model: type[Base]) -> Select[Any]:
    return select(table(model)).where(table(model).c.id == bindparam("key"))


@cache
def _members() -> Select[Any]:
    row = table(MemberRow)
    return select(row).where(row.c.squad_id == bindparam("squad")).order_by(row.c.position)


@cache
def _move() -> Select[Any]:
    row = table(TransitionRow)
    return select(row).where(row.c.task_id == bindparam("task")).order_by(row.c.at.desc()).limit(1)


@cache
def _own_move() -> Select[Any]:
    row = table(TransitionRow)
    return select(row).where(row.c.task_id == bindparam("task"), row.c.execution_id == bindparam("execution"))


@cache
def _transition() -> Select[Any]:
    row = table(TransitionRow)
    return select(row).where(row.c.execution_id == bindparam("execution"), row.c.seq == bindparam("number"))


@cache
def _record() -> Select[Any]:
    row = table(JournalRow)
    return select(row.c.record).where(row.c.task_id == bindparam("task"), row.c.key == bindparam("name"))


@cache
def _transitions() -> Select[Any]:
    row = table(TransitionRow)
    mine = (row.c.execution_id == bindparam("execution"), row.c.seq > bindparam("after"))
    return select(row).where(*mine).order_by(row.c.seq)
