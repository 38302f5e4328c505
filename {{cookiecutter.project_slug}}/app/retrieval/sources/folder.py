"""The files of a folder. They are compared by content: copies and checkouts keep neither times nor sizes apart."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from app.domain.source import Body, Folder, Item
from app.errors import BadInput, NotFound
from app.retrieval.sources.described import Described
from app.retrieval.sources.rights import Listing, read_listing


@dataclass(frozen=True, slots=True)
class FolderReader(Described[Folder]):
    """Lists and reads the files of a folder."""

    async def items(self) -> AsyncIterator[Item]:
        """List every file. Raises BadInput for a readers file that is unusable or names what is outside the folder."""
        listing = await asyncio.to_thread(read_listing, self.source.readers_file, self.levels)
        files = await asyncio.to_thread(self._files, listing)
        for path in files:
            yield listing.item(path)

    async def read(self, path: str, known: str) -> Body | None:
        """Give the bytes of a file. Raises NotFound when it went away."""
        try:
            return Body(await asyncio.to_thread((self.source.folder / path).read_bytes))
        except FileNotFoundError as error:
            raise NotFound(f"The file {path} is gone.") from error

    def _files(self, listing: Listing) -> list[str]:
        folder = self.source.folder
        root = folder.resolve()
        if outside := sorted(path for path in listing.exact if not (folder / path).resolve().is_relative_to(root)):
            raise BadInput(f"{self.source.readers_file}: outside the folder: {', '.join(outside)}.")
        if not folder.is_dir():
            raise BadInput(f"The folder {folder} of the source {self.name!r} is not there.")
        # A link that leads out of the folder is no file of it.
        found = (path for path in folder.rglob("*") if path.is_file() and path.resolve().is_relative_to(root))
        return sorted(path.relative_to(folder).as_posix() for path in found)
