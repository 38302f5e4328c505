"""The queue of reviews: kinds, deadlines, who has taken one, and the seal of what was approved."""

from pathlib import Path

from alembic import op

revision = "platform_0021"
down_revision = "platform_0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the SQL beside this file."""
    op.execute(Path(__file__).with_suffix(".sql").read_text())


def downgrade() -> None:
    """Take it back."""
    op.execute(Path(__file__).with_name("0021_reviews_down.sql").read_text())
