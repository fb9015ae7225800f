"""Webhooks: what comes by an incoming one is said by a bot of its own."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # No foreign key: SQLite cannot add one without making the table anew; rows of users stay.
    op.add_column("webhooks", sa.Column("bot_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite")))


def downgrade() -> None:
    op.drop_column("webhooks", "bot_id")
