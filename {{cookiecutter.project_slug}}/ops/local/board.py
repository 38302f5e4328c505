"""The table of what `up` runs, and where to look at it."""

from collections.abc import Iterable

from ops.local.engines import Engines, Redis
from ops.local.supervisor import Child, Supervisor

Row = tuple[str, str, str]
PAGES = {"chat page": "/", "console": "/console", "API description": "/openapi.json"}


def rows(engines: Engines, children: Iterable[Child], *, supervisor: Supervisor, url: str) -> list[Row]:
    """Engines, parts and pages: name, process id, address."""
    parts = [
        (child.part.name, str(child.pid), url if child.part.health else str(supervisor.log(child.part.name)))
        for child in children
    ]
    return [*_engine_rows(engines), *parts, *((name, "", url + path) for name, path in PAGES.items())]


def _engine_rows(engines: Engines) -> Iterable[Row]:
    for name, engine in (("PostgreSQL", engines.postgres), ("Redis", engines.redis)):
        if engine is None:
            yield name, "", "as its URL says"
        elif isinstance(engine, Redis):
            yield name, str(engine.pid), f"127.0.0.1:{engine.port}"
        else:
            yield name, str(engine.pid), str(engine.socket)
