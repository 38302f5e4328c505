"""Spaces of embedding models side by side: how each is made, what was embedded before, and what it cost."""

from pathlib import Path

from alembic import op

revision = "platform_0009"
down_revision = "platform_0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the SQL beside this file."""
    op.execute(Path(__file__).with_suffix(".sql").read_text())


def downgrade() -> None:
    """Take it back."""
    op.execute(Path(__file__).with_name("0009_embeddings_down.sql").read_text())
