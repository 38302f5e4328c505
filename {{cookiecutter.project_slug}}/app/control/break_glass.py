"""The break-glass: a setting and a file, each of which pauses everything without database, Redis or flag server."""

import asyncio
from pathlib import Path


class BreakGlass:
    """Says whether it is broken: `paused` as long as the process lives, the `file` as long as it is there."""

    def __init__(self, *, paused: bool = False, file: str = "") -> None:
        self._paused, self._file = paused, Path(file) if file else None
        self._is_there = self._file is not None and _exists(self._file, before=False)

    @property
    def why(self) -> str:
        """Say why everything is paused; "" when it is not."""
        if self._paused:
            return "paused by APP_PAUSED"
        return f"paused by the file {self._file}" if self._is_there else ""

    async def look(self) -> bool:
        """Look for the file again; says whether that changed anything. A disk that does not answer changes nothing."""
        if self._file is None:
            return False
        # In a thread: a network disk that hangs must not hang the process.
        found = await asyncio.to_thread(_exists, self._file, before=self._is_there)
        has_changed, self._is_there = found != self._is_there, found
        return has_changed


def _exists(file: Path, *, before: bool) -> bool:
    try:
        return file.exists()
    except OSError:
        return before
