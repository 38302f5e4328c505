"""Where the documents come from, and who may read each."""

from pathlib import Path

from app.sdk import Folder

SAMPLE = Path(__file__).parent / "sample"

SOURCES = [Folder(name="handbook", folder=SAMPLE / "documents", readers_file=SAMPLE / "readers.toml")]
