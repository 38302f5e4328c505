"""Keys that fields with personal data are sealed with."""

from pathlib import Path

from alembic import op

revision = "platform_0014"
down_revision = "platform_0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the SQL beside this file."""
    op.execute(Path(__file__).with_suffix(".sql").read_text())


def downgrade() -> None:
    """Take it back."""
    op.execute(Path(__file__).with_name("0014_sealing_down.sql").read_text())
