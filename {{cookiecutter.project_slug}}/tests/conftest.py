"""What every test may ask for: real engines, the built service, its HTTP door, and tokens for people."""

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import psycopg
import pytest
import structlog
from psycopg import sql
from sqlalchemy.engine import make_url

from app.control.development import DevelopmentIssuer
from app.retrieval.reading import ReadingRoom
from app.settings import ROOT, Settings
from app.store.migrate import migrate
from app.wiring.service import Service, build
from ops.drills.stack import Stack
from ops.local.engines import Engines

pytest_plugins = [
    *("tests.fakes.fixtures", "tests.fakes.collector", "tests.agents", "tests.evidence", "tests.planted"),
    "tests.listening",
]
SECRET = "for tests only, and long enough to sign with"
# What the running service has beside the files of config/.
MORE = {
    "roles.toml": '[service_accounts.crm]\nowner = "olga.petrov"\ngroups = ["sales"]\npurpose = "tests"',
    "flags.toml": '[[flag]]\nkey = "greeting"\nowner = "workflow"\nexpires_on = 2099-12-31\n'
    'variants = { short = "Hi", long = "Good morning" }\ndefault = "short"\nreason = "a flag of the tests"',
}
# The configuration as it is, but for limits: all tests of a process ask as the same few people, hundreds of times a
# minute. Tests of limits bring their own.
_CONFIG = tempfile.TemporaryDirectory(prefix="config-", ignore_cleanup_errors=True)
CONFIG = shutil.copytree(ROOT / "config", Path(_CONFIG.name, "config"))
(CONFIG / "limits.toml").write_text("[spike]\nenabled = false\n")


# xdist says 80, in which tables cut what tests look for.
os.environ["COLUMNS"] = "200"


@pytest.fixture(scope="session", autouse=True)
def listened_to() -> Iterator[None]:
    """Loggers are made anew each time: one that was kept before the next configuration is deaf to `capture_logs`."""
    configure = structlog.configure

    def uncached(**given: Any) -> None:
        configure(**{**given, "cache_logger_on_first_use": False})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(structlog, "configure", uncached)
        # Without the variables of an exception, which hold the whole service and somebody's token.
        plain = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        structlog.configure(processors=[*structlog.get_config()["processors"][:-1], plain])
        yield


@pytest.fixture(scope="session")
def engines() -> Iterator[Engines]:
    """A real PostgreSQL and a real Redis, started for this test process and thrown away after it."""
    with tempfile.TemporaryDirectory(prefix="engines-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        environ = {
            name: os.environ[f"TEST_{name}"] for name in ("DATABASE_URL", "REDIS_URL") if f"TEST_{name}" in os.environ
        }
        # Nothing here has to outlive a power cut.
        with Engines(Path(folder), environ=environ, settings={"fsync": "off", "max_connections": "200"}) as running:
            yield running


@pytest.fixture(scope="session")
def database_url(engines: Engines) -> str:
    """A fresh, migrated database; every process of the test run has its own engines."""
    migrate(engines.database_url)
    return engines.database_url


@pytest.fixture(scope="session")
def redis_url(engines: Engines) -> str:
    """The Redis of this test process."""
    return engines.redis_url


