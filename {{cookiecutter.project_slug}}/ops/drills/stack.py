"""A whole service to break: engines and parts as real processes, each of which can be killed and brought back."""

import os
import subprocess
import time
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

from ops.local.engines import Engines
from ops.local.parts import MIGRATE, PARTS, app
from ops.local.processes import free_port

EVERY = tuple(part.name for part in PARTS)
READY_S = 90.0
STOP_S = 20.0
SECRET = "of a drill, and long enough to sign with"  # noqa: S105 - the stack lives for minutes, on this machine


class Stack:
    """Engines, API, workers and beat in one folder; names of parts are those of `make up`, plus postgres and redis."""

    def __init__(self, folder: Path, env: Mapping[str, str] | None = None, *, parts: Sequence[str] = EVERY) -> None:
        self.folder = folder
        self.engines = Engines(folder / "engines", environ={})
        self._changes, self._parts = dict(env or {}), parts
        self.env: dict[str, str] = {}
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._port = 0

    @property
    def url(self) -> str:
        """Where the API listens."""
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start everything and wait until it is ready. Raises TimeoutError."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o755)
        self.engines.start()
        # Any: two stacks that start together would both choose the next free one above a number.
        self._port = free_port()
        ours = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "APP_", "OTEL_"))}
        self.env = {
            **ours,
            "DATABASE_URL": self.engines.database_url,
            "REDIS_URL": self.engines.redis_url,
            "APP_SECRET_KEY": SECRET,
            "APP_PORT": str(self._port),
            "APP_PUBLIC_URL": self.url,
            "APP_LOCAL_DIR": str(self.folder),
            "APP_MODEL_PROVIDER": "none",
            **self._changes,
        }
        subprocess.run(MIGRATE.argv, env=self.env, check=True, stdout=subprocess.DEVNULL)
        for name in self._parts:
            self.revive(name)
        self.wait_ready()

    def stop(self) -> None:
        """End everything."""
        for process in self._running.values():
            process.terminate()
        for name in list(self._running):
            try:
                self._running[name].wait(STOP_S)
            except subprocess.TimeoutExpired:
                self.kill(name)
        self.engines.stop()

    def kill(self, name: str) -> None:
        """Kill -9 a part with all its children, or an engine."""
        if name in ("postgres", "redis"):
            getattr(self.engines, name).kill()
            return
        process = self._running.pop(name)
        os.killpg(process.pid, 9)
        process.wait()

    def revive(self, name: str) -> None:
        """Start a part, or an engine, again: what a supervisor would do."""
        if name in ("postgres", "redis"):
            getattr(self.engines, name).start()
            return
        part = next(part for part in PARTS if part.name == name)
        with self.log(name).open("ab") as log:
            self._running[name] = subprocess.Popen(
                part.argv, env=self.env, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True
            )

    def roll(self, **changes: str) -> None:
        """Replace every part by one with these settings, as an orchestrator does: the new API first, then the rest.

        The API moves to another port; the old one answers what it was asked, and ends. Raises TimeoutError.
        """
        self.env.update(changes)
        old, port = self._running.pop("api"), free_port()
        self.env.update({"APP_PORT": str(port), "APP_PUBLIC_URL": f"http://127.0.0.1:{port}"})
        self.revive("api")
        self._await(f"http://127.0.0.1:{port}", READY_S)
        self._port = port
        old.terminate()
        for name in [name for name in self._running if name != "api"]:
            self._running[name].terminate()
            self._running[name].wait(STOP_S)
            self.revive(name)
        old.wait(STOP_S)

    def log(self, name: str) -> Path:
        """What a part has written."""
        return self.folder / f"{name}.log"

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the service, `run("pause", "--because", "...")`, to its end."""
        return subprocess.run(app(*words), env=self.env, capture_output=True, text=True, check=False)

    def wait_ready(self, timeout_s: float = READY_S) -> None:
        """Wait until the API says that it is ready. Raises TimeoutError with the API's last lines."""
        self._await(self.url, timeout_s)

    def _await(self, url: str, timeout_s: float) -> None:
        until = time.monotonic() + timeout_s
        while not _is_ready(url):
            # Another stack may answer at this port; ours has to be alive to be ready.
            if time.monotonic() > until or self._running["api"].poll() is not None:
                raise TimeoutError(f"not ready after {timeout_s:.0f} s\n{self.log('api').read_text()[-3000:]}")
            time.sleep(0.1)


def _is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health/ready", timeout=2) as answer:  # noqa: S310 - our own address
            return bool(answer.status == 200)
    except OSError:
        return False
