"""TLS to the engines when the address says so: the right certificate is let in, a wrong one is not."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from kombu.exceptions import OperationalError
from sqlalchemy.engine import URL, make_url

from app.errors import DependencyDown
from app.store import standing
from app.store.broadcast import Broadcast
from app.store.db import Database
from app.store.migrate import migrate
from app.store.shared import Shared, SharedAway
from app.worker.queue import celery
from tests.fakes.tls import Authority, door

Doors = dict[str, str]


@pytest.fixture(scope="module")
def authorities(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Authority]:
    folder = tmp_path_factory.mktemp("certificates")
    made = {name: Authority.made(folder / name) for name in ("ours", "strange")}
    return made | {"elsewhere": Authority.made(folder / "elsewhere", host="somewhere.test")}


@pytest.fixture(scope="module")
def database(database_url: str, authorities: dict[str, Authority]) -> Iterator[URL]:
    """The test's PostgreSQL behind TLS, on localhost."""
    url = make_url(database_url)
    behind = f"{url.query['host']}/.s.PGSQL.{url.port or url.query.get('port', 5432)}"
    with door(authorities["ours"], behind, speaks="postgres") as port:
        yield url.set(host="localhost", port=port, query={})


@pytest.fixture(scope="module")
def redis(redis_url: str, authorities: dict[str, Authority]) -> Iterator[URL]:
    """The test's Redis behind TLS, on localhost."""
    url = make_url(redis_url)
    assert url.host and url.port
    with door(authorities["ours"], (url.host, url.port), speaks="plain") as port:
        yield url.set(drivername="rediss", host="localhost", port=port)


def verifying(url: URL, ca: Path) -> str:
    return url.set(query={"sslmode": "verify-full", "sslrootcert": str(ca)}).render_as_string(hide_password=False)


def trusting(url: URL, ca: Path) -> str:
    query = {"ssl_cert_reqs": "required", "ssl_ca_certs": str(ca), "ssl_check_hostname": "true"}
    return url.set(query=query).render_as_string(hide_password=False)


@pytest.mark.proves("SEC-8")
async def test_postgresql_is_reached_over_tls_by_pool_trip_and_migration(
    database: URL, authorities: dict[str, Authority]
) -> None:
    url = verifying(database, authorities["ours"].ca)
    opened = Database(url)
    async with opened.work() as work:
        assert (await work.sql("SELECT 1")).scalar_one() == 1
    assert await opened.trip("SELECT 1 + 1") == 2
    await opened.close()
    migrate(url)
    assert not standing.database(url).away


@pytest.mark.proves("SEC-8")
@pytest.mark.parametrize("sslmode", ["verify-full", "disable"])
async def test_postgresql_with_a_strange_certificate_or_without_tls_is_refused(
    sslmode: str, database: URL, authorities: dict[str, Authority]
) -> None:
    query = {"sslmode": sslmode, "sslrootcert": str(authorities["strange"].ca)}
    url = database.set(query=query).render_as_string(hide_password=False)
    opened = Database(url)
    with pytest.raises(DependencyDown):
        async with opened.work():
            pass
    with pytest.raises(DependencyDown):
        await opened.trip("SELECT 1")
    await opened.close()
    said = standing.database(url).away
    assert said and ("certificate" in said.lower() or sslmode == "disable"), said


@pytest.mark.proves("SEC-8")
def test_postgresql_under_another_hosts_name_is_refused(database_url: str, authorities: dict[str, Authority]) -> None:
    url = make_url(database_url)
    behind = f"{url.query['host']}/.s.PGSQL.{url.port or url.query.get('port', 5432)}"
    with door(authorities["elsewhere"], behind, speaks="postgres") as port:
        there = url.set(host="localhost", port=port, query={})
        assert "somewhere.test" in standing.database(verifying(there, authorities["elsewhere"].ca)).away


@pytest.mark.proves("SEC-8")
async def test_redis_is_reached_over_tls_by_everyone_who_speaks_with_it(
    redis: URL, authorities: dict[str, Authority], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = trusting(redis, authorities["ours"].ca)
    shared, broadcast = Shared(url, timeout_s=10), Broadcast(url, timeout_s=10)
    assert await shared.run("return 7", []) == 7
    assert await broadcast.check() == ""
    await shared.close()
    await broadcast.close()
    assert standing.broker(url).version
    await asyncio.to_thread(_queue, url)


def _queue(url: str) -> None:
    name = f"tls-{uuid4().hex}"
    with celery.connection_for_write(url) as connection:
        queue = connection.SimpleQueue(name)
        queue.put({"hello": 1})
        assert queue.get(timeout=20).payload == {"hello": 1}
        queue.close()


@pytest.mark.proves("SEC-8")
async def test_redis_with_a_strange_certificate_is_refused(redis: URL, authorities: dict[str, Authority]) -> None:
    url = trusting(redis, authorities["strange"].ca)
    shared, broadcast = Shared(url, timeout_s=10), Broadcast(url, timeout_s=10)
    with pytest.raises(SharedAway):
        await shared.run("return 7", [])
    assert await broadcast.check()
    await shared.close()
    await broadcast.close()
    assert "certificate" in standing.broker(url).away.lower()
    with pytest.raises(OperationalError, match="CERTIFICATE_VERIFY_FAILED"):
        await asyncio.to_thread(celery.connection_for_write(url).ensure_connection, max_retries=1, timeout=10)
