"""Who writes the right answer of a captured case does not accept it."""

from pathlib import Path

from alembic import op

revision = "platform_0027"
down_revision = "platform_0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the SQL beside this file."""
    op.execute(Path(__file__).with_suffix(".sql").read_text())


def downgrade() -> None:
    """Take it back."""
    op.execute(Path(__file__).with_name("0027_case_words_down.sql").read_text())
