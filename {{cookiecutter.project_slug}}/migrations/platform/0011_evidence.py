"""What a turn's searches looked at, and since when a document has its readers."""

from pathlib import Path

from alembic import op

revision = "platform_0011"
down_revision = "platform_0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the SQL beside this file."""
    op.execute(Path(__file__).with_suffix(".sql").read_text())


def downgrade() -> None:
    """Take it back."""
    op.execute(Path(__file__).with_name("0011_evidence_down.sql").read_text())
