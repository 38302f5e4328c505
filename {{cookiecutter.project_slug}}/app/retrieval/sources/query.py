"""The rows of a query, one document each."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from app.domain.access import KEYS, Access
from app.domain.source import Body, Item, Query
from app.errors import BadInput, NotFound
from app.retrieval.sources.described import Described
from app.retrieval.sources.rights import carried
from app.store.foreign import Rows

NEEDED = ("path", "content")
LISTED = ("title", "media_type", "language", "effective_on", "supersedes")
MEDIA_TYPE = "text/markdown"


@dataclass(frozen=True, slots=True)
class QueryReader(Described[Query]):
    """Lists and reads the rows of a query."""

    rows: Rows

    async def items(self) -> AsyncIterator[Item]:
        """List the rows, without their content. Raises BadInput for missing columns, SourceFailed."""
        there = await self.rows.columns()
        needed = (*NEEDED, "readers") if self.source.rights == "columns" else NEEDED
        if missing := [name for name in needed if name not in there]:
            raise BadInput(f"The query of the source {self.name!r} gives no column {', '.join(missing)}.")
        wanted = [f"q.{name}" for name in ("path", *LISTED, *KEYS) if name in there]
        # Without a version of its own a row is as new as its content.
        wanted.append("q.version::text AS version" if "version" in there else "md5(q.content) AS version")
        async for page in self.rows.pages(wanted):
            for row in page:
                yield self._item(row)

    async def read(self, path: str, known: str) -> Body | None:
        """Give the content of a row. Raises NotFound when it is gone, SourceFailed."""
        row = await self.rows.at(path)
        if row is None:
            raise NotFound(f"The row {path} is gone.")
        content = row["content"] or ""
        body = content.encode() if isinstance(content, str) else bytes(content)
        return Body(body, "row", row.get("media_type") or MEDIA_TYPE)

    def _item(self, row: Mapping[str, Any]) -> Item:
        path = str(row["path"])
        rights = self.source.rights
        access, note = (rights, "") if isinstance(rights, Access) else carried(path, row, self.levels)
        said = {name: row[name] for name in LISTED if row.get(name)}
        return Item(path, access, version=row["version"] or "", note=note, **said)
