"""Turns are found by their words, their outcome and their time."""

from pathlib import Path

from alembic import op

revision = "platform_0023"
down_revision = "platform_0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the SQL beside this file."""
    op.execute(Path(__file__).with_suffix(".sql").read_text())


def downgrade() -> None:
    """Take it back."""
    op.execute(Path(__file__).with_name("0023_turn_search_down.sql").read_text())
