"""The sources of documents: each shipped description with what reads it; one's own are read as they are."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from app.domain.source import AnySource, Bucket, Folder, Query, Source, Web
from app.errors import BadInput

Secret = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Sources:
    """Opens sources; `secret` gives the value of an environment variable, `levels` are those of config/roles.toml."""

    secret: Secret
    levels: Sequence[str] = ()

    @asynccontextmanager
    async def opened(self, source: AnySource) -> AsyncIterator[Source]:
        """Open a source to be listed and read. Raises BadInput for an environment variable that is not set."""
        match source:
            case Folder():
                from app.retrieval.sources.folder import FolderReader

                yield FolderReader(source, self.levels)
            case Bucket():
                from app.retrieval.sources.bucket import BucketReader
                from app.store.bucket import Objects

                key, secret = (self._named(source.name, name) for name in (source.key_env, source.secret_env))
                objects = Objects(source.bucket, source.endpoint_url, source.region, key, secret)
                yield BucketReader(source, self.levels, objects)
            case Web():
                from app.retrieval.sources.fetch import Fetcher
                from app.retrieval.sources.web import WebReader, hosts

                async with Fetcher(hosts(source), internal=source.internal) as fetcher:
                    yield WebReader(source, self.levels, fetcher)
            case Query():
                from app.retrieval.sources.query import QueryReader
                from app.store.foreign import Rows

                rows = Rows(self._named(source.name, source.url_env), source.sql)
                try:
                    yield QueryReader(source, self.levels, rows)
                finally:
                    await rows.close()
            case _:
                yield source

    def _named(self, source: str, variable: str) -> str:
        if not variable:
            return ""
        if not (value := self.secret(variable)):
            raise BadInput(f"The source {source!r} needs the environment variable {variable}; set it for the workers.")
        return value
