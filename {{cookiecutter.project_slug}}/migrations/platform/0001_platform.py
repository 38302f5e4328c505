"""Every table of the platform, the two roles that use them, and row-level security on documents."""

from pathlib import Path

from alembic import op

revision = "platform_0001"
down_revision = None
branch_labels = ("platform",)
depends_on = None


def upgrade() -> None:
    """Run the SQL beside this file."""
    op.execute(Path(__file__).with_suffix(".sql").read_text())


def downgrade() -> None:
    """Remove everything; the two roles stay, as they belong to the whole server."""
    op.execute(Path(__file__).with_name("0001_platform_down.sql").read_text())
