"""A squad may be erased: its log, which is never removed otherwise, goes with it."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_ERASED = """
    SELECT 1 FROM erasures JOIN executions ON executions.squad_id = erasures.squad_id
    WHERE executions.id = OLD.execution_id"""
_REMAIN = {
    "transitions_remain": ("transitions", "a logged transition is never removed"),
    "logs_remain": ("logs", "a logged line is never removed"),
}


def upgrade() -> None:
    op.create_table(
        "erasures",
        sa.Column("squad_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("squad_id", name=op.f("pk_erasures")),
    )
    _guard(f"WHEN NOT EXISTS ({_ERASED})")


def downgrade() -> None:
    _guard("")
    op.drop_table("erasures")


def _guard(when: str) -> None:
    for name, (table, why) in _REMAIN.items():
        op.execute(f"DROP TRIGGER {name}")
        op.execute(f"CREATE TRIGGER {name} BEFORE DELETE ON {table} {when} BEGIN SELECT RAISE(ABORT, '{why}'); END")
