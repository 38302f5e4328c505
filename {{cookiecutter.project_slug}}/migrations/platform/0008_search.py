"""Hybrid search: spaces of vectors, languages, and the functions that find what the asker may read."""

from pathlib import Path

from alembic import op

revision = "platform_0008"
down_revision = "platform_0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the two files of SQL beside this one."""
    for name in ("0008_search.sql", "0008_search_functions.sql"):
        op.execute(Path(__file__).with_name(name).read_text())


def downgrade() -> None:
    """Take it back."""
    op.execute(Path(__file__).with_name("0008_search_down.sql").read_text())
