"""The tables. Everything but the checkpointer's own two is here.

Each table's docstring says what one row is. Times are stored in UTC; identifiers are UUIDs.
"""

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from persistence.base import OPEN, REFUSED, Base, state_check, utc_now

__all__ = [
    "AssignmentRow",
    "ExecutionRow",
    "FactRow",
    "GateRow",
    "IntentRow",
    "JournalRow",
    "LogRow",
    "MemberRow",
    "MessageRow",
    "OutboxRow",
    "OutcomeRow",
    "RequestRow",
    "SquadRow",
    "TaskRow",
    "TransitionRow",
]


class SquadRow(Base):
    """A squad."""

    __tablename__ = "squads"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    name: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    members: Mapped[list["MemberRow"]] = relationship(lazy="selectin", order_by="MemberRow.position")


class MemberRow(Base):
    """A member; its id is unique within its squad."""

    __tablename__ = "members"

    squad_id: Mapped[UUID] = mapped_column(ForeignKey("squads.id", ondelete="CASCADE"), primary_key=True)
    id: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int]
    name: Mapped[str]
    role: Mapped[str]
    skills: Mapped[dict[str, Any]]
    capacity: Mapped[int]
    available_from: Mapped[float]
    specialisation: Mapped[str | None]
    leave: Mapped[list[Any] | None]


