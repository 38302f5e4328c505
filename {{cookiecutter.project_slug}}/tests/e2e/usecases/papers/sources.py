"""A source of one's own: many papers, each slow to fetch; what was fetched is written down."""

import asyncio
import os
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

from app.sdk import Access, Body, Item

AMOUNT = 80
SLOW_S = 0.1


class Papers:
    """Lists papers that everybody may read."""

    name = "papers"
    every: timedelta | None = None

    async def items(self) -> AsyncIterator[Item]:
        """List the papers."""
        for number in range(AMOUNT):
            yield Item(f"paper-{number:03}.md", Access(("everyone",)), title=f"Paper {number}")

    async def read(self, path: str, known: str) -> Body | None:
        """Fetch a paper."""
        await asyncio.to_thread(_note, path)
        await asyncio.sleep(SLOW_S)
        return Body(f"# {path}\n\nThe okapi of {path} eats leaves.".encode())


def _note(path: str) -> None:
    with Path(os.environ["PAPERS_LOG"]).open("a") as log:
        log.write(f"{path}\n")


SOURCES = [Papers()]
