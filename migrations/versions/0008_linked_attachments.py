"""Attachments: those that are elsewhere, as a link."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("attachments", sa.Column("link", sa.Text()))


def downgrade() -> None:
    # Without it they would be files that have no bytes.
    op.execute("DELETE FROM attachments WHERE link IS NOT NULL")
    op.drop_column("attachments", "link")