class TaskRow(Base):
    """A task in a person's words."""

    __tablename__ = "tasks"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    title: Mapped[str]
    description: Mapped[str]
    acceptance_criteria: Mapped[list[Any]]
    priority: Mapped[str]
    labels: Mapped[list[Any]]
    deadline: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class ExecutionRow(Base):
    """One run of a task through the lifecycle: the row that leads, and the lease of whoever drives it.

    ``seq`` is the number of the last transition. ``origin_state`` is where a blocked execution came from.
    ``lease_epoch`` grows with each new driver, so that a late commit of an old one finds no row to change. ``settings``
    are the run's that were chosen when it began, and ``fingerprint`` is of the graph that it began under.
    ``pruned_at`` says that its checkpoints and its journal are gone. ``amended_at`` is the number of the transition
    after which the plan was last changed; the next one tells the thread. ``away`` is who has dropped out, and why.
    """

    __tablename__ = "executions"
    __table_args__ = (
        state_check("status", "status"),
        Index("uq_executions_open_task", "task_id", unique=True, sqlite_where=OPEN, postgresql_where=OPEN),
        Index("uq_executions_open_thread", "thread_id", unique=True, sqlite_where=OPEN, postgresql_where=OPEN),
        Index("ix_executions_open_squad", "squad_id", sqlite_where=OPEN, postgresql_where=OPEN),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    task_id: Mapped[UUID] = mapped_column(ForeignKey("tasks.id"), index=True)
    squad_id: Mapped[UUID] = mapped_column(ForeignKey("squads.id"), index=True)
    thread_id: Mapped[str] = mapped_column(index=True)
    status: Mapped[str] = mapped_column(String(16), default="pending")
    seq: Mapped[int] = mapped_column(default=0)
    origin_state: Mapped[str | None] = mapped_column(String(16))
    blocked_at: Mapped[datetime | None]
    plan: Mapped[dict[str, Any] | None]
    requirements: Mapped[dict[str, Any] | None]
    result: Mapped[dict[str, Any] | None]
    error_message: Mapped[str | None]
    started_at: Mapped[datetime] = mapped_column(default=utc_now)
    updated_at: Mapped[datetime] = mapped_column(default=utc_now)
    ended_at: Mapped[datetime | None]
    forked_from: Mapped[UUID | None]
    forked_at: Mapped[int | None]
    lease_owner: Mapped[str | None]
    lease_until: Mapped[datetime | None]
    lease_epoch: Mapped[int] = mapped_column(default=0)
    settings: Mapped[dict[str, Any] | None]
    fingerprint: Mapped[dict[str, Any] | None]
    pruned_at: Mapped[datetime | None]
    amended_at: Mapped[int | None]
    away: Mapped[dict[str, Any] | None]


class TransitionRow(Base):
    """One move of the lifecycle, with what it changed in the working state: the log rebuilds the thread.

    Under ``task_id``, LangGraph's id of the step that made it, it is also the step's record in the journal.
    """

    __tablename__ = "transitions"
    __table_args__ = (state_check("from_state", "from_state"), state_check("to_state", "to_state"))

    execution_id: Mapped[UUID] = mapped_column(ForeignKey("executions.id"), primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    from_state: Mapped[str] = mapped_column(String(16))
    to_state: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str | None]
    details: Mapped[dict[str, Any]] = mapped_column("metadata")
    delta: Mapped[dict[str, Any]]
    task_id: Mapped[str | None] = mapped_column(index=True)
    checkpoint_id: Mapped[str | None]
    at: Mapped[datetime] = mapped_column(default=utc_now)


class LogRow(Base):
    """One line of the audit log."""

    __tablename__ = "logs"

    id: Mapped[int] = mapped_column(primary_key=True)
    execution_id: Mapped[UUID] = mapped_column(ForeignKey("executions.id"), index=True)
    event: Mapped[str]
    text: Mapped[str]
    data: Mapped[dict[str, Any]]
    at: Mapped[datetime] = mapped_column(default=utc_now)


class MessageRow(Base):
    """One message; ``position`` is the order in which messages were stored."""

    __tablename__ = "messages"

    position: Mapped[int] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(unique=True)
    execution_id: Mapped[UUID | None] = mapped_column(ForeignKey("executions.id"), index=True)
    sender: Mapped[str]
    recipient: Mapped[str | None]
    type: Mapped[str]
    content: Mapped[str]
    details: Mapped[dict[str, Any]] = mapped_column("metadata")
    at: Mapped[datetime] = mapped_column(default=utc_now)


class AssignmentRow(Base):
    """Who was given a subtask, and when that was meant to start and end; the highest turn is in force."""

    __tablename__ = "assignments"

    execution_id: Mapped[UUID] = mapped_column(ForeignKey("executions.id"), primary_key=True)
    subtask_id: Mapped[str] = mapped_column(primary_key=True)
    turn: Mapped[int] = mapped_column(primary_key=True)
    member_id: Mapped[str]
    start: Mapped[float]
    finish: Mapped[float]
    reason: Mapped[str | None]
    started_at: Mapped[datetime | None]
    at: Mapped[datetime | None] = mapped_column(default=utc_now)


class OutcomeRow(Base):
    """How one piece of work on a subtask ended; ``round`` counts the board's openings after a rework."""

    __tablename__ = "outcomes"
    __table_args__ = (Index("ix_outcomes_refused", "execution_id", sqlite_where=REFUSED, postgresql_where=REFUSED),)

    execution_id: Mapped[UUID] = mapped_column(ForeignKey("executions.id"), primary_key=True)
    subtask_id: Mapped[str] = mapped_column(primary_key=True)
    turn: Mapped[int] = mapped_column(primary_key=True)
    round: Mapped[int]
    member_id: Mapped[str]
    status: Mapped[str] = mapped_column(String(16))
    note: Mapped[str]
    deliverable: Mapped[dict[str, Any] | None]
    started_at: Mapped[datetime]
    at: Mapped[datetime] = mapped_column(default=utc_now)


class GateRow(Base):
    """One question to a human, and the answer once there is one.

    ``subject`` is the hash of what it is about, such as the plan to be approved. ``default_answer`` is taken at the
    deadline. ``reminded_at`` and ``overdue_at`` are when the reminder and the deadline were served.
    """

    __tablename__ = "gates"
    __table_args__ = (CheckConstraint("status IN ('open', 'answered', 'withdrawn')", name="status"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    execution_id: Mapped[UUID] = mapped_column(ForeignKey("executions.id"), index=True)
    position: Mapped[int]
    kind: Mapped[str] = mapped_column(String(16))
    question: Mapped[str]
    reason: Mapped[str]
    details: Mapped[str]
    attempted_solutions: Mapped[list[Any]]
    extra: Mapped[dict[str, Any]] = mapped_column("metadata")
    origin_state: Mapped[str] = mapped_column(String(16))
    subtask_id: Mapped[str | None]
    next_state: Mapped[str | None] = mapped_column(String(16))
    allowed: Mapped[list[Any]]
    subject: Mapped[str | None]
    deadline: Mapped[datetime | None]
    default_answer: Mapped[dict[str, Any] | None]
    remind_at: Mapped[datetime | None]
    reminded_at: Mapped[datetime | None]
    overdue_at: Mapped[datetime | None]
    status: Mapped[str] = mapped_column(String(16), default="open")
    answer: Mapped[dict[str, Any] | None]
    opened_at: Mapped[datetime] = mapped_column(default=utc_now)
    closed_at: Mapped[datetime | None]


class JournalRow(Base):
    """What a step recorded under its LangGraph task id besides a transition, so that it never acts twice.

    ``key`` tells apart what one task does several times, such as taking one answer after another.
    """

    __tablename__ = "journal"

    task_id: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    execution_id: Mapped[UUID] = mapped_column(ForeignKey("executions.id"), index=True)
    record: Mapped[dict[str, Any]]
    at: Mapped[datetime] = mapped_column(default=utc_now)


class IntentRow(Base):
    """An outside effect that a step is about to have, written before it begins.

    ``scope`` is the step: a state with its transition's number, or a subtask with its round. One that was started and
    never ended is in doubt: nobody knows whether it happened.
    """

    __tablename__ = "intents"
    __table_args__ = (CheckConstraint("status IN ('started', 'done')", name="status"),)

    execution_id: Mapped[UUID] = mapped_column(ForeignKey("executions.id"), primary_key=True)
    scope: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    status: Mapped[str] = mapped_column(String(16), default="started")
    result: Mapped[dict[str, Any] | None]
    error: Mapped[str | None]
    started_at: Mapped[datetime] = mapped_column(default=utc_now)
    ended_at: Mapped[datetime | None]


class OutboxRow(Base):
    """One notification of a gate on its way to one sink, which is known here by its name and never by its URL.

    ``event`` is what is told of the gate: opened, reminder or overdue. ``due_at`` is when the next attempt is due.
    """

    __tablename__ = "outbox"
    __table_args__ = (UniqueConstraint("gate_id", "event", "sink"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    gate_id: Mapped[UUID] = mapped_column(ForeignKey("gates.id"))
    event: Mapped[str] = mapped_column(String(16))
    sink: Mapped[str]
    attempts: Mapped[int] = mapped_column(default=0)
    due_at: Mapped[datetime] = mapped_column(default=utc_now)
    error: Mapped[str | None]
    sent_at: Mapped[datetime | None]
    given_up_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class FactRow(Base):
    """One fact that a member remembers of an execution; ``position`` is the order in which facts were first stored."""

    __tablename__ = "facts"

    execution_id: Mapped[UUID] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int]
    value: Mapped[dict[str, Any]]


class RequestRow(Base):
    """A wish that a caller left for whoever drives the execution; honoured in the order of ``id``, once."""

    __tablename__ = "requests"

    id: Mapped[int] = mapped_column(primary_key=True)
    execution_id: Mapped[UUID] = mapped_column(ForeignKey("executions.id"), index=True)
    kind: Mapped[str]
    payload: Mapped[dict[str, Any]]
    status: Mapped[str] = mapped_column(String(16), default="open")
    outcome: Mapped[dict[str, Any] | None]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    closed_at: Mapped[datetime | None]
