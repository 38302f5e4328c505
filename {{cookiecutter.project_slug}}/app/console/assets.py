"""Style sheet and scripts: addressed by the hash of their content, so that browsers keep them until they change."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "static"
TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as it is sent."""

    body: bytes
    media_type: str
    version: str


def _read(path: Path) -> Asset:
    body = path.read_bytes()
    return Asset(body, TYPES[path.suffix], hashlib.sha256(body).hexdigest()[:12])


# Read once: a name that is not in here does not exist, so no path can lead out of the folder.
ASSETS = {path.name: _read(path) for path in sorted(FOLDER.iterdir()) if path.suffix in TYPES}


def address(name: str) -> str:
    """Give the address of a file, which changes with its content."""
    return f"/static/{name}?v={ASSETS[name].version}"
