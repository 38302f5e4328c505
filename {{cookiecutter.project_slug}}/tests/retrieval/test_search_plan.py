"""How a search goes about it: one trip, the plan that fits, the languages, a reranker, and evidence of all of it."""

from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

import pytest

from app.domain.access import Access
from app.domain.identity import Principal
from app.domain.turn import Tape
from app.retrieval.embed import LexicalEmbedder, Sought
from app.retrieval.search import Asked, Looked, Searcher
from app.retrieval.sift import Bounds
from app.store import documents, search
from app.store.db import Database
from app.store.documents import Content, Facts, Piece
from tests.retrieval.conftest import Write
from tests.retrieval.locks import without_filter

pytestmark = pytest.mark.proves("SEC-4")
Look = Callable[..., Awaitable[Looked]]


class Judge:
    """A reranker that likes one word."""

    def __init__(self, word: str, *, is_away: bool = False) -> None:
        self.word, self.is_away, self.seen = word, is_away, 0

    async def rerank(
        self, question: str, texts: Sequence[str], *, tape: Tape | None = None, until_s: float = 0.0
    ) -> Sequence[float] | None:
        self.seen = len(texts)
        return None if self.is_away else [0.9 if self.word in text else 0.5 for text in texts]

    async def aclose(self) -> None: ...


class Wordless:
    """An embedding model that is away."""

    async def question(self, text: str, *, outside: str = "", tape: Tape | None = None) -> Sought:
        return Sought("lexical-1", None, "the embedding model gave no vector: timeout")


@pytest.fixture
def look(reading: Database, usecase: str) -> Look:
    async def look(question: str, *groups: str, passages: int = 6, searcher: Searcher | None = None) -> Looked:
        asked = Asked(question, Principal("ada", groups=groups), usecase, Bounds(passages, 3000))
        return await (searcher or Searcher(reading, LexicalEmbedder())).look(asked)

    return look


async def store(
    database: Database, usecase: str, path: str, *texts: str, language: str = "", readers: str = "everyone"
) -> UUID:
    vectors = await LexicalEmbedder().embed(texts)
    pieces = tuple(Piece("", None, text, False, {1: vector}) for text, vector in zip(texts, vectors, strict=True))
    facts = Facts(usecase, "test", path, path, Access((readers,)), "text/plain")
    id = documents.document_id(usecase, "test", path)
    async with database.work() as work:
        await documents.save(work, id, facts, Content("hash", pieces, language=language))
    return id


async def chunk_ids(database: Database, id: UUID) -> dict[str, int]:
    async with database.work() as work:
        rows = await work.sql("SELECT id, text FROM chunks WHERE document_id = :id", id=id)
        return {row.text: row.id for row in rows}


