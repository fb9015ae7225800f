"""Search: the index of what was said, and how far it is in each channel."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# Merging what was added waits for `storage/search_sqlite.py`, which does a little of it with each step:
# done by itself it was measured to keep the one writer for tens of milliseconds at a time.
ADD_INDEX = {
    "sqlite": (
        """
        CREATE VIRTUAL TABLE search_index
        USING fts5(words, channel, tokenize = 'unicode61 remove_diacritics 2')
        """,
        "INSERT INTO search_index (search_index, rank) VALUES ('automerge', 0)",
        "INSERT INTO search_index (search_index, rank) VALUES ('crisismerge', 64)",
    ),
    "postgresql": (
        """
        CREATE TABLE search_index (
            message_id bigint NOT NULL,
            words tsvector NOT NULL,
            CONSTRAINT pk_search_index PRIMARY KEY (message_id),
            CONSTRAINT fk_search_index_message_id_messages
                FOREIGN KEY (message_id) REFERENCES messages (id) ON DELETE CASCADE
        )
        """,
        "CREATE INDEX ix_search_index_words ON search_index USING gin (words)",
    ),
}


def big_integer() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "search_positions",
        sa.Column(
            "channel_id",
            big_integer(),
            sa.ForeignKey("channels.id", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("seq", big_integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sqlite_with_rowid=False,
    )
    for statement in ADD_INDEX[op.get_context().dialect.name]:
        op.execute(statement)


def downgrade() -> None:
    op.drop_table("search_index")
    op.drop_table("search_positions")
