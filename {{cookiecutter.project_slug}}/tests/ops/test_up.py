"""`make up` on real processes: the parts live and die together, and nothing outlives them."""

import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from ops.local import processes, secrets
from ops.local.up import main

ROOT = Path(__file__).resolve().parents[2]
EXTERNAL = {"DATABASE_URL": "postgresql://elsewhere/app", "REDIS_URL": "redis://elsewhere/0"}
STAND_INS = """
import json, sys
from ops.local import up
from ops.local.parts import Part, Plan
told = json.loads(sys.argv[1])
def part(name, **more):
    return Part(name, (sys.executable, "-c", told["codes"][name], told["mark"]), grace_s=told["grace_s"], **more)
plan = Plan(parts=(part("api", health="/health/ready"), part("worker", waits=told["waits"])),
            migrate=part("migrate"), samples=part("samples"), ask=part("ask"))
sys.exit(up.main(sys.argv[2:], plan))
"""
API = """
import http.server, os, time
time.sleep(0.2)
print("listening", flush=True)
class Door(http.server.BaseHTTPRequestHandler):
    def do_GET(self): self.send_response(200); self.end_headers()
    def log_message(self, *_): pass
http.server.HTTPServer((os.environ["APP_HOST"], int(os.environ["APP_PORT"])), Door).serve_forever()
"""
WORKER = """
import os, subprocess, sys
print("working on", os.environ["DATABASE_URL"], flush=True)
subprocess.run([sys.executable, "-c", "import time; time.sleep(600)", sys.argv[1]])
"""
DRAINING = """
import signal, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", sys.argv[1]])
def drain(*_): time.sleep(0.7); print("drained", child.poll(), flush=True); sys.exit(0)
signal.signal(signal.SIGTERM, drain)
print("working", flush=True); time.sleep(600)
"""
DEAF = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('working', flush=True); time.sleep(600)"
)
CODES = {"api": API, "worker": WORKER, "migrate": "print('migrated')", "samples": "print('sampled')"}
ASK = "import sys; print('asked', sys.argv[2:]); print('It is on the shelf [1].')"


class Service:
    """One project folder in which `up` runs with stand-in parts."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.mark = folder, f"mark-{uuid.uuid4().hex}"
        self.runs: list[Run] = []

    def up(
        self,
        *words: str,
        codes: dict[str, str] | None = None,
        env: dict[str, str] | None = None,
        grace_s: float = 5.0,
        waits: bool = False,
    ) -> "Run":
        told = {"codes": {**CODES, "ask": ASK, **(codes or {})}, "mark": self.mark, "grace_s": grace_s, "waits": waits}
        base = {key: value for key, value in os.environ.items() if not key.startswith(("APP_", "DATABASE", "REDIS"))}
        port = str(processes.free_port())
        env = {**base, "PYTHONPATH": str(ROOT), "APP_PORT": port, **(EXTERNAL if env is None else env)}
        run = Run(self, [json.dumps(told), *words], env)
        self.runs.append(run)
        return run

    def marked(self) -> list[int]:
        """The parts and their children, of all runs."""
        ours = {run.pid for run in self.runs}
        return [p.pid for p in processes.listing() if self.mark in p.command and p.pid not in ours]

    def engines(self) -> list[int]:
        """Engines of this folder: PostgreSQL's children carry no path, so only its postmaster is seen here."""
        return [
            p.pid for p in processes.listing() if f"{self.folder}/.local/" in p.command and p.pid not in self.marked()
        ]


class Run:
    """One `up`, its output and its end."""

    def __init__(self, service: Service, words: list[str], env: dict[str, str]) -> None:
        self._file = service.folder / f"output-{len(service.runs)}"
        with self._file.open("wb") as out:
            self._process = subprocess.Popen(
                [sys.executable, "-c", STAND_INS, *words], stdout=out, stderr=out, env=env, cwd=service.folder
            )
        self.pid = self._process.pid

    def output(self) -> str:
        return self._file.read_text()

    def wait_for(self, text: str, timeout_s: float = 30.0) -> "Run":
        seen = processes.wait_until(lambda: text in self.output() or self._process.poll() is not None, timeout_s)
        assert seen and text in self.output(), self.output()
        return self

    def url(self) -> str:
        found = re.search(r"ready: (\S+)", self.wait_for("ready: ").output())
        assert found
        return found[1]

    def send(self, sign: signal.Signals) -> None:
        self._process.send_signal(sign)

    def code(self, timeout_s: float = 30.0) -> int:
        return self._process.wait(timeout_s)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    made = Service(tmp_path)
    yield made
    for run in made.runs:
        run.send(signal.SIGKILL)
        run.code()
    processes.end(made.marked() + made.engines(), steps=[(signal.SIGKILL, 5.0)])


def none_left(service: Service, timeout_s: float = 12.0) -> bool:
    return processes.wait_until(lambda: not service.marked() and not service.engines(), timeout_s)


