"""Who may read an item: a readers.toml, or names that the item carries; where nobody is named, nobody reads."""

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.domain.access import KEYS, Access, parse
from app.domain.source import Item
from app.errors import BadInput

Levels = Sequence[str]
# Of the names that an object or a row carries as one text.
SEPARATORS = str.maketrans(",;", "  ")


class Entry(BaseModel):
    """One entry of a readers.toml; a `path` with `*` or `?` speaks for all of that form that have none of their own."""

    model_config = ConfigDict(extra="forbid")

    path: str = Field(min_length=1)
    title: str = ""
    readers: list[str] = Field(min_length=1)
    denied: list[str] = []
    classification: str = ""
    regions: list[str] = []
    language: str = ""
    effective_on: date | None = None
    supersedes: str = ""
    note: str = ""

    @property
    def is_form(self) -> bool:
        """Say whether it speaks for more than one path."""
        return "*" in self.path or "?" in self.path


class _Listing(BaseModel):
    model_config = ConfigDict(extra="forbid")

    document: list[Entry]


@dataclass(frozen=True, slots=True)
class Listing:
    """The entries of a readers.toml with the rights that each gives."""

    exact: Mapping[str, tuple[Entry, Access]]
    forms: Sequence[tuple[Entry, Access]]

    def item(self, path: str, **known: Any) -> Item:
        """Make the item at this path, with the rights of its own entry or of the first form that fits."""
        found = self.exact.get(path) or next((pair for pair in self.forms if fnmatchcase(path, pair[0].path)), None)
        if found is None:
            return Item(path, None, note="no entry of the readers file names it")
        entry, access = found
        said = {name: getattr(entry, name) for name in ("language", "effective_on") if getattr(entry, name)}
        if not entry.is_form:
            said |= {name: getattr(entry, name) for name in ("title", "supersedes") if getattr(entry, name)}
        return Item(path, access, **{**known, **said})


def read_listing(file: Path, levels: Levels) -> Listing:
    """Read a readers.toml of this machine. Raises BadInput when it is unusable, so that nothing is deleted for it."""
    try:
        return parse_listing(file.read_text(encoding="utf-8"), str(file), levels)
    except FileNotFoundError as error:
        raise BadInput(f"{file} is missing: without it nobody may read anything.") from error
    except UnicodeDecodeError as error:
        raise BadInput(f"{file} is not valid TOML: {error}") from error


def parse_listing(text: str, name: str, levels: Levels) -> Listing:
    """Read the text of a readers.toml; `name` says in messages which. Raises BadInput when it is unusable."""
    try:
        entries = _Listing.model_validate(tomllib.loads(text)).document
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"{name} is not valid TOML: {error}") from error
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        raise BadInput(f"{name}: {faults}") from error
    paths = [entry.path for entry in entries]
    if doubles := sorted({path for path in paths if paths.count(path) > 1}):
        raise BadInput(f"{name}: listed twice: {', '.join(doubles)}.")
    pairs = [(entry, _access(entry, name, levels)) for entry in entries]
    return Listing(
        exact={entry.path: (entry, access) for entry, access in pairs if not entry.is_form},
        forms=[pair for pair in pairs if pair[0].is_form],
    )


def carried(path: str, labels: Mapping[str, Any], levels: Levels) -> tuple[Access | None, str]:
    """Give the rights that an item carries as tags, metadata or columns, or None and why there are none."""
    lists = {key: _names(labels.get(key)) for key in KEYS if key != "classification"}
    if not lists["readers"]:
        return None, "it carries no `readers`"
    try:
        return parse({**lists, "classification": str(labels.get("classification") or "")}, levels=levels), ""
    except BadInput as error:
        return None, error.detail


def item_maker(rights: Access | Listing) -> Callable[..., Item]:
    """Give the function that makes the item at a path, under one Access for all or a listing."""
    if isinstance(rights, Listing):
        return rights.item
    return lambda path, **known: Item(path, rights, **known)


def _names(given: Any) -> list[str]:
    if given is None:
        return []
    return given.translate(SEPARATORS).split() if isinstance(given, str) else [str(name) for name in given]


def _access(entry: Entry, name: str, levels: Levels) -> Access:
    try:
        return parse(entry.model_dump(), levels=levels)
    except BadInput as error:
        raise BadInput(f"{name}, {entry.path}: {error.detail}") from error
