"""Where documents come from: what an item of a source is, the sources that come along, and the form of one's own.

A shipped source is a description; app/retrieval/sources reads it. One's own is any object of the form `Source`.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

from app.domain.access import Access


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that a source lists; without its bytes, so that a list of any length can be kept.

    `path` names it within the source, for ever: the document's id comes from it. `access` None: nobody is named, so
    nobody reads it, and `note` says why. The same `version` means unchanged bytes; "" means that only reading tells.
    """

    path: str
    access: Access | None
    title: str = ""
    media_type: str = ""
    version: str = ""
    language: str = ""
    effective_on: date | None = None
    supersedes: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Body:
    """The bytes of an item, and what only they tell; a `filename` without suffix leaves the format to `media_type`."""

    content: bytes
    filename: str = ""
    media_type: str = ""
    version: str = ""
    title: str = ""
    language: str = ""


@runtime_checkable
class Source(Protocol):
    """Where documents come from; write a class of this form in usecases/<name>/sources.py for a system of your own."""

    @property
    def name(self) -> str:
        """Name the source, within its use case and for ever."""
        ...

    @property
    def every(self) -> timedelta | None:
        """Say how often it is read without being asked; None: only when asked."""
        ...

    def items(self) -> AsyncIterator[Item]:
        """List everything that is there now; what is not listed any more is removed.

        Raise when the list may be incomplete: then nothing is removed.
        """
        ...

    async def read(self, path: str, known: str) -> Body | None:
        """Give the bytes of an item; None when they are still those of the version `known` ("": none is known).

        Raise app.sdk.NotFound when it is gone, app.sdk.Unreadable with the reason when it can never be read.
        """
        ...


@dataclass(frozen=True, slots=True)
class ReadersFile:
    """A readers.toml: a `Path` on this machine, or the key of an object inside the bucket."""

    path: Path | str


Rights = Access | ReadersFile | Literal["tags", "metadata", "columns"]


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of documents; `readers_file` (TOML) says who may read each."""

    name: str
    folder: Path
    readers_file: Path
    every: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Bucket:
    """The objects of an S3-compatible bucket whose keys begin with `prefix`.

    `rights`: one Access for all, a ReadersFile, or "tags" or "metadata" of each object. `key_env` and `secret_env` name
    environment variables; without them the usual places are asked (role of the task, profile).
    """

    name: str
    bucket: str
    rights: Rights
    prefix: str = ""
    endpoint_url: str = ""
    region: str = ""
    key_env: str = ""
    secret_env: str = ""
    every: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Web:
    """Pages, and those that `sitemap` lists; only hosts that stand in `pages`, `sitemap` or `hosts` are ever asked.

    `rights`: one Access for all, or a ReadersFile over addresses. `internal` allows addresses of a private network.
    """

    name: str
    rights: Rights
    pages: tuple[str, ...] = ()
    sitemap: str = ""
    hosts: tuple[str, ...] = ()
    internal: bool = False
    most_pages: int = 10_000
    every: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Query:
    """The rows of a PostgreSQL query with the columns `path` and `content`; the variable `url_env` holds the address.

    Also read when there: title, media_type, version, language, effective_on, supersedes. `rights`: one Access for all,
    or "columns": readers, denied, classification, regions.
    """

    name: str
    url_env: str
    sql: str = field(repr=False)
    rights: Rights = "columns"
    every: timedelta | None = None


AnySource = Folder | Bucket | Web | Query | Source
