"""The tables of the first version."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "facts",
        sa.Column("execution_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("value", sa.JSON(none_as_null=True), nullable=False),
        sa.PrimaryKeyConstraint("execution_id", "key", name=op.f("pk_facts")),
    )
    op.create_table(
        "squads",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_squads")),
    )
    op.create_table(
        "tasks",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("acceptance_criteria", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("priority", sa.Text(), nullable=False),
        sa.Column("labels", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("deadline", sa.DateTime(), nullable=True),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tasks")),
    )
    op.create_table(
        "executions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("task_id", sa.Uuid(), nullable=False),
        sa.Column("squad_id", sa.Uuid(), nullable=False),
        sa.Column("thread_id", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("origin_state", sa.String(length=16), nullable=True),
        sa.Column("blocked_at", sa.DateTime(), nullable=True),
        sa.Column("plan", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("requirements", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("result", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("started_at", sa.DateTime(), nullable=False),
        sa.Column("updated_at", sa.DateTime(), nullable=False),
        sa.Column("ended_at", sa.DateTime(), nullable=True),
        sa.Column("forked_from", sa.Uuid(), nullable=True),
        sa.Column("forked_at", sa.Integer(), nullable=True),
        sa.Column("lease_owner", sa.Text(), nullable=True),
        sa.Column("lease_until", sa.DateTime(), nullable=True),
        sa.Column("lease_epoch", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "status IN ('pending', 'analyzing', 'planning', 'delegated', 'in_progress', 'reviewing', 'testing', 'completed', 'blocked', 'failed')",
            name=op.f("ck_executions_status"),
        ),
        sa.ForeignKeyConstraint(["squad_id"], ["squads.id"], name=op.f("fk_executions_squad_id")),
        sa.ForeignKeyConstraint(["task_id"], ["tasks.id"], name=op.f("fk_executions_task_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_executions")),
    )
    op.create_index(op.f("ix_executions_squad_id"), "executions", ["squad_id"], unique=False)
    op.create_index(op.f("ix_executions_task_id"), "executions", ["task_id"], unique=False)
    op.create_index(op.f("ix_executions_thread_id"), "executions", ["thread_id"], unique=False)
    op.create_index(
        "uq_executions_open_task",
        "executions",
        ["task_id"],
        unique=True,
        sqlite_where=sa.text("status NOT IN ('completed', 'failed')"),
        postgresql_where=sa.text("status NOT IN ('completed', 'failed')"),
    )
    op.create_index(
        "uq_executions_open_thread",
        "executions",
        ["thread_id"],
        unique=True,
        sqlite_where=sa.text("status NOT IN ('completed', 'failed')"),
        postgresql_where=sa.text("status NOT IN ('completed', 'failed')"),
    )
    op.create_table(
        "members",
        sa.Column("squad_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("skills", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("capacity", sa.Integer(), nullable=False),
        sa.Column("available_from", sa.Double(), nullable=False),
        sa.Column("specialisation", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["squad_id"], ["squads.id"], name=op.f("fk_members_squad_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("squad_id", "id", name=op.f("pk_members")),
    )
    op.create_table(
        "assignments",
        sa.Column("execution_id", sa.Uuid(), nullable=False),
        sa.Column("subtask_id", sa.Text(), nullable=False),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.Column("member_id", sa.Text(), nullable=False),
        sa.Column("start", sa.Double(), nullable=False),
        sa.Column("finish", sa.Double(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("started_at", sa.DateTime(), nullable=True),
        sa.ForeignKeyConstraint(["execution_id"], ["executions.id"], name=op.f("fk_assignments_execution_id")),
        sa.PrimaryKeyConstraint("execution_id", "subtask_id", "turn", name=op.f("pk_assignments")),
    )
    op.create_table(
        "gates",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("execution_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.Column("attempted_solutions", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("metadata", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("origin_state", sa.String(length=16), nullable=False),
        sa.Column("subtask_id", sa.Text(), nullable=True),
        sa.Column("next_state", sa.String(length=16), nullable=True),
        sa.Column("allowed", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("deadline", sa.DateTime(), nullable=True),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("answer", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("opened_at", sa.DateTime(), nullable=False),
        sa.Column("closed_at", sa.DateTime(), nullable=True),
        sa.CheckConstraint("status IN ('open', 'answered', 'withdrawn')", name=op.f("ck_gates_status")),
        sa.ForeignKeyConstraint(["execution_id"], ["executions.id"], name=op.f("fk_gates_execution_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gates")),
    )
    op.create_index(op.f("ix_gates_execution_id"), "gates", ["execution_id"], unique=False)
    op.create_table(
        "journal",
        sa.Column("task_id", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("execution_id", sa.Uuid(), nullable=False),
        sa.Column("record", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["execution_id"], ["executions.id"], name=op.f("fk_journal_execution_id")),
        sa.PrimaryKeyConstraint("task_id", "key", name=op.f("pk_journal")),
    )
    op.create_index(op.f("ix_journal_execution_id"), "journal", ["execution_id"], unique=False)
    op.create_table(
        "logs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("execution_id", sa.Uuid(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("data", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["execution_id"], ["executions.id"], name=op.f("fk_logs_execution_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_logs")),
    )
    op.create_index(op.f("ix_logs_execution_id"), "logs", ["execution_id"], unique=False)
    op.create_table(
        "messages",
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("execution_id", sa.Uuid(), nullable=True),
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("recipient", sa.Text(), nullable=True),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("metadata", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["execution_id"], ["executions.id"], name=op.f("fk_messages_execution_id")),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_messages")),
        sa.UniqueConstraint("id", name=op.f("uq_messages_id")),
    )
    op.create_index(op.f("ix_messages_execution_id"), "messages", ["execution_id"], unique=False)
    op.create_table(
        "outcomes",
        sa.Column("execution_id", sa.Uuid(), nullable=False),
        sa.Column("subtask_id", sa.Text(), nullable=False),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("member_id", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("deliverable", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("started_at", sa.DateTime(), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["execution_id"], ["executions.id"], name=op.f("fk_outcomes_execution_id")),
        sa.PrimaryKeyConstraint("execution_id", "subtask_id", "turn", name=op.f("pk_outcomes")),
    )
    op.create_table(
        "requests",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("execution_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("payload", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("outcome", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("closed_at", sa.DateTime(), nullable=True),
        sa.ForeignKeyConstraint(["execution_id"], ["executions.id"], name=op.f("fk_requests_execution_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_requests")),
    )
    op.create_index(op.f("ix_requests_execution_id"), "requests", ["execution_id"], unique=False)
    op.create_table(
        "transitions",
        sa.Column("execution_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("from_state", sa.String(length=16), nullable=False),
        sa.Column("to_state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("metadata", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("delta", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("task_id", sa.Text(), nullable=True),
        sa.Column("checkpoint_id", sa.Text(), nullable=True),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.CheckConstraint(
            "from_state IN ('pending', 'analyzing', 'planning', 'delegated', 'in_progress', 'reviewing', 'testing', 'completed', 'blocked', 'failed')",
            name=op.f("ck_transitions_from_state"),
        ),
        sa.CheckConstraint(
            "to_state IN ('pending', 'analyzing', 'planning', 'delegated', 'in_progress', 'reviewing', 'testing', 'completed', 'blocked', 'failed')",
            name=op.f("ck_transitions_to_state"),
        ),
        sa.ForeignKeyConstraint(["execution_id"], ["executions.id"], name=op.f("fk_transitions_execution_id")),
        sa.PrimaryKeyConstraint("execution_id", "seq", name=op.f("pk_transitions")),
    )
    op.create_index(op.f("ix_transitions_task_id"), "transitions", ["task_id"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_transitions_task_id"), table_name="transitions")
    op.drop_table("transitions")
    op.drop_index(op.f("ix_requests_execution_id"), table_name="requests")
    op.drop_table("requests")
    op.drop_table("outcomes")
    op.drop_index(op.f("ix_messages_execution_id"), table_name="messages")
    op.drop_table("messages")
    op.drop_index(op.f("ix_logs_execution_id"), table_name="logs")
    op.drop_table("logs")
    op.drop_index(op.f("ix_journal_execution_id"), table_name="journal")
    op.drop_table("journal")
    op.drop_index(op.f("ix_gates_execution_id"), table_name="gates")
    op.drop_table("gates")
    op.drop_table("assignments")
    op.drop_table("members")
    op.drop_index(
        "uq_executions_open_thread",
        table_name="executions",
        sqlite_where=sa.text("status NOT IN ('completed', 'failed')"),
        postgresql_where=sa.text("status NOT IN ('completed', 'failed')"),
    )
    op.drop_index(
        "uq_executions_open_task",
        table_name="executions",
        sqlite_where=sa.text("status NOT IN ('completed', 'failed')"),
        postgresql_where=sa.text("status NOT IN ('completed', 'failed')"),
    )
    op.drop_index(op.f("ix_executions_thread_id"), table_name="executions")
    op.drop_index(op.f("ix_executions_task_id"), table_name="executions")
    op.drop_index(op.f("ix_executions_squad_id"), table_name="executions")
    op.drop_table("executions")
    op.drop_table("tasks")
    op.drop_table("squads")
    op.drop_table("facts")
