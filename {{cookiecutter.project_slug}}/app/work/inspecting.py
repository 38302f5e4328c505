"""The operator's looks at documents: who can read one, what a person can read, why a search did not find one.

They see everything, so each needs the permission documents.inspect, asks for a reason and stands in the audit.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from app.domain.access import Claims
from app.domain.identity import Permission, Principal
from app.domain.ruling import ruling
from app.domain.turn import Retrieval, Turn
from app.domain.usecase import UseCase
from app.errors import BadInput, Forbidden, NotFound, quoted
from app.retrieval.embed import Sought
from app.retrieval.search import Questions
from app.retrieval.words import subject
from app.store import audit, documents, evidence, inspection
from app.store.db import Database
from app.store.documents import Document
from app.store.inspection import Around, Near, Piece
from app.turn.retrieve import Retrieve
from app.work.known import Known
from app.work.readers import Given, Readable, Readers, given, readable_by, readers_of
from app.work.why import Diagnosis, Examined, diagnosis, missing, waiting


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, where, and as whom; perhaps about one document, and a passage of it (its place, or its id)."""

    text: str
    usecase: str
    person: str
    groups: tuple[str, ...] = ()
    document: str = ""
    chunk: int | None = None


@dataclass(frozen=True, slots=True)
class Weighed:
    """A passage that the search weighed, by name."""

    chunk_id: int
    document_id: UUID
    title: str
    heading: str
    scores: Mapping[str, float]
    kept: bool
    because: str

    def as_dict(self) -> dict[str, Any]:
        """Give it as a table shows it."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Explanation:
    """A search made as somebody, without a model: with which claims, how, what it weighed, and why it found no more.

    `note` says that this person may not ask here at all, or that the use case looks nothing up.
    """

    usecase: str
    person: str
    note: str
    claims: Claims
    subject: str
    plan: str
    space: str
    visible_chunks: int
    ms: float
    weighed: tuple[Weighed, ...]
    diagnoses: tuple[Diagnosis, ...]


@dataclass(frozen=True, slots=True)
class Inspection:
    """Looks with the rights of the ingestion, which sees every document; searches with those of the person asked as."""

    database: Database
    ingest_database: Database
    known: Known
    usecases: Mapping[str, UseCase]
    retrieve: Retrieve
    questions: Questions

    async def readers(self, who: Principal, document: str, *, because: str) -> list[Readers]:
        """Say who can read a document, named by id, path or title. Raises Forbidden, BadInput, NotFound."""
        reason = _allowed(who, because)
        async with self.ingest_database.work() as work:
            ids = await inspection.named(work, document)
            found = [each for id in ids if (each := await documents.find(work, id))]
            changes = {each.id: await inspection.changes(work, each.id) for each in found}
        await self._note(who, "documents.readers", document, reason, {"documents": [str(each.id) for each in found]})
        if not found:
            raise NotFound(f"No document has the id, path or title {quoted(document)}.")
        everybody = await self.known.everybody()
        given_ = {id: await self._given(history) for id, history in changes.items()}
        levels = self.known.levels
        return [readers_of(each, given_[each.id], everybody, levels=levels) for each in found]

    async def readable(self, who: Principal, person: str, *, because: str, groups: tuple[str, ...] = ()) -> Readable:
        """Say how many documents of each source a person can read, and by which rule. Raises Forbidden, NotFound."""
        reason = _allowed(who, because)
        asked_as = await self.known.called(person, groups=groups)
        async with self.ingest_database.work() as work:
            held = await inspection.held(work)
        await self._note(who, "documents.readable", person, reason, {"groups": list(groups)})
        return readable_by(asked_as, held, levels=self.known.levels)

    async def why(self, who: Principal, question: Question, *, because: str) -> Explanation:
        """Search as somebody, and say what became of a document. Raises Forbidden, BadInput, NotFound."""
        reason = _allowed(who, because)
        case = self.usecases.get(question.usecase)
        if case is None:
            raise NotFound(f"There is no use case {quoted(question.usecase)}; there are: {', '.join(self.usecases)}.")
        asked_as = await self.known.called(question.person, groups=question.groups)
        # The question stays out of the audit, which cannot be forgotten.
        about = {"usecase": case.name, "document": question.document}
        await self._note(who, "documents.why", question.person, reason, about)
        search = await self._search(case, asked_as, question.text)
        return Explanation(
            usecase=case.name,
            person=asked_as.user_id,
            note=_note(case, asked_as),
            claims=asked_as.claims,
            subject=search.subject if search else "",
            plan=search.plan if search else "none",
            space=search.space if search else "",
            visible_chunks=search.visible_chunks if search else 0,
            ms=search.ms if search else 0.0,
            weighed=await self._weighed(search) if search else (),
            diagnoses=await self._diagnoses(case, asked_as, question, search) if question.document else (),
        )

    async def _search(self, case: UseCase, who: Principal, text: str) -> Retrieval | None:
        deadline_s = asyncio.get_running_loop().time() + case.contract.latency.timeout_s
        turn = Turn(usecase=case, principal=who, question=text, channel="evaluation", deadline_s=deadline_s)
        await self.retrieve(turn)
        return turn.tape.retrievals[-1] if turn.tape.retrievals else None

    async def _weighed(self, search: Retrieval) -> tuple[Weighed, ...]:
        async with self.ingest_database.work() as work:
            titles = await evidence.titles(work, {each.document_id for each in search.considered})
            headings = await evidence.headings(work, [each.chunk_id for each in search.considered], titles)
        return tuple(
            Weighed(
                chunk_id=each.chunk_id,
                document_id=each.document_id,
                title=titles.get(each.document_id, ""),
                heading=headings.get(each.chunk_id, ""),
                scores=each.scores,
                kept=each.kept,
                because=each.because,
            )
            for each in sorted(search.considered, key=lambda each: not each.kept)
        )

    async def _diagnoses(
        self, case: UseCase, who: Principal, question: Question, search: Retrieval | None
    ) -> tuple[Diagnosis, ...]:
        name, sought = question.document, await self.questions.question(subject(question.text))
        async with self.ingest_database.work() as work:
            ids = await inspection.named(work, name, usecase=case.name)
            found = [each for id in ids if (each := await documents.find(work, id))]
            listed = None if found else await inspection.listed(work, name, usecase=case.name)
        if listed:
            return (waiting(name, listed),)
        if not found:
            return (missing(name, usecase=case.name, sources=[source.name for source in case.sources]),)
        examined = [await self._examined(case, who, each, question=question, sought=sought) for each in found]
        return tuple(diagnosis(name, each, search) for each in examined)

    async def _examined(
        self, case: UseCase, who: Principal, document: Document, *, question: Question, sought: Sought
    ) -> Examined:
        async with self.ingest_database.work() as work:
            pieces = _asked_about(await inspection.pieces(work, document.id), question.chunk)
            ids = [piece.id for piece in pieces]
            wordings = await inspection.wordings(work, ids, subject=subject(question.text))
            around = Around(case.name, sought.space, sought.vector)
            distances = await inspection.distances(work, ids, around)
        near = {}
        if distances:
            nearest = min(distances, key=distances.__getitem__)
            async with self.database.work(claims=who.claims) as work:
                place = await inspection.place_of(work, distances[nearest], around, claims=who.claims)
            near = {nearest: Near(sought.space, distances[nearest], place)}
        judged = ruling(document.facts.access, who.claims, self.known.levels)
        return Examined(document, case.name, judged, pieces, wordings, near, sought.because)

    async def _given(self, history: list[inspection.Change]) -> list[Given]:
        async with self.database.work() as work:
            jobs = await inspection.submitters(work, {change.job_id for change in history if change.job_id})
        return [given(change, jobs) for change in history]

    async def _note(self, who: Principal, action: str, subject: str, reason: str, about: dict[str, Any]) -> None:
        async with self.database.work() as work:
            await audit.note(work, actor=who.user_id, action=action, subject=subject, reason=reason, after=about)


def _allowed(who: Principal, because: str) -> str:
    if not who.may(Permission.INSPECT_DOCUMENTS):
        raise Forbidden(f"This needs the permission {Permission.INSPECT_DOCUMENTS.value}.")
    if not because.strip():
        said = "Say why you look (`reason`, or `--because`): it is kept in the audit."
        raise BadInput(said, errors=[{"field": "reason", "wrong": "empty"}])
    return because.strip()


def _note(case: UseCase, who: Principal) -> str:
    if not (who.may(Permission.ASK) and case.admits(who)):
        return f"{who.user_id} may not ask {case.name}: its access.groups are {', '.join(case.contract.access.groups)}"
    return "" if case.contract.retrieval.enabled else "this use case looks nothing up: retrieval.enabled is false"


def _asked_about(pieces: list[Piece], wanted: int | None) -> list[Piece]:
    """Give the piece at this place, else that with this id, else all."""
    if wanted is None:
        return pieces
    return [piece for piece in pieces if piece.place == wanted] or [piece for piece in pieces if piece.id == wanted]
