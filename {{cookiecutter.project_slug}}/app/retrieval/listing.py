"""The list of a source: which files of its folder are documents, and who may read each."""

import mimetypes
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.domain.usecase import Source
from app.errors import BadInput


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid")

    path: str = Field(min_length=1)
    title: str = Field(min_length=1)
    readers: list[str] = Field(min_length=1)
    effective_on: date | None = None
    supersedes: str = ""
    note: str = ""


class _Listing(BaseModel):
    model_config = ConfigDict(extra="forbid")

    document: list[_Entry]


@dataclass(frozen=True, slots=True)
class Listed:
    """One document of a source; `superseded` when another entry replaces it."""

    path: str
    title: str
    readers: tuple[str, ...]
    effective_on: date | None
    superseded: bool


@dataclass(frozen=True, slots=True)
class Listing:
    """The documents that are there, and the files that nobody may read because no entry names them."""

    documents: tuple[Listed, ...]
    unlisted: list[str]


def read_listing(source: Source) -> Listing:
    """Read the list of a source; raises BadInput when it is unusable, so that a broken list never deletes anything."""
    entries = _entries(source.readers_file)
    paths = [entry.path for entry in entries]
    doubles = sorted({path for path in paths if paths.count(path) > 1})
    outside = [path for path in paths if not (source.folder / path).resolve().is_relative_to(source.folder.resolve())]
    if doubles or outside:
        raise BadInput(
            f"{source.readers_file}: listed twice: {doubles or 'none'}; outside the folder: {outside or 'none'}."
        )
    if not source.folder.is_dir():
        raise BadInput(f"The folder {source.folder} of the source {source.name!r} is not there.")
    files = {path.relative_to(source.folder).as_posix() for path in source.folder.rglob("*") if path.is_file()}
    old = {entry.supersedes for entry in entries if entry.path in files}
    documents = tuple(
        Listed(entry.path, entry.title, tuple(entry.readers), entry.effective_on, entry.path in old)
        for entry in entries
        if entry.path in files
    )
    return Listing(documents, sorted(files - set(paths)))


def bytes_of(source: Source, path: str) -> bytes:
    """Read one file of the source; a file that went away meanwhile reads as empty."""
    try:
        return (source.folder / path).read_bytes()
    except FileNotFoundError:
        return b""


def media_type_of(path: str) -> str:
    """Guess the media type from the file name."""
    return mimetypes.guess_type(path)[0] or "application/octet-stream"


def _entries(path: Path) -> Sequence[_Entry]:
    try:
        found: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        return _Listing.model_validate(found).document
    except FileNotFoundError as error:
        raise BadInput(f"{path} is missing: without it nobody may read anything.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} is not valid TOML: {error}") from error
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        raise BadInput(f"{path}: {faults}") from error
