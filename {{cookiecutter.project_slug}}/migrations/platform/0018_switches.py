"""Flags with a history, a type, and an end."""

from pathlib import Path

from alembic import op

revision = "platform_0018"
down_revision = "platform_0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the SQL beside this file."""
    op.execute(Path(__file__).with_suffix(".sql").read_text())


def downgrade() -> None:
    """Take it back."""
    op.execute(Path(__file__).with_name("0018_switches_down.sql").read_text())