async def test_a_search_is_one_trip_to_the_database(
    reading: Database, write: Write, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    await write("a", "The tide table is kept at the harbour office.")
    run, statements = reading._trips.run, []

    async def counted(statement: str, values: tuple[object, ...]) -> object:
        statements.append(statement)
        return await run(statement, values)  # type: ignore[arg-type]

    monkeypatch.setattr(reading._trips, "run", counted)
    monkeypatch.setattr(reading, "work", None)
    assert len((await look("tide table")).passages) == 1
    assert statements == [search.SEARCH]


async def test_the_plan_is_chosen_by_what_the_asker_may_read(
    database_url: str, write: Write, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in range(6):
        await write(f"hr-{place}", f"The tide table number {place}.", readers=("group:hr",))
    await write("open", "The tide table of all.")
    assert await _plan(look("tide table")) == ("exact", 1)
    assert await _plan(look("tide table", "hr")) == ("exact", 7)
    monkeypatch.setattr(search, "SEARCH", without_filter(database_url, few=3, filtered=True))
    assert await _plan(look("tide table")) == ("exact", 1)
    assert await _plan(look("tide table", "hr")) == ("index", 7)


async def _plan(looking: Awaitable[Looked]) -> tuple[str, int]:
    told = (await looking).retrieval
    return told.plan, told.visible_chunks


async def test_a_look_that_finds_only_what_is_hidden_is_followed_by_the_exact_search(
    database_url: str, writing: Database, usecase: str, write: Write, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A look at one chunk, where PostgreSQL would look at 200.
    short = (("TO '200'", "TO '1'"),)
    statement = without_filter(database_url, few=1, filtered=True, swaps=short)
    monkeypatch.setattr(search, "SEARCH", statement)
    near = [f"tide table {place} {place * 7}" for place in range(400)]
    await store(writing, usecase, "forbidden", *near, readers="group:hr")
    for place in range(3):
        await write(f"open-{place}", f"Where the tide goes, {place}: table of harbours.")
    found = await look("tide table")
    assert found.retrieval.plan == "index+exact"
    assert len(found.passages) == 3


async def test_nothing_visible_and_nothing_there_look_the_same(write: Write, look: Look) -> None:
    nothing = await look("tide table")
    await write("hidden", "The tide table.", readers=("group:hr",))
    hidden = await look("tide table")
    for found in (nothing, hidden):
        told = found.retrieval
        assert (found.passages, told.plan, told.visible_chunks, told.considered) == ((), "none", 0, ())


async def test_without_a_vector_the_words_find_passages_and_the_evidence_says_why(
    reading: Database, write: Write, look: Look
) -> None:
    await write("a", "The tide table is kept at the harbour office.")
    await write("b", "Lunch is at noon.")
    found = await look("tide table", searcher=Searcher(reading, Wordless()))
    assert [passage.uri for passage in found.passages] == ["a"]
    assert found.retrieval.plan == "words"
    assert found.retrieval.without_vectors.startswith("the embedding model gave no vector")


async def test_a_question_in_an_unknown_space_is_searched_by_words(reading: Database, write: Write, look: Look) -> None:
    class Elsewhere(LexicalEmbedder):
        name = "unknown-9"

    await write("a", "The tide table is kept at the harbour office.")
    found = await look("tide table", searcher=Searcher(reading, Elsewhere()))
    assert ([passage.uri for passage in found.passages], found.retrieval.plan) == (["a"], "words")


async def test_words_are_stemmed_in_the_language_of_the_document(writing: Database, usecase: str, look: Look) -> None:
    await store(writing, usecase, "de", "Die Verträge der Mitarbeiterinnen liegen im Schrank.", language="german")
    await store(writing, usecase, "en", "The contracts of employees are in the cupboard.")
    assert (await look("Vertrag Mitarbeiterin")).passages[0].uri == "de"
    assert (await look("Vertrag Mitarbeiterin")).passages[0].score == 1.0
    assert (await look("contracted employee")).passages[0].uri == "en"
    # A word that only one of the languages takes for empty still finds the documents of the other.
    await store(writing, usecase, "die", "Old batteries die in the cold.")
    assert (await look("die")).passages[0].uri == "die"


async def test_a_reranker_puts_passages_into_its_order_and_gives_them_their_score(
    reading: Database, write: Write, look: Look
) -> None:
    for place in range(4):
        await write(f"filler-{place}", f"The tide table of harbour {place}.")
    await write("liked", "A table, and much about other things: birch.")
    judge = Judge("birch")
    found = await look("tide table", searcher=Searcher(reading, LexicalEmbedder(), judge))
    assert (found.passages[0].uri, found.passages[0].score, judge.seen) == ("liked", 0.9, 5)
    assert all("rerank" in each.scores for each in found.retrieval.considered)


async def test_without_the_reranker_the_order_is_the_fused_one(reading: Database, write: Write, look: Look) -> None:
    for place in range(4):
        await write(f"filler-{place}", f"The tide table of harbour {place}.")
    plain = await look("tide table")
    away = await look("tide table", searcher=Searcher(reading, LexicalEmbedder(), Judge("x", is_away=True)))
    assert away.passages == plain.passages
    assert all("rerank" not in each.scores for each in away.retrieval.considered)


async def test_evidence_names_what_was_considered_with_scores_and_reasons(write: Write, look: Look) -> None:
    for place in range(4):
        await write(str(place), f"The tide table of harbour {place}.")
    await write("low", "A table stands somewhere; nothing else of interest here.")
    told = (await look("tide table harbour", "sales", passages=2)).retrieval
    assert told.filter == {"names": ["everyone", "group:sales", "user:ada"], "clearance": 0, "regions": []}
    assert (told.subject, told.space, told.plan) == ("tide table harbour", "lexical-1", "exact")
    assert [each.kept for each in told.considered].count(True) == 2
    assert {"words", "covered", "vector", "fused"} <= set(told.considered[0].scores)
    assert {each.because for each in told.considered if not each.kept} == {
        "there are enough better ones (retrieval.passages)",
        "scores below 35% of the best",
    }


async def test_pieces_that_stay_keep_their_ids_and_anchors_when_a_document_is_read_again(
    writing: Database, usecase: str, look: Look
) -> None:
    id = await store(writing, usecase, "a", "One about tides.", "Two about birches.", "Two about birches.")
    before = await chunk_ids(writing, id)
    anchor = (await look("birches")).passages[0].anchor
    await store(writing, usecase, "a", "Zero about the weather.", "Two about birches.", "One about tides.")
    after = await chunk_ids(writing, id)
    assert after["One about tides."] == before["One about tides."]
    assert (await look("birches")).passages[0].anchor == anchor
    async with writing.work() as work:
        await documents.remove(work, [id])
    await store(writing, usecase, "a", "Two about birches.")
    assert (await look("birches")).passages[0].anchor == anchor, "also after it was removed and came back"


async def test_hidden_chunks_change_no_score_on_the_other_side_of_the_crossing(
    database_url: str, write: Write, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "SEARCH", without_filter(database_url, few=0, filtered=True))
    await write("a", "The tide table is kept at the harbour office.")
    await write("b", "Tide gauges are read at noon by the keeper.")
    before = await look("tide table harbour")
    for place in range(30):
        await write(f"secret-{place}", f"Secret tide table {place}, secret harbour.", readers=("group:hr",))
    after = await look("tide table harbour")
    assert after.passages == before.passages
    assert after.retrieval.considered == before.retrieval.considered
    assert after.retrieval.visible_chunks == before.retrieval.visible_chunks
