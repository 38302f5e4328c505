"""A service as it runs behind a load balancer: several API processes and workers over one database and one Redis."""

import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

from app.control.development import DevelopmentIssuer
from app.settings import Settings
from ops.drills.stack import SECRET, STOP_S, Stack
from ops.local.errors import LocalError
from ops.local.parts import app
from ops.local.processes import free_port
from ops.prove.site import settings_of, vendor

READY_S = 180.0


@dataclass(frozen=True, slots=True)
class Fleet:
    """Addresses of the API processes and of their vendor; `stack` can kill and revive the engines."""

    urls: Sequence[str]
    vendor_url: str
    stack: Stack

    def headers(self, person: str) -> dict[str, str]:
        """Give what proves who a person is."""
        issuer = DevelopmentIssuer(SECRET, Settings(_env_file=None).config("people"))
        return {"Authorization": f"Bearer {issuer.token(person)}"}


@contextmanager
def fleet(folder: Path, *, apis: int, workers: int, more: Mapping[str, str] | None = None) -> Iterator[Fleet]:
    """Start everything, so many API processes and workers of turns; `more` are settings. Raises LocalError."""
    with vendor() as vendor_url:
        settings = {**settings_of(vendor_url, folder), **(more or {})}
        stack = Stack(folder, settings, parts=("api", "worker-turns", "worker-documents", "beat"))
        others: list[subprocess.Popen[bytes]] = []
        try:
            _start_all(stack)
            ports = [free_port() for _ in range(apis - 1)]
            others += [_start(stack, f"api-{port}", app("serve"), {"APP_PORT": str(port)}) for port in ports]
            others += [_start(stack, f"worker-{number}", app("worker", "turns"), {}) for number in range(workers - 1)]
            urls = [stack.url, *(f"http://127.0.0.1:{port}" for port in ports)]
            for url in urls:
                _await(url)
            if (read := stack.run("ingest")).returncode:
                raise LocalError(f"the documents could not be read: {read.stderr[-500:]}")
            yield Fleet(urls, vendor_url, stack)
        finally:
            for process in others:
                process.terminate()
            for process in others:
                _end(process)
            stack.stop()


def _start_all(stack: Stack) -> None:
    try:
        stack.start()
    except TimeoutError:
        # A busy machine: it was started, and may only need longer.
        stack.wait_ready(READY_S)


def _start(stack: Stack, name: str, argv: Sequence[str], changes: Mapping[str, str]) -> subprocess.Popen[bytes]:
    with stack.log(name).open("ab") as log:
        return subprocess.Popen(
            argv,
            env={**stack.env, **changes},
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _await(url: str) -> None:
    until = time.monotonic() + READY_S
    while time.monotonic() < until:
        try:
            if httpx2.get(f"{url}/health/ready", timeout=5).status_code == httpx2.codes.OK:
                return
        except httpx2.HTTPError:
            pass
        time.sleep(0.2)
    raise LocalError(f"{url} was not ready after {READY_S:.0f} s")
