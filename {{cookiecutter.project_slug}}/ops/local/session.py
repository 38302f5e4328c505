"""What one `up` leaves for others to find: its lock, and the file with the addresses."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

from ops.local.errors import InUse, LocalError
from ops.local.keeper import keeper
from ops.local.lock import Lock


class AlreadyUp(LocalError):
    """Another `up` runs on the same folder."""


class Session:
    """The claim of one `up` on the local folder."""

    def __init__(self, folder: Path) -> None:
        """Nothing is claimed yet."""
        self.addresses = folder / "engines.env"
        self._lock = Lock(folder / "run", "up.lock")

    def claim(self) -> None:
        """Take the folder; raises AlreadyUp saying where the other one is."""
        try:
            self._lock.take()
        except InUse as taken:
            raise AlreadyUp(_where(taken.owner)) from None

    def publish(self, values: Mapping[str, str]) -> None:
        """Write the addresses at once and whole: a reader sees all of them or none."""
        new = self.addresses.with_suffix(".new")
        new.touch(mode=0o600)
        new.write_text("".join(f"{key}={value}\n" for key, value in values.items()))
        new.replace(self.addresses)
        keeper.remove(self.addresses)
        self._lock.note(json.dumps({"pid": os.getpid(), "url": values["APP_URL"]}))

    def end(self) -> None:
        """Withdraw the addresses and the claim."""
        self.addresses.unlink(missing_ok=True)
        keeper.spare(self.addresses)
        self._lock.release()


def _where(owner: str) -> str:
    try:
        note = json.loads(owner)
        return f"already up: process {note['pid']}, {note['url']}"
    except (ValueError, TypeError, KeyError):
        return f"already starting: process {owner}"
