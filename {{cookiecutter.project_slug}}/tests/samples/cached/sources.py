"""Four documents."""

from pathlib import Path

from app.sdk import Source

HERE = Path(__file__).parent
SOURCES = [Source(name="cached", folder=HERE / "documents", readers_file=HERE / "readers.toml")]
