"""A lock on a folder that the kernel drops with its holder, so that a crash leaves none behind."""

import fcntl
import os
from pathlib import Path

from ops.local.errors import InUse

NOTE_BYTES = 4096


class Lock:
    """The lock file `name` in `folder`; it holds a note about the holder."""

    def __init__(self, folder: Path, name: str = "owner.lock") -> None:
        """Nothing is locked yet."""
        self._folder, self._name = folder, name
        self._file: int | None = None

    @property
    def held(self) -> bool:
        """True between take and release."""
        return self._file is not None

    def take(self) -> None:
        """Hold the lock, with our process id as the note; raises InUse when another process has it."""
        if self._file is not None:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        file = os.open(self._folder / self._name, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            owner = os.read(file, NOTE_BYTES).decode(errors="replace").strip()
            os.close(file)
            raise InUse(self._folder, owner) from None
        self._file = file
        self.note(str(os.getpid()))

    def note(self, text: str) -> None:
        """Replace what others read about us while we hold the lock."""
        if self._file is not None:
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, text.encode(), 0)

    def release(self) -> None:
        """Let others have it; twice is no error."""
        if self._file is not None:
            os.close(self._file)
        self._file = None
