"""Five documents."""

from pathlib import Path

from app.sdk import Source

HERE = Path(__file__).parent
SOURCES = [Source(name="handbook", folder=HERE / "documents", readers_file=HERE / "readers.toml")]
