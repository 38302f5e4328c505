"""The sources of use cases: what is wrong with one is told at the start, with its cure; secrets have names only."""

import os
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from dotenv import dotenv_values

from app.domain.access import Access
from app.domain.source import AnySource, Bucket, Folder, Query, ReadersFile, Source, Web
from app.domain.usecase import UseCase
from app.errors import BadInput
from app.settings import ROOT
from app.work.ingestion import UPLOADS

# More often than this a source is not looked at.
LEAST_EVERY = timedelta(minutes=1)
_NAME = re.compile(r"^[a-z0-9][a-z0-9_-]{0,49}$")
_ENV = ROOT / ".env"


def secret(name: str) -> str:
    """Give the value of an environment variable, or the one in `.env`; "" when it is not set."""
    return os.environ.get(name) or (dotenv_values(_ENV).get(name) if _ENV.exists() else "") or ""


def faults(usecase: UseCase) -> list[str]:
    """List what is wrong with the sources of a use case, each with file, source and cure."""
    names = [getattr(source, "name", "") for source in usecase.sources]
    found = [f"{name!r} stands there twice; give each source a name of its own" for name in _doubles(names)]
    for source in usecase.sources:
        name = getattr(source, "name", type(source).__name__)
        found += [f"{name}: {fault}" for fault in _of(source)]
    return [f"- {usecase.folder / 'sources.py'}: {fault}" for fault in found]


def _doubles(names: list[str]) -> list[str]:
    return sorted({name for name in names if names.count(name) > 1})


def _of(source: AnySource) -> Iterator[str]:
    if not isinstance(source, Folder | Bucket | Web | Query | Source):
        yield f"{type(source).__name__} is no source; it needs `name`, `every`, `items` and `read` (app.sdk.Source)"
        return
    if not _NAME.match(source.name) or source.name == UPLOADS:
        yield f"name: {source.name!r} is not allowed; use up to 50 of a-z, 0-9, `_`, `-`, and not {UPLOADS!r}"
    if source.every is not None and source.every < LEAST_EVERY:
        yield f"every: {source.every} is too often; the least is {LEAST_EVERY}"
    if isinstance(source, Bucket):
        yield from _bucket(source)
    if isinstance(source, Web):
        yield from _web(source)
    if isinstance(source, Query):
        yield from _query(source)


def _bucket(source: Bucket) -> Iterator[str]:
    if not (isinstance(source.rights, Access | ReadersFile) or source.rights in ("tags", "metadata")):
        yield 'rights: who may read its objects? an Access, a ReadersFile, "tags" or "metadata"'
    if bool(source.key_env) != bool(source.secret_env):
        yield "key_env, secret_env: name both, or none to use the role of the task"


def _web(source: Web) -> Iterator[str]:
    rights = source.rights
    if not (isinstance(rights, Access) or (isinstance(rights, ReadersFile) and isinstance(rights.path, Path))):
        yield "rights: who may read its pages? an Access, or a ReadersFile with a Path"
    if not (source.pages or source.sitemap):
        yield "pages, sitemap: which pages? name some, or a sitemap"
    from app.retrieval.sources.web import hosts

    try:
        hosts(source)
    except BadInput as error:
        yield error.detail


def _query(source: Query) -> Iterator[str]:
    if not (isinstance(source.rights, Access) or source.rights == "columns"):
        yield 'rights: who may read its rows? an Access, or "columns"'
    if not source.url_env:
        yield "url_env: name the environment variable that holds the address of the database"
