"""Outbox: jobs of one lane are done one after another."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("outbox", sa.Column("lane", sa.String(255)))
    is_queued_in_lane = sa.text("lane IS NOT NULL AND state IN ('pending', 'sending')")
    op.create_index(
        "ix_outbox_lane_id",
        "outbox",
        ["lane", "id"],
        sqlite_where=is_queued_in_lane,
        postgresql_where=is_queued_in_lane,
    )


def downgrade() -> None:
    op.drop_index("ix_outbox_lane_id", "outbox")
    op.drop_column("outbox", "lane")
