"""Events to other systems: webhooks, events, deliveries."""

from pathlib import Path

from alembic import op

revision = "platform_0022"
down_revision = "platform_0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the SQL beside this file."""
    op.execute(Path(__file__).with_suffix(".sql").read_text())


def downgrade() -> None:
    """Take it back."""
    op.execute(Path(__file__).with_name("0022_events_down.sql").read_text())
