"""A turn's two trips to the database: in (session and money, both or neither), and out (everything it left)."""

from pathlib import Path

from alembic import op

revision = "platform_0006"
down_revision = "platform_0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the SQL beside this file."""
    op.execute(Path(__file__).with_suffix(".sql").read_text())


def downgrade() -> None:
    """Take it back."""
    op.execute(Path(__file__).with_name("0006_hot_path_down.sql").read_text())