def test_up_migrates_starts_the_parts_loads_the_samples_and_says_where_things_are(service: Service) -> None:
    run = service.up(waits=True)
    url = run.wait_for("working").url()
    said = run.output()
    for last in ("sampled", "| working on postgresql://elsewhere/app"):
        order = [said.index(text) for text in ("migrated", "listening", last)]
        assert order == sorted(order)
    assert said.index("sampled") < said.index("ready: ")
    for row in ("PostgreSQL", "Redis", "api", "worker", f"{url}/console", ".local/log/worker.log"):
        assert row in said
    assert "\x1b[" not in said


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_everything_and_counts_as_a_good_end(service: Service, sign: signal.Signals) -> None:
    run = service.up()
    run.wait_for("ready: ")
    assert len(service.marked()) == 3
    run.send(sign)
    assert run.code() == 0
    assert service.marked() == []


def test_addresses_are_published_while_up_and_withdrawn_after(service: Service) -> None:
    run = service.up()
    url = run.url()
    addresses = service.folder / ".local/engines.env"
    assert secrets.read(addresses) == {**EXTERNAL, "APP_URL": url}
    assert stat.S_IMODE(addresses.stat().st_mode) == 0o600
    run.send(signal.SIGINT)
    assert run.code() == 0
    assert not addresses.exists()


def test_the_death_of_a_part_stops_all_names_it_and_gives_its_exit_code(service: Service) -> None:
    dying = "import sys, time; time.sleep(0.5); print('out of luck'); sys.exit(7)"
    run = service.up(codes={"worker": dying})
    assert run.code() == 7
    assert "worker ended with exit code 7; its last lines:\nout of luck\n" in run.output()
    assert service.marked() == []


@pytest.mark.parametrize(("end", "code"), [("os._exit(0)", 1), ("os.kill(os.getpid(), 9)", 137)])
def test_a_part_that_leaves_quietly_or_by_a_signal_is_a_failure_too(service: Service, end: str, code: int) -> None:
    run = service.up(codes={"worker": f"import os, time; time.sleep(0.3); {end}"})
    assert run.code() == code


def test_a_failed_migration_starts_no_part(service: Service) -> None:
    run = service.up(codes={"migrate": "import sys; sys.exit('no such table')"})
    assert run.code() == 1
    assert "migrate failed with exit code 1; its last lines:\nno such table" in run.output()
    assert "working" not in run.output()


def test_a_worker_may_drain_and_its_children_are_left_alone_meanwhile(service: Service) -> None:
    run = service.up(codes={"worker": DRAINING})
    run.wait_for("ready: ").send(signal.SIGINT)
    assert run.code() == 0
    assert "drained None" in run.output()
    assert service.marked() == []


def test_a_part_that_does_not_stop_is_killed_after_its_grace(service: Service) -> None:
    run = service.up(codes={"worker": DEAF}, grace_s=0.5)
    run.wait_for("ready: ").send(signal.SIGINT)
    assert run.code(10) == 0
    assert "worker did not stop by itself: killed" in run.output()
    assert service.marked() == []


def test_a_second_ctrl_c_does_not_wait_for_the_grace(service: Service) -> None:
    run = service.up(codes={"worker": DEAF}, grace_s=600)
    run.wait_for("ready: ").send(signal.SIGINT)
    run.wait_for("stopping").send(signal.SIGINT)
    assert run.code(10) == 0
    assert service.marked() == []


def test_ctrl_c_works_in_the_middle_of_the_start(service: Service) -> None:
    run = service.up(codes={"migrate": DRAINING})
    run.wait_for("working").send(signal.SIGINT)
    assert run.code(10) == 0
    assert "drained" in run.output()
    assert service.marked() == []


