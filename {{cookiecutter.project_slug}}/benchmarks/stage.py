"""All that is measured, as real processes in a folder of its own: engines, vendor, floor, and one API process."""

import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import psycopg
from sqlalchemy.engine import make_url

from app.settings import ROOT
from benchmarks.identity import AUDIENCE, Issuer
from ops.local.engines import Engines
from ops.local.parts import app
from ops.local.processes import free_port

READY_S = 60.0
STOP_S = 20.0
SECRET = "of a benchmark, and long enough to sign with"  # noqa: S105 - it lives for minutes, on this machine
DATA_KEY = b64encode(b"of a benchmark, 32 bytes long...").decode()
SERVICE = """
[service]
name = "Benchmark"
slug = "benchmark"
description = "Measures the service"
template_version = "0"
[owners]
workflow = "benchmark@localhost"
prompt = "benchmark@localhost"
cost = "benchmark@localhost"
on_call = "benchmark@localhost"
"""
PEOPLE = 200
LOGIN = "benchmark"


class Stage:
    """The processes; `environ` changes settings of the service, into `profile` it writes where its time went."""

    def __init__(self, folder: Path, environ: Mapping[str, str] | None = None, *, profile: Path | None = None) -> None:
        self._folder, self._changes, self._profile = folder, dict(environ or {}), profile
        self._engines = Engines(folder / "engines", environ={})
        self.ports = {name: free_port() for name in ("vendor", "floor", "api")}
        self.issuer = Issuer(self.url("vendor"))
        self.tokens = [self.issuer.token(number) for number in range(PEOPLE)]
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        # A second start finds its modules compiled, as it does anywhere; the project's own folders stay clean.
        self._bytecode = {"PYTHONPYCACHEPREFIX": str(folder / "bytecode")}

    def __enter__(self) -> "Stage":
        try:
            self._engines.start()
            self._start_floors()
            self._command(*app("migrate"))
            self._make_login()
            self._command(sys.executable, "-m", "benchmarks.documents")
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def url(self, name: str) -> str:
        """Where a process listens."""
        return f"http://127.0.0.1:{self.ports[name]}"

    def start_api(self) -> float:
        """Start the API process and give the seconds until its first answer to a question."""
        began = time.perf_counter()
        command = app("serve")
        if self._profile:
            command = (sys.executable, "-m", "benchmarks.profiled", str(self._profile), "serve")
        self._start("api", command, self.environ())
        self._wait("api", "/health/ready")
        self.ask("plain")
        return time.perf_counter() - began

    def stop_api(self) -> None:
        """Stop it as a supervisor would."""
        self._end(self._running.pop("api"))

    def ask(self, usecase: str) -> dict[str, Any]:
        """Ask one question. Raises OSError when it is refused."""
        headers = {"Authorization": f"Bearer {self.tokens[0]}", "Content-Type": "application/json"}
        body = orjson.dumps({"question": "What is paid back a month?"})
        return self._send("api", f"/v1/usecases/{usecase}/turns", body, headers)

    def slow(self, latency_s: float) -> None:
        """Let the vendor take so long for each answer."""
        self._send("vendor", "/latency", str(latency_s).encode(), {})

    def cpu_s(self, name: str) -> float | None:
        """Give the processor seconds that a process has used; None where /proc does not tell."""
        try:
            fields = Path(f"/proc/{self._running[name].pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return None
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory_mb(self, name: str) -> float | None:
        """Give the resident memory of a process; None where /proc does not tell."""
        try:
            lines = Path(f"/proc/{self._running[name].pid}/status").read_text().splitlines()
        except OSError:
            return None
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))

    def close(self) -> None:
        """End everything."""
        for process in self._running.values():
            self._end(process)
        self._engines.stop()

    def _start_floors(self) -> None:
        keys = orjson.dumps(self.issuer.keys).decode()
        vendor = (sys.executable, "-m", "benchmarks.vendor", str(self.ports["vendor"]), keys)
        self._start("vendor", vendor, dict(os.environ))
        self._wait("vendor", "/keys")
        environ = {"FLOOR_VENDOR": self.url("vendor"), "FLOOR_REDIS": self._engines.redis_url, "FLOOR_KEYS": keys}
        options = ("--factory", "--port", str(self.ports["floor"]), "--no-access-log", "--log-level", "error")
        floor = (sys.executable, "-m", "uvicorn", "benchmarks.floor:app", *options)
        self._start("floor", floor, {**os.environ, **environ})
        self._wait("floor", "/health")

    def _make_login(self) -> None:
        # Production refuses the superuser of the embedded engine.
        roles = "app_service, app_ingest, app_keeper"
        with psycopg.connect(self._engines.database_url, autocommit=True) as owner:
            owner.execute(f"CREATE ROLE {LOGIN} LOGIN NOINHERIT IN ROLE {roles}".encode())

    def _login_url(self) -> str:
        return make_url(self._engines.database_url).set(username=LOGIN).render_as_string(hide_password=False)

    def environ(self) -> dict[str, str]:
        """Give the environment of the service's own processes."""
        foreign = ("PG", "APP_", "OTEL_", "PYTHONDONTWRITE")
        ours = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        return {
            **ours,
            **self._bytecode,
            "DATABASE_URL": self._login_url(),
            "DATABASE_OWNER_URL": self._engines.database_url,
            "REDIS_URL": self._engines.redis_url,
            "APP_ENVIRONMENT": "production",
            "APP_SECRET_KEY": SECRET,
            "APP_PORT": str(self.ports["api"]),
            # Nobody signs in by cookie here; production wants an address with TLS all the same.
            "APP_PUBLIC_URL": self.url("api").replace("http:", "https:"),
            "APP_DATA_KEYS": DATA_KEY,
            "APP_CONFIG_DIR": str(self._config()),
            "APP_USECASES_DIR": str(ROOT / "benchmarks" / "usecases"),
            "APP_OIDC_ISSUER": self.issuer.url,
            "APP_OIDC_AUDIENCE": AUDIENCE,
            "APP_MODEL_PROVIDER": "openai",
            "OPENAI_API_KEY": "none",
            "OPENAI_BASE_URL": f"{self.url('vendor')}/v1",
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.url("vendor"),
            "APP_TRACE_SHARE": "0.05",
            **self._changes,
        }

    def _config(self) -> Path:
        """The project's configuration under a name of the benchmark's own: production wants owners who can be asked."""
        folder = self._folder / "config"
        if not folder.exists():
            shutil.copytree(ROOT / "config", folder)
            (folder / "service.toml").write_text(SERVICE)
            models = folder / "models.toml"
            # Every call still asks for its place; a hundred at once are what the load brings.
            models.write_text(re.sub(r"(?m)^concurrent_calls = \d+", "concurrent_calls = 1000", models.read_text()))
        return folder

    def _command(self, *words: str) -> None:
        done = subprocess.run(words, env=self.environ(), cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            raise OSError(f"{' '.join(words[1:])} failed:\n{done.stdout[-2000:]}{done.stderr[-3000:]}")

    def _start(self, name: str, command: tuple[str, ...], environ: Mapping[str, str]) -> None:
        with self.log(name).open("ab") as log:
            how: dict[str, Any] = {"stdout": log, "stderr": log, "stdin": subprocess.DEVNULL, "cwd": ROOT}
            self._running[name] = subprocess.Popen(command, env=environ, **how)

    def log(self, name: str) -> Path:
        """What a process has written."""
        return self._folder / f"{name}.log"

    def _wait(self, name: str, path: str) -> None:
        until = time.monotonic() + READY_S
        while True:
            try:
                self._send(name, path, None, {})
                return
            except OSError as error:
                if time.monotonic() > until or self._running[name].poll() is not None:
                    raise OSError(f"{name} did not start:\n{self.log(name).read_text()[-3000:]}") from error
                time.sleep(0.02)

    def _send(self, name: str, path: str, body: bytes | None, headers: dict[str, str]) -> dict[str, Any]:
        request = urllib.request.Request(self.url(name) + path, body, headers)  # noqa: S310 - our own address
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            found: dict[str, Any] = orjson.loads(answer.read() or b"{}")
            return found

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
