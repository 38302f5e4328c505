"""A real PostgreSQL with pgvector in one folder, reached through a unix socket, as a plain child process."""

import hashlib
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from ops.local import cluster, processes
from ops.local.account import Account
from ops.local.errors import EngineError
from ops.local.keeper import keeper
from ops.local.lock import Lock

PORT = "5432"
# The kernel's limit is 104 (macOS) or 108 (Linux) bytes for the socket's whole path.
SOCKET_PATH_MAX = 100
START_S = 60.0
# PostgreSQL's names: "fast" rolls back and disconnects, "immediate" leaves the rest to the recovery.
FAST, IMMEDIATE = signal.SIGINT, signal.SIGQUIT
SETTINGS = {"listen_addresses": "", "max_connections": "200"}


class Postgres:
    """One PostgreSQL in `folder`; `url` is fixed by the folder, so it survives restarts."""

    def __init__(self, folder: Path, *, database: str = "app", settings: Mapping[str, str] | None = None) -> None:
        """Nothing starts yet; `settings` are PostgreSQL's own, for instance fsync=off in tests."""
        self.folder = Path(folder).resolve()
        self.data, self.log = self.folder / "data", self.folder / "postgres.log"
        self._name = "app-" + hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:12]
        self.socket = self._place_socket()
        self.url = f"postgresql://postgres@/{database}?host={quote(str(self.socket))}"
        self._database, self._settings = database, {**SETTINGS, **(settings or {})}
        self._child: subprocess.Popen[bytes] | None = None
        self._lock = Lock(self.folder)

    def __enter__(self) -> "Postgres":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int | None:
        """The postmaster's process id; None when it is down."""
        return self._child.pid if self._child is not None and self._child.poll() is None else None

    def is_running(self) -> bool:
        """True while the postmaster lives; it may still be starting."""
        return self.pid is not None

    def pids(self) -> list[int]:
        """The postmaster and its children, each its own process group (a drill that freezes must name them all)."""
        return [process.pid for process in processes.listing() if self._is_ours(process.command)]

    def start(self) -> None:
        """Return once it accepts connections and the database exists; after a crash this includes the recovery.

        Raises EngineError with the cause and the cure, InUse when another process runs it.
        """
        if self.is_running():
            return
        self._lock.take()
        try:
            # We hold the lock, so whoever still serves this folder lost its owner to a SIGKILL.
            processes.end(self.pids(), steps=[(FAST, 10.0), (signal.SIGKILL, 5.0)])
            account = cluster.lend_account(data=self.data, socket=self.socket)
            cluster.create(self.data, account=account, database=self._database)
            self._launch(account)
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """Disconnect everyone and shut down cleanly; kill what is left after 15 s."""
        if not self._lock.held:
            return
        for sign, grace_s in ((FAST, 10.0), (IMMEDIATE, 5.0)):
            if (pid := self.pid) is not None:
                processes.send(pid, sign)
                processes.wait_until(lambda: not self.is_running(), grace_s)
        self.kill()
        if self.socket.parent != self.folder:
            shutil.rmtree(self.socket, ignore_errors=True)

    def kill(self) -> None:
        """SIGKILL to all of it, as a power cut would; the next start recovers."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            keeper.forget(self._child.pid)
        if self._lock.held:
            processes.end(self.pids(), steps=[(signal.SIGKILL, 5.0)])
        self._child = None
        self._lock.release()

    def _place_socket(self) -> Path:
        inside = self.folder / "socket"
        # To libpq a comma separates hosts, and nothing quotes it.
        if len(os.fsencode(inside / f".s.PGSQL.{PORT}")) <= SOCKET_PATH_MAX and "," not in str(inside):
            return inside
        # Ours alone: made with mode 0700, and refused when somebody else made it.
        return Path("/tmp").resolve() / f"{self._name}-{os.geteuid()}"  # noqa: S108

    def _is_ours(self, command: str) -> bool:
        if command.startswith("postgres: "):
            return re.match(rf"postgres: {self._name}\b", command) is not None
        return f"/postgres -D {self.data} -p " in command

    def _launch(self, account: Account) -> None:
        command = [*account.bridge, str(cluster.programs() / "postgres"), "-D", str(self.data), "-p", PORT]
        # PostgreSQL reads a list here.
        socket = '"' + str(self.socket).replace('"', '""') + '"'
        options = {**self._settings, "unix_socket_directories": socket, "cluster_name": self._name}
        command += [word for key, value in options.items() for word in ("-c", f"{key}={value}")]
        with self.log.open("wb") as log:
            how = {"stdout": log, "stderr": log, "start_new_session": True, **account.arguments()}
            self._child = subprocess.Popen(command, stdin=subprocess.DEVNULL, cwd="/", env=cluster.environment(), **how)
        keeper.watch(self._child.pid, FAST, grace_s=10, rank=1)
        processes.wait_until(lambda: self._is_ready() or not self.is_running(), START_S)
        if not self._is_ready():
            said = "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])
            raise EngineError(f"PostgreSQL did not start; the end of {self.log}:\n{said}")

    def _is_ready(self) -> bool:
        try:
            lines = (self.data / "postmaster.pid").read_text().split("\n")
        except FileNotFoundError:
            return False
        return lines[0] == str(self.pid) and len(lines) > 7 and lines[7].strip() == "ready"