@pytest.fixture
def empty_database_url(engines: Engines) -> str:
    """Another database on the same server, with nothing in it."""
    name = f"test_{uuid4().hex[:12]}"
    with psycopg.connect(engines.database_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    return make_url(engines.database_url).set(database=name).render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def database_template(engines: Engines) -> str:
    """The name of a migrated database that nobody uses: copying it is quicker than migrating."""
    name = f"template_{uuid4().hex[:12]}"
    with psycopg.connect(engines.database_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    migrate(make_url(engines.database_url).set(database=name).render_as_string(hide_password=False))
    return name


@pytest.fixture
def database_copy(engines: Engines, database_template: str) -> Iterator[str]:
    """A migrated database of its own, for a test that changes what others look at."""
    with copied(engines, database_template) as url:
        yield url


@contextmanager
def copied(engines: Engines, database_template: str) -> Iterator[str]:
    """Give a copy of a database while the block runs."""
    name = f"test_{uuid4().hex[:12]}"
    statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
    with psycopg.connect(engines.database_url, autocommit=True) as connection:
        connection.execute(statement.format(sql.Identifier(name), sql.Identifier(database_template)))
        yield make_url(engines.database_url).set(database=name).render_as_string(hide_password=False)
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(scope="session")
def settings(database_url: str, redis_url: str) -> Settings:
    """Settings of a service without a model, over the use cases of tests/samples."""
    return make_settings(database_url, redis_url)


def make_settings(database_url: str, redis_url: str, **changes: object) -> Settings:
    """Make settings that read neither the environment nor `.env`."""
    values: dict[str, object] = {
        "database_url": database_url,
        "redis_url": redis_url,
        "secret_key": SECRET,
        "config_dir": CONFIG,
        "usecases_dir": ROOT / "tests" / "samples",
        "flags_poll_s": 0.5,
        "job_lease_s": 1.5,
        "webhooks_internal": True,
    }
    return Settings(_env_file=None, **{**values, **changes})  # type: ignore[call-arg, arg-type]


@pytest.fixture(scope="session")
async def service(settings: Settings) -> AsyncIterator[Service]:
    """The service, built and started, with its sample documents read; messages of the outbox stay there."""
    built = build(settings)
    await built.start()
    await read_samples(built)
    yield built
    await built.stop()


async def read_samples(service: Service) -> None:
    """Run the ingestion jobs of every source in place."""
    from app.store.jobs import Order

    for name, case in service.usecases.items():
        for source in case.sources:
            order = Order("ingest", name, "tests", (), {"source": source.name})
            await service.jobs.run(await service.jobs.submit(order))


@pytest.fixture(scope="session")
async def reading_room() -> AsyncIterator[ReadingRoom]:
    """Children that read documents, for tests that ingest without a service."""
    room = ReadingRoom()
    yield room
    await room.close()


@pytest.fixture(scope="session")
def token(settings: Settings) -> Callable[[str], str]:
    """Give bearer tokens for the people of config/people.toml."""
    issuer = DevelopmentIssuer(SECRET, settings.config("people"))
    return issuer.token


@pytest.fixture(scope="session")
def application(service: Service) -> object:
    """The HTTP application around the service."""
    from app.api.app import create
    from app.console import pages

    return create(service, pages=pages.ROUTERS)


@pytest.fixture(scope="session")
async def client(application: object) -> AsyncIterator[httpx2.AsyncClient]:
    """The HTTP door, without a person: give each request its `headers=as_("sam.reyes")`."""
    transport = httpx2.ASGITransport(app=application)  # type: ignore[arg-type]
    async with httpx2.AsyncClient(transport=transport, base_url="http://test", timeout=60) as opened:
        yield opened


@pytest.fixture(scope="session")
def as_(token: Callable[[str], str]) -> Callable[[str], dict[str, str]]:
    """Give the headers by which a person is known."""
    return lambda person: {"Authorization": f"Bearer {token(person)}"}


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """The service as real processes over the use cases of tests/samples: API, workers, beat, engines of its own."""
    with started(ROOT / "tests" / "samples", MORE) as running:
        yield running


@contextmanager
def started(usecases: Path, more: dict[str, str]) -> Iterator[Stack]:
    """Start the service as real processes over some use cases, their documents read; `more` is added to config/."""
    with tempfile.TemporaryDirectory(prefix="stack-", ignore_cleanup_errors=True) as folder:
        config = Path(shutil.copytree(ROOT / "config", Path(folder) / "config"))
        for name, text in more.items():
            (config / name).write_text(f"{(config / name).read_text()}\n{text}\n")
        environment = {"APP_USECASES_DIR": str(usecases), "APP_SECRET_KEY": SECRET, "APP_CONFIG_DIR": str(config)}
        running = Stack(Path(folder), {**environment, "APP_READING_CPU_S": "5", "APP_WEBHOOKS_INTERNAL": "true"})
        try:
            running.start()
            assert running.run("ingest").returncode == 0
            yield running
        finally:
            running.stop()
        # Not above: a plugin that is imported before it is named loses its readable assertions.
        from tests.planted import planted_in_logs

        assert not (found := planted_in_logs(Path(folder))), found
