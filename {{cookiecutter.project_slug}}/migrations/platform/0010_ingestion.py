"""What a source lists, kept until it is read; the version of each document at its source."""

from pathlib import Path

from alembic import op

revision = "platform_0010"
down_revision = "platform_0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the SQL beside this file."""
    op.execute(Path(__file__).with_suffix(".sql").read_text())


def downgrade() -> None:
    """Take it back."""
    op.execute(Path(__file__).with_name("0010_ingestion_down.sql").read_text())
