"""An index on refusals alone, so that opening a board reads them and not the outcomes of every round before."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    refused = sa.text("status = 'refused'")
    op.create_index("ix_outcomes_refused", "outcomes", ["execution_id"], sqlite_where=refused, postgresql_where=refused)


def downgrade() -> None:
    op.drop_index("ix_outcomes_refused", "outcomes")
