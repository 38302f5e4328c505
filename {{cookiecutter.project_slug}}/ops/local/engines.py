"""The two engines of the service on this machine: started here, unless their addresses point elsewhere."""

import os
from collections.abc import Mapping
from pathlib import Path

from ops.local.errors import EngineError, InUse, LocalError
from ops.local.postgres import Postgres
from ops.local.redis import Redis

__all__ = ["EngineError", "Engines", "InUse", "LocalError", "Postgres", "Redis", "local_folder"]


def local_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Where all local data lives: APP_LOCAL_DIR, by default .local in the current folder."""
    return Path(environ.get("APP_LOCAL_DIR") or ".local").resolve()


class Engines:
    """PostgreSQL and Redis together; `postgres` or `redis` is None when DATABASE_URL or REDIS_URL names another."""

    def __init__(
        self,
        folder: Path | None = None,
        *,
        environ: Mapping[str, str] | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """Nothing starts yet; `environ` defaults to ours, `settings` are PostgreSQL's.

        Raises EngineError in production.
        """
        environ = os.environ if environ is None else environ
        self._refuse_production(environ)
        self.folder = local_folder(environ) if folder is None else Path(folder).resolve()
        self._database_url, self._redis_url = environ.get("DATABASE_URL", ""), environ.get("REDIS_URL", "")
        self.postgres = None if self._database_url else Postgres(self.folder / "postgres", settings=settings)
        self.redis = None if self._redis_url else Redis(self.folder / "redis")

    def __enter__(self) -> "Engines":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def database_url(self) -> str:
        """A libpq URL."""
        return self.postgres.url if self.postgres else self._database_url

    @property
    def redis_url(self) -> str:
        """A redis:// URL, final once started."""
        return self.redis.url if self.redis else self._redis_url

    def start(self) -> None:
        """Return once both answer; stops what it started when one fails."""
        self._ignore_folder()
        try:
            for engine in (self.redis, self.postgres):
                if engine:
                    engine.start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop what we started; the data stays."""
        for engine in (self.postgres, self.redis):
            if engine:
                engine.stop()

    def _refuse_production(self, environ: Mapping[str, str]) -> None:
        if environ.get("APP_ENVIRONMENT", "").strip().lower() == "production":
            raise EngineError(
                "embedded engines are for development: in production set DATABASE_URL and REDIS_URL to managed "
                "services and start each part with `app serve` and `app worker`"
            )

    def _ignore_folder(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / ".gitignore").write_text("*\n")
