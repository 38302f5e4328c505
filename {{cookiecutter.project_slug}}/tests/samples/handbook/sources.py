"""Five documents."""

from pathlib import Path

from app.sdk import Folder

HERE = Path(__file__).parent
SOURCES = [Folder(name="handbook", folder=HERE / "documents", readers_file=HERE / "readers.toml")]
