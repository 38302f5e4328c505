"""The documents of the sample use case; where it was not kept, the five of the tests."""

from pathlib import Path

from app.sdk import Folder

ROOT = Path(__file__).parents[3]
SAMPLE = ROOT / "usecases" / "policy_answers" / "sample"
HERE = SAMPLE if SAMPLE.exists() else ROOT / "tests" / "samples" / "handbook"

SOURCES = [Folder(name="handbook", folder=HERE / "documents", readers_file=HERE / "readers.toml")]
