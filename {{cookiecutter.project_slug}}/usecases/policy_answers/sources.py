"""Where the documents come from, and who may read each."""

from pathlib import Path

from app.sdk import Source

SAMPLE = Path(__file__).parent / "sample"

SOURCES = [Source(name="handbook", folder=SAMPLE / "documents", readers_file=SAMPLE / "readers.toml")]
