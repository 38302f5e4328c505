"""The objects of a bucket; an ETag tells whether one has changed, so that only new bytes travel."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from app.domain.access import Access
from app.domain.source import Body, Bucket, Item, ReadersFile
from app.errors import BadInput, NotFound
from app.retrieval.parse import MOST_BYTES
from app.retrieval.sources.described import Described
from app.retrieval.sources.rights import Listing, carried, item_maker, parse_listing, read_listing
from app.store.bucket import Objects, Stored

MOST_LISTING_BYTES = 5_000_000
# Questions about tags or metadata that are under way at once.
AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class BucketReader(Described[Bucket]):
    """Lists and reads the objects of a bucket."""

    objects: Objects

    async def items(self) -> AsyncIterator[Item]:
        """List the objects. Raises BadInput for an unusable readers file, SourceFailed while the bucket is away."""
        kind = self.source.rights
        make = None if kind in ("tags", "metadata") else item_maker(await self._rule())
        async for page in self.objects.pages(self.source.prefix):
            found = [stored for stored in page if not stored.key.endswith("/") and stored.key != self._inside]
            if make:
                for stored in found:
                    yield make(stored.key, version=stored.version)
                continue
            for start in range(0, len(found), AT_ONCE):
                some = found[start : start + AT_ONCE]
                for item in await asyncio.gather(*(self._labelled(stored) for stored in some)):
                    if item:
                        yield item

    async def read(self, path: str, known: str) -> Body | None:
        """Give the bytes of an object. Raises NotFound when it is gone, Unreadable when it is too large."""
        fetched = await self.objects.read(path, most_bytes=MOST_BYTES)
        return Body(fetched.content, PurePosixPath(path).name, fetched.media_type, fetched.version)

    @property
    def _inside(self) -> str:
        rights = self.source.rights
        return rights.path if isinstance(rights, ReadersFile) and isinstance(rights.path, str) else ""

    async def _rule(self) -> Access | Listing:
        rights = self.source.rights
        if isinstance(rights, Access):
            return rights
        assert isinstance(rights, ReadersFile), "app/wiring/sources.py has looked"
        if isinstance(rights.path, Path):
            return await asyncio.to_thread(read_listing, rights.path, self.levels)
        name = f"{self.source.bucket}/{rights.path}"
        try:
            fetched = await self.objects.read(rights.path, most_bytes=MOST_LISTING_BYTES)
            return parse_listing(fetched.content.decode(), name, self.levels)
        except NotFound as error:
            raise BadInput(f"{name} is missing: without it nobody may read anything.") from error
        except UnicodeDecodeError as error:
            raise BadInput(f"{name} is not valid TOML: {error}") from error

    async def _labelled(self, stored: Stored) -> Item | None:
        kind: Literal["tags", "metadata"] = "tags" if self.source.rights == "tags" else "metadata"
        try:
            labels = await self.objects.labels(stored.key, kind)
        except NotFound:
            return None
        access, note = carried(stored.key, labels, self.levels)
        return Item(stored.key, access, title=labels.get("title", ""), version=stored.version, note=note)
