"""When a plan was changed while it was worked, and who has dropped out of an execution."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("executions", sa.Column("amended_at", sa.Integer(), nullable=True))
    op.add_column("executions", sa.Column("away", sa.JSON(), nullable=True))


def downgrade() -> None:
    op.drop_column("executions", "away")
    op.drop_column("executions", "amended_at")
