"""What durability and human gates need: settings and fingerprints, deadlines, intents, the outbox, a guarded log."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_JSON = sa.JSON(none_as_null=True)

_COLUMNS: dict[str, list[sa.Column[Any]]] = {
    "executions": [
        sa.Column("settings", _JSON),
        sa.Column("fingerprint", _JSON),
        sa.Column("pruned_at", sa.DateTime()),
    ],
    "assignments": [sa.Column("at", sa.DateTime())],
    "members": [sa.Column("leave", _JSON)],
    "gates": [
        sa.Column("subject", sa.Text()),
        sa.Column("default_answer", _JSON),
        sa.Column("remind_at", sa.DateTime()),
        sa.Column("reminded_at", sa.DateTime()),
        sa.Column("overdue_at", sa.DateTime()),
    ],
}

# The log's shape, guarded by the database itself: no gap, nothing after the end, nothing changed or removed.
_GUARDS = {
    "transitions_follow": """
        BEFORE INSERT ON transitions BEGIN
            SELECT RAISE(ABORT, 'the log has a gap: a transition must have the next number')
            WHERE NEW.seq <> (
                SELECT coalesce(max(seq), 0) + 1 FROM transitions WHERE execution_id = NEW.execution_id
            );
            SELECT RAISE(ABORT, 'the log has ended: nothing follows a terminal transition')
            WHERE EXISTS (
                SELECT 1 FROM transitions
                WHERE execution_id = NEW.execution_id AND seq = NEW.seq - 1 AND to_state IN ('completed', 'failed')
            );
        END""",
    "transitions_stay": """
        BEFORE UPDATE ON transitions BEGIN SELECT RAISE(ABORT, 'a logged transition is never changed'); END""",
    "transitions_remain": """
        BEFORE DELETE ON transitions BEGIN SELECT RAISE(ABORT, 'a logged transition is never removed'); END""",
    "logs_stay": """
        BEFORE UPDATE ON logs BEGIN SELECT RAISE(ABORT, 'a logged line is never changed'); END""",
    "logs_remain": """
        BEFORE DELETE ON logs BEGIN SELECT RAISE(ABORT, 'a logged line is never removed'); END""",
}


def upgrade() -> None:
    for table, columns in _COLUMNS.items():
        for column in columns:
            op.add_column(table, column)
    op.create_table(
        "intents",
        sa.Column("execution_id", sa.Uuid(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("result", _JSON),
        sa.Column("error", sa.Text()),
        sa.Column("started_at", sa.DateTime(), nullable=False),
        sa.Column("ended_at", sa.DateTime()),
        sa.CheckConstraint("status IN ('started', 'done')", name=op.f("ck_intents_status")),
        sa.ForeignKeyConstraint(["execution_id"], ["executions.id"], name=op.f("fk_intents_execution_id")),
        sa.PrimaryKeyConstraint("execution_id", "scope", "name", name=op.f("pk_intents")),
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("gate_id", sa.Uuid(), nullable=False),
        sa.Column("event", sa.String(length=16), nullable=False),
        sa.Column("sink", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.DateTime(), nullable=False),
        sa.Column("error", sa.Text()),
        sa.Column("sent_at", sa.DateTime()),
        sa.Column("given_up_at", sa.DateTime()),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["gate_id"], ["gates.id"], name=op.f("fk_outbox_gate_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        sa.UniqueConstraint("gate_id", "event", "sink", name=op.f("uq_outbox_gate_id_event_sink")),
    )
    for name, rule in _GUARDS.items():
        op.execute(f"CREATE TRIGGER {name} {rule}")


def downgrade() -> None:
    for name in _GUARDS:
        op.execute(f"DROP TRIGGER {name}")
    op.drop_table("outbox")
    op.drop_table("intents")
    for table, columns in _COLUMNS.items():
        for column in columns:
            op.drop_column(table, column.name)
