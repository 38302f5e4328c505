"""Search finds the passage that answers, prefers what is in force, and says how much of the question it covers."""

from collections.abc import Awaitable, Callable
from datetime import date

import pytest

from app.domain.identity import Principal
from app.domain.turn import Passage
from app.retrieval.embed import LexicalEmbedder
from app.retrieval.search import Searcher
from app.store.db import Database
from tests.retrieval.conftest import Ask, Write

Look = Callable[..., Awaitable[tuple[Passage, ...]]]


@pytest.fixture
def look(reading: Database, usecase: str) -> Look:
    async def look(question: str, limit: int = 6) -> tuple[Passage, ...]:
        searcher = Searcher(reading, LexicalEmbedder())
        return await searcher.search(question, principal=Principal("ada"), usecase=usecase, limit=limit)

    return look


async def test_rare_words_decide(write: Write, ask: Ask) -> None:
    for place in range(8):
        await write(f"filler-{place}", f"The policy on days and the policy on nights, number {place}, policy.")
    await write("wanted", "Sabbaticals follow the policy.")
    assert (await ask("What is the policy on sabbaticals?"))[0] == "wanted"


async def test_score_is_the_share_of_the_question_that_is_covered(write: Write, look: Look) -> None:
    await write("a", "Hotels in London cost at most 210 euros.")
    await write("b", "Trains are booked early.")
    (whole,) = await look("hotels in London")
    assert whole.score == 1.0
    half = (await look("hotels in Ulaanbaatar"))[0]
    assert 0.2 < half.score < 0.6
    assert all(passage.score == 0 for passage in await look("zebra quagga"))


async def test_superseded_documents_are_not_found(write: Write, ask: Ask) -> None:
    await write("old", "The hotel limit is 140 euros.", superseded=True, effective_on=date(2024, 1, 1))
    await write("new", "The hotel limit is 165 euros.", effective_on=date(2026, 1, 1))
    assert await ask("hotel limit") == ["new"]


async def test_doubles_are_shown_once(write: Write, ask: Ask) -> None:
    for place in range(3):
        await write(str(place), "Visitors sign in at the reception and wear a blue badge.")
    assert len(await ask("badge for visitors")) == 1


async def test_passages_that_differ_in_one_word_are_both_shown(write: Write, ask: Ask) -> None:
    await write("yes", "Visitors may enter the lab of building 4 at any time of the day.")
    await write("no", "Visitors may not enter the lab of building 4 at any time of the day.")
    await write("other", "Visitors may enter the lab of building 5 at any time of the day.")
    assert set(await ask("visitors in the lab")) == {"yes", "no", "other"}


async def test_words_of_the_title_find_a_passage(write: Write, ask: Ask) -> None:
    await write("whistleblowing", "Call the number at any hour.")
    assert await ask("whistleblowing") == ["whistleblowing"]


async def test_part_numbers_are_found_however_they_are_typed(write: Write, ask: Ask, look: Look) -> None:
    await write("sonde", "TW-450: EUR 6,900")
    await write("probe", "TW-100: EUR 640")
    for typed in ("TW-450", "tw 450", "price of the TW-450?"):
        assert (await ask(typed))[0] == "sonde"
    assert (await look("tw 450"))[0].score == 1.0


async def test_misspelt_words_still_find_something(write: Write, ask: Ask) -> None:
    await write("wanted", "Calibration certificates are kept for ten years.")
    await write("other", "Lunch is at noon.")
    assert (await ask("calbration certifcates"))[0] == "wanted"


@pytest.mark.parametrize(
    "question",
    [
        "?",
        "",
        "''",
        "\\",
        "a\\'b | & ! <-> :*",
        "\x00",
        "the of",
        "x" * 4000,
        "a'b' 'c",
        "see http://x.example/a'b\\c?d='e'",
        "%s :names {}",
    ],
)
async def test_no_question_breaks_the_statement(write: Write, ask: Ask, question: str) -> None:
    await write("a", "Some text about a\\'b and c.")
    assert len(await ask(question)) <= 10


async def test_at_most_the_wanted_number_comes_back(write: Write, look: Look) -> None:
    for word in ("alder", "birch", "cedar", "elder", "hazel", "maple", "olive", "rowan"):
        await write(word, f"The tree {word} grows in {word[::-1]} near {word * 2}.")
    assert len(await look("tree", limit=3)) == 3
