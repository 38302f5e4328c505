"""Who can read a document, and what a person can read: the rights algebra, applied to everybody who is known."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from uuid import UUID

from app.domain.access import EVERYONE, Access
from app.domain.identity import Principal
from app.domain.ruling import Rule, ruling
from app.store.documents import Document
from app.store.inspection import Change, Held, Submitter

GROUP = "group:"


@dataclass(frozen=True, slots=True)
class Reader:
    """A known person before a document: whether they may read it, and the rule that decides."""

    user_id: str
    name: str
    allowed: bool
    rule: Rule
    said: str


@dataclass(frozen=True, slots=True)
class Members:
    """A group that a document names, `as` reader or denied, with the known people in it, nesting included."""

    group: str
    denied: bool
    people: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Given:
    """From `at` on the document had this access, given by a job of this kind and person; empty where none is known."""

    at: datetime
    access: Access
    job_id: UUID | None = None
    kind: str = ""
    by: str = ""


@dataclass(frozen=True, slots=True)
class Readers:
    """Who can read a document: the access it carries, since when, and what that means for everybody who is known."""

    id: UUID
    title: str
    usecase: str
    source: str
    path: str
    status: str
    superseded: bool
    access: Access
    everyone: bool
    history: tuple[Given, ...]
    groups: tuple[Members, ...]
    people: tuple[Reader, ...]


@dataclass(frozen=True, slots=True)
class SourceSeen:
    """Of a source's documents, how many a person can read by which names, and how many each rule keeps from them."""

    usecase: str
    source: str
    documents: int
    readable: int
    by: Mapping[str, int]
    kept_out: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Readable:
    """What a person brings, and what it lets them read."""

    user_id: str
    names: tuple[str, ...]
    clearance: str
    regions: tuple[str, ...]
    sources: tuple[SourceSeen, ...]


def readers_of(
    document: Document, history: Sequence[Given], people: Iterable[Principal], *, levels: Sequence[str]
) -> Readers:
    """Apply the rules to everybody who is known; those who may read it stand first."""
    facts, everybody = document.facts, list(people)
    judged = [_reader(facts.access, who, levels) for who in everybody]
    named = [*((name, False) for name in facts.access.readers), *((name, True) for name in facts.access.denied)]
    return Readers(
        id=document.id,
        title=facts.title,
        usecase=facts.usecase,
        source=facts.source,
        path=facts.path,
        status=document.status,
        superseded=facts.superseded,
        access=facts.access,
        everyone=EVERYONE in facts.access.readers,
        history=tuple(history),
        groups=tuple(_members(name, denied, everybody) for name, denied in named if name.startswith(GROUP)),
        people=tuple(sorted(judged, key=lambda reader: (not reader.allowed, reader.user_id))),
    )


def _reader(access: Access, who: Principal, levels: Sequence[str]) -> Reader:
    found = ruling(access, who.claims, levels)
    return Reader(who.user_id, who.name, found.allowed, found.rule, found.said)


def _members(name: str, denied: bool, people: Iterable[Principal]) -> Members:
    return Members(name, denied, tuple(who.user_id for who in people if name in who.claims.names))


def given(change: Change, jobs: Mapping[UUID, Submitter]) -> Given:
    """Say who gave a document its access: the job's submitter, where a job did."""
    job = jobs.get(change.job_id) if change.job_id else None
    return Given(change.at, change.access, change.job_id, job.kind if job else "", job.user_id if job else "")


def readable_by(who: Principal, held: Sequence[Held], *, levels: Sequence[str]) -> Readable:
    """Count what a person can read, source by source; `held` is sorted by use case and source."""
    sources = tuple(
        _source(usecase, source, list(rows), who, levels)
        for (usecase, source), rows in groupby(held, key=lambda row: (row.usecase, row.source))
    )
    claims = who.claims
    cleared = levels[claims.clearance] if claims.clearance < len(levels) else ""
    return Readable(who.user_id, claims.names, cleared, claims.regions, sources)


def _source(usecase: str, source: str, rows: list[Held], who: Principal, levels: Sequence[str]) -> SourceSeen:
    by: Counter[str] = Counter()
    kept_out: Counter[str] = Counter()
    readable = 0
    for row in rows:
        found = ruling(row.access, who.claims, levels)
        if found.allowed:
            readable += row.documents
            by.update(dict.fromkeys(found.names, row.documents))
        else:
            kept_out[found.rule] += row.documents
    return SourceSeen(usecase, source, sum(row.documents for row in rows), readable, dict(by), dict(kept_out))