def test_a_killed_up_takes_parts_children_and_engines_along_and_the_next_one_recovers(service: Service) -> None:
    run = service.up(env={})
    run.wait_for("ready: ")
    addresses = secrets.read(service.folder / ".local/engines.env")
    with psycopg.connect(addresses["DATABASE_URL"], autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS n")
    redis.Redis.from_url(addresses["REDIS_URL"]).set("kept", "42")
    assert len(service.marked()) == 3 and service.engines()
    run.send(signal.SIGKILL)
    assert none_left(service)
    again = service.up(env={})
    again.wait_for("ready: ")
    with psycopg.connect(addresses["DATABASE_URL"]) as connection:
        assert connection.execute("SELECT n FROM kept").fetchone() == (42,)
    assert redis.Redis.from_url(addresses["REDIS_URL"]).get("kept") == b"42"
    assert secrets.read(service.folder / ".local/engines.env")["REDIS_URL"] == addresses["REDIS_URL"]


def test_parts_that_outlived_up_and_its_keeper_end_at_the_next_start(service: Service) -> None:
    run = service.up()
    run.wait_for("ready: ")
    left = set(service.marked())
    for pid in [*_children(run.pid, "keeper.py"), run.pid]:
        os.kill(pid, signal.SIGKILL)
    run.code()
    time.sleep(0.3)
    assert left <= set(service.marked())
    again = service.up()
    again.wait_for("worker: left over from an earlier run, killed").wait_for("ready: ")
    assert left.isdisjoint(service.marked())


def test_a_stranger_with_a_recorded_number_is_left_alone(service: Service) -> None:
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as stranger:
        record = service.folder / ".local/run/parts.json"
        record.parent.mkdir(parents=True)
        record.write_text(json.dumps({"worker": [stranger.pid, "python -m app worker turns"]}))
        service.up().wait_for("ready: ")
        assert stranger.poll() is None
        stranger.kill()


def test_a_taken_port_is_passed_over_aloud(service: Service) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        run = service.up(env={**EXTERNAL, "APP_PORT": str(port)})
        url = run.url()
        assert int(url.rpartition(":")[2]) > port
        assert f"port {port} is taken: the API listens on {url.rpartition(':')[2]}" in run.output()


def test_a_second_up_says_where_the_first_is_and_leaves_it_alone(service: Service) -> None:
    first = service.up()
    url = first.url()
    second = service.up()
    assert second.code() == 2
    assert second.output() == f"already up: process {first.pid}, {url}\n"
    assert len(service.marked()) == 3
    assert (service.folder / ".local/engines.env").exists()


def test_given_addresses_start_no_engines(service: Service) -> None:
    service.up().wait_for("ready: ")
    assert not (service.folder / ".local/postgres").exists()
    assert not (service.folder / ".local/redis").exists()


def test_the_env_file_counts_and_what_is_exported_wins(service: Service) -> None:
    (service.folder / ".env").write_text("DATABASE_URL=postgresql://file/app\nREDIS_URL='redis://file/0'\nMINE=7\n")
    showing = "import os, time; print('got', os.environ['REDIS_URL'], os.environ['MINE'], flush=True); time.sleep(600)"
    run = service.up(codes={"worker": showing}, env={"DATABASE_URL": "postgresql://exported/app"})
    run.wait_for("got redis://file/0 7")
    run.wait_for("ready: ")
    assert secrets.read(service.folder / ".local/engines.env")["DATABASE_URL"] == "postgresql://exported/app"


def test_the_death_of_an_engine_stops_all(service: Service) -> None:
    run = service.up(env={})
    run.wait_for("ready: ")
    postmaster = int((service.folder / ".local/postgres/data/postmaster.pid").read_text().split()[0])
    os.kill(postmaster, signal.SIGKILL)
    assert run.code() == 1
    assert "Postgres ended; its last lines:" in run.output()
    assert none_left(service, 0.0)


def test_once_prints_the_answer_and_where_to_look_and_stops(service: Service) -> None:
    run = service.up("--once", "Where is it?", "--as", "sam.reyes")
    assert run.code() == 0
    said = run.output()
    assert '$ app ask --as sam.reyes "Where is it?"' in said
    assert "asked ['--as', 'sam.reyes', 'Where is it?']\nIt is on the shelf [1].\n" in said
    assert "/console" in said
    assert "working on" not in said and service.marked() == []


@pytest.mark.parametrize(("code", "exit_code"), [("print('No idea.')", 1), ("import sys; sys.exit(2)", 2)])
def test_once_fails_without_a_citation_or_an_answer(service: Service, code: str, exit_code: int) -> None:
    run = service.up("--once", "Where is it?", codes={"ask": code})
    assert run.code() == exit_code
    assert service.marked() == []


def test_demo_answers_and_stays(service: Service) -> None:
    run = service.up("--demo", "Where is it?")
    run.wait_for("ready: ")
    assert "It is on the shelf [1]." in run.output()
    assert len(service.marked()) == 3


def test_a_step_that_takes_long_says_how_long_it_has_taken(service: Service) -> None:
    run = service.up(codes={"samples": "import time; time.sleep(2.5)"})
    run.wait_for("samples: 2 s so far").wait_for("samples: done in 2.")


def test_very_long_and_unfinished_lines_pass_through(service: Service) -> None:
    long = "import sys, time; sys.stdout.write('x' * 300_000 + '\\nno end'); sys.stdout.flush(); time.sleep(0.5)"
    run = service.up(codes={"worker": long})
    assert run.code() == 1
    assert "x" * 300_000 in run.output()
    assert "no end" in (service.folder / ".local/log/worker.log").read_text()


def test_production_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("APP_ENVIRONMENT", "production")
    assert main([]) == 2
    assert "managed services" in capsys.readouterr().err


def _children(parent: int, text: str) -> list[int]:
    """The children of a process whose command holds the text."""
    rows = subprocess.run(
        ["ps", "-A", "-ww", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True
    ).stdout
    fields = [row.split(None, 2) for row in rows.splitlines()]
    return [int(f[0]) for f in fields if int(f[1]) == parent and text in f[2]]
