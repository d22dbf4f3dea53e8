"""An index on a squad's open executions alone: who delegates work looks at those, and not at all that ever ended."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    still_open = sa.text("status NOT IN ('completed', 'failed')")
    op.create_index(
        "ix_executions_open_squad",
        "executions",
        ["squad_id"],
        sqlite_where=still_open,
        postgresql_where=still_open,
    )


def downgrade() -> None:
    op.drop_index("ix_executions_open_squad", "executions")
