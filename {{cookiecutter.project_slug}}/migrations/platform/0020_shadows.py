"""Shadow runs with a budget of their own, comparisons of candidates, and captured cases."""

from pathlib import Path

from alembic import op

revision = "platform_0020"
down_revision = "platform_0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the SQL beside this file."""
    op.execute(Path(__file__).with_suffix(".sql").read_text())


def downgrade() -> None:
    """Take it back."""
    op.execute(Path(__file__).with_name("0020_shadows_down.sql").read_text())
