"""Why a search did not find a document: one question after the other, in the order in which the search meets them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal
from uuid import UUID

from app.domain.ruling import Ruling
from app.domain.turn import Considered, Retrieval
from app.retrieval.sift import CUT
from app.store.documents import Document
from app.store.inspection import Listed, Near, Piece, Wording

Step = Literal["exists", "ingested", "in force", "may read", "words", "vector", "kept"]
# The stage whose scores say most about the order in the end stands first.
DECIDING = ("rerank", "fused", "covered", "words", "vector")


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to one question; `cure` says what would change it, and is empty when all is well."""

    step: Step
    good: bool
    said: str
    cure: str = ""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What stands between a question and a document; `reason` is the first thing that does, empty when it was found."""

    name: str
    found: bool
    reason: str
    verdicts: tuple[Verdict, ...]
    id: UUID | None = None
    title: str = ""
    path: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class Examined:
    """A document with all that was looked up about it; `pieces` are those that were asked about."""

    document: Document
    usecase: str
    ruling: Ruling
    pieces: Sequence[Piece]
    wordings: Mapping[int, Wording] = field(default_factory=dict)
    near: Mapping[int, Near] = field(default_factory=dict)
    without_vectors: str = ""


def missing(name: str, *, usecase: str, sources: Sequence[str]) -> Diagnosis:
    """Say that nothing of this name is there."""
    there = f"its sources are {', '.join(sources)}" if sources else "it has no source"
    cure = f"add it to a source of {usecase} ({there}) and run `app ingest`, or send it as a file"
    said = "no document has this id, path or title, in any use case"
    verdicts = (Verdict("exists", good=False, said=said, cure=cure),)
    return Diagnosis(name, found=False, reason=said, verdicts=verdicts)


def waiting(name: str, listed: Listed) -> Diagnosis:
    """Say that a source lists it, and that it has not been read."""
    there = Verdict("exists", good=True, said=f"the source {listed.source} lists {listed.path}")
    tried = f"; tried {listed.tries} times" if listed.tries else ""
    said = f"{listed.outcome or 'it waits to be read'}{tried}{f': {listed.detail}' if listed.detail else ''}"
    cure = "see whether the job of its source goes on (Jobs), or read the source again: `app ingest`"
    return Diagnosis(
        name,
        found=False,
        reason=said,
        verdicts=(there, Verdict("ingested", good=False, said=said, cure=cure)),
        path=listed.path,
        source=listed.source,
    )


def diagnosis(name: str, found: Examined, search: Retrieval | None) -> Diagnosis:
    """Go through the questions; a question that makes the later ones pointless ends it."""
    facts, verdicts = found.document.facts, []
    for judge in (_exists, _ingested, _in_force, _may_read, _words, _vector):
        verdict = judge(found)
        if verdict is None:
            continue
        verdicts.append(verdict)
        if not verdict.good and verdict.step in ("exists", "ingested"):
            break
    else:
        verdicts.append(_kept(found, search))
    reason, is_found = _reason(verdicts), verdicts[-1].step == "kept" and verdicts[-1].good
    place = (found.document.id, facts.title, facts.path, facts.source)
    return Diagnosis(name, is_found, reason, tuple(verdicts), *place)


def _reason(verdicts: Sequence[Verdict]) -> str:
    if verdicts[-1].step == "kept" and verdicts[-1].good:
        return ""
    # That other words or vectors would be nearer is no reason while something else keeps it out.
    bad = [each for each in verdicts if not each.good]
    return next((each.said for each in bad if each.step not in ("words", "vector")), bad[0].said)


def _exists(found: Examined) -> Verdict:
    facts = found.document.facts
    if facts.usecase != found.usecase:
        said = f"it belongs to {facts.usecase}; {found.usecase} searches its own documents only"
        return Verdict("exists", good=False, said=said, cure=f"add it to a source of {found.usecase} as well")
    return Verdict("exists", good=True, said=f"{facts.title}, {facts.path} of the source {facts.source}")


def _ingested(found: Examined) -> Verdict:
    document = found.document
    if document.status != "ready":
        cure = "correct the file where it comes from, and read the source again: `app ingest`"
        return Verdict("ingested", good=False, said=f"{document.status}: {document.detail}", cure=cure)
    if not found.pieces:
        said = "it was read, and there is no such passage in it"
        return Verdict("ingested", good=False, said=said, cure="look into the file: is there text in it?")
    note = f"; {document.detail}" if document.detail else ""
    moment = document.updated_at.strftime("%Y-%m-%d %H:%M UTC")
    many = len(found.pieces)
    said = f"read {moment}, {many} passage{'' if many == 1 else 's'} looked at{note}"
    return Verdict("ingested", good=True, said=said)


def _in_force(found: Examined) -> Verdict:
    if found.document.facts.superseded:
        cure = "ask for what the newer version says, or take `superseded` off where the document comes from"
        return Verdict("in force", good=False, said="a newer version supersedes it: searches leave it out", cure=cure)
    return Verdict("in force", good=True, said="nothing supersedes it")


def _may_read(found: Examined) -> Verdict:
    return Verdict("may read", good=found.ruling.allowed, said=found.ruling.said, cure=found.ruling.cure)


def _words(found: Examined) -> Verdict | None:
    if not found.wordings:
        return None
    best = max(found.wordings.values(), key=lambda wording: len(wording.matched))
    lacking = [word for word in best.wanted if word not in best.matched]
    if not best.matched:
        asked = ", ".join(best.wanted) or "none"
        cure = "ask in the document's own words, or write the words that people use into it, best into a heading"
        return Verdict("words", good=False, said=f"shares none of the question's words ({asked})", cure=cure)
    rest = f"; it lacks {', '.join(lacking)}" if lacking else ""
    return Verdict("words", good=True, said=f"shares {', '.join(best.matched)}{rest}")


def _vector(found: Examined) -> Verdict | None:
    if found.without_vectors:
        said = f"words alone were searched: {found.without_vectors}"
        return Verdict("vector", good=False, said=said, cure="have the embedding model answer (config/models.toml)")
    if not found.near:
        said = "it has no vector in the space that is searched yet"
        return Verdict("vector", good=False, said=said, cure="wait for the job of the kind embed, or start one")
    best = min(found.near.values(), key=lambda near: near.distance)
    said = f"distance {best.distance:.3f} in {best.space}, place {best.place} of what the person may read"
    if best.distance < 1:
        return Verdict("vector", good=True, said=said)
    cure = "the vectors have nothing in common: an embedding model that knows meaning may see more"
    return Verdict("vector", good=False, said=said, cure=cure)


def _kept(found: Examined, search: Retrieval | None) -> Verdict:
    if search is None:
        cure = f"set retrieval.enabled in the contract of {found.usecase}"
        return Verdict("kept", good=False, said="this use case looks nothing up", cure=cure)
    ids = {piece.id for piece in found.pieces}
    mine = [each for each in search.considered if each.chunk_id in ids]
    kept = [each for each in mine if each.kept]
    if kept:
        order = [each.chunk_id for each in search.considered if each.kept]
        place = min(order.index(each.chunk_id) for each in kept) + 1
        return Verdict("kept", good=True, said=f"found: place {place} of the {len(order)} passages that went on")
    if mine:
        return _cut(max(mine, key=_deciding), search, found)
    return _beyond(found, search)


def _cut(best: Considered, search: Retrieval, found: Examined) -> Verdict:
    said = f"{best.because or 'cut'}{_by_how_much(best, search)}"
    return Verdict("kept", good=False, said=said, cure=_cure(best.because, found))


def _by_how_much(best: Considered, search: Retrieval) -> str:
    """Compare with what was needed: a share of the best score, or the place of the last that was kept."""
    kept = [each for each in search.considered if each.kept]
    if best.because.startswith("scores below"):
        own, needed = _score(best), CUT * max(map(_score, kept), default=0.0)
        return f": it has {own:.3g}, and needs {needed:.3g}"
    stage = next((stage for stage in ("rerank", "fused") if stage in best.scores), "")
    others = [each.scores[stage] for each in kept if stage in each.scores]
    return f": {stage} {best.scores[stage]:.4g}, the least that was kept has {min(others):.4g}" if others else ""


def _score(each: Considered) -> float:
    return each.scores.get("rerank", each.scores.get("covered", 0.0))


def _cure(because: str, found: Examined) -> str:
    contract = f"usecases/{found.usecase}/contract.toml"
    for mark, cure in (
        ("min_score", f"lower retrieval.min_score in {contract}, or ask more precisely"),
        ("instructions", "have the author take out what reads like an instruction to an AI"),
        ("same text", "nothing: the same text went on from another passage"),
        ("retrieval.passages", f"raise retrieval.passages in {contract}, or ask more precisely"),
        ("retrieval.max_tokens", f"raise retrieval.max_tokens in {contract}, or ask more precisely"),
    ):
        if mark in because:
            return cure
    return "ask with more of the document's own words; rare ones count most"


def _beyond(found: Examined, search: Retrieval) -> Verdict:
    if not found.ruling.allowed:
        said = "never looked at: the filter by rights left it out"
        return Verdict("kept", good=False, said=said, cure=found.ruling.cure)
    if found.document.facts.superseded:
        return Verdict("kept", good=False, said="never looked at: searches leave superseded documents out")
    said = f"not among the {len(search.considered)} candidates that words and vectors named"
    cure = "ask with more of the document's own words; rare ones count most"
    return Verdict("kept", good=False, said=said, cure=cure)


def _deciding(each: Considered) -> tuple[float, ...]:
    return tuple(each.scores.get(stage, -1.0) for stage in DECIDING)
