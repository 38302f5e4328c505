"""The documents of the tests' handbook."""

from pathlib import Path

from app.sdk import Folder

HANDBOOK = Path(__file__).parents[4] / "tests" / "samples" / "handbook"
SOURCES = [Folder(name="handbook", folder=HANDBOOK / "documents", readers_file=HANDBOOK / "readers.toml")]
