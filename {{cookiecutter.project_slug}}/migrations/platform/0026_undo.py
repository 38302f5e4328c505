"""A change of a flag can be taken back with all that it changed."""

from pathlib import Path

from alembic import op

revision = "platform_0026"
down_revision = "platform_0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the SQL beside this file."""
    op.execute(Path(__file__).with_suffix(".sql").read_text())


def downgrade() -> None:
    """Take it back."""
    op.execute(Path(__file__).with_name("0026_undo_down.sql").read_text())
