"""The sample corpus, read as the service reads it: questions find the passage that answers them."""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest

from app.domain.identity import Principal
from app.domain.job import Job
from app.retrieval.embed import LexicalEmbedder
from app.retrieval.reading import ReadingRoom
from app.retrieval.search import Searcher
from app.store.db import Database
from tests.work.sources import ingestion_of, job, usecase_over

SAMPLE = Path(__file__).parents[2] / "usecases" / "policy_answers" / "sample"
NAME = f"sample_{uuid4().hex}"

pytestmark = pytest.mark.skipif(not SAMPLE.is_dir(), reason="the example use case was removed")

QUESTIONS = [
    ("How many days of annual leave do I get in Galway?", "", "handbook/annual-leave-2026.md", "25 days"),
    ("How much leave do people in Rotterdam get?", "", "handbook/annual-leave-netherlands.md", "27 days"),
    ("How much notice do I need for an absence of 12 days?", "", "handbook/annual-leave-2026.md", "6 weeks"),
    ("What is the hotel limit in London?", "", "handbook/travel-policy-2026.pdf", "EUR 210"),
    ("May I fly business class?", "", "handbook/travel-policy-2026.pdf", "longer than 8 hours"),
    ("What is the per diem in Norway?", "", "finance/per-diem-rates-2026.csv", "82"),
    ("How many days may I work from home in Ireland?", "", "handbook/remote-work-ireland.html", "3 days a week"),
    ("How large is the home office allowance in Ireland?", "", "handbook/remote-work-ireland.html", "EUR 400"),
    ("How long is parental leave for the primary carer in Galway?", "", "handbook/parental-leave.docx", "18 weeks"),
    ("Where is the assembly point in Galway?", "", "handbook/visitor-rules-galway.txt", "north car park"),
    ("Why does the wiper of the TW-450 squeak?", "", "customers/forum-export-2026-04.txt", "vinegar"),
    ("What is the list price of the TW-450?", "sales", "sales/price-list-2026.csv", "6900"),
    ("What margin does a Silver partner receive?", "sales", "sales/partner-terms.pdf", "18 percent"),
    (
        "Which pH buffers are used to calibrate the TW-450?",
        "engineering",
        "engineering/calibration-procedure-tw450-r7.pdf",
        "pH 4",
    ),
    (
        "When must the last order for the LV-860A reach Lumiva?",
        "engineering",
        "engineering/supplier-note-optics.html",
        "31 August 2026",
    ),
    ("How many roles does the reorganisation put at risk?", "hr", "hr/reorganisation-plan.docx", "9 roles"),
]


@pytest.fixture(scope="session")
async def corpus(database_url: str, reading_room: ReadingRoom) -> AsyncIterator[dict[str, object]]:
    database = Database(database_url, role="app_ingest")
    case = usecase_over(SAMPLE / "documents", SAMPLE / "readers.toml", name=NAME)
    result = await ingestion_of(database, reading_room, case).run(_job(), _nothing)
    yield result
    await database.close()


def _job() -> Job:
    return job("ingest", usecase=NAME, source="files")


async def _nothing(done: int, total: int, path: str) -> None: ...


@pytest.mark.usefixtures("corpus")
@pytest.mark.parametrize(("question", "group", "path", "words"), QUESTIONS)
async def test_question_finds_its_passage(reading: Database, question: str, group: str, path: str, words: str) -> None:
    who = Principal("ada", groups=(group,) if group else ())
    found = await Searcher(reading, LexicalEmbedder()).search(question, principal=who, usecase=NAME, limit=5)
    assert any(passage.uri == path and words in passage.text for passage in found), [p.uri for p in found]


@pytest.mark.usefixtures("corpus")
async def test_citations_point_to_the_page(reading: Database) -> None:
    searcher = Searcher(reading, LexicalEmbedder())
    found = await searcher.search("rental cars compact class", principal=Principal("ada"), usecase=NAME, limit=1)
    assert [(passage.title, passage.heading, passage.page) for passage in found] == [
        ("Travel policy 2026", "5. Cars", 2)
    ]


async def test_every_document_of_the_sample_is_readable(corpus: dict[str, object]) -> None:
    assert (corpus["failed"], corpus["unlisted"]) == ([], [])


@pytest.mark.usefixtures("corpus")
async def test_instructions_in_documents_are_flagged_or_left_out(database_url: str) -> None:
    database = Database(database_url, role="app_ingest")
    async with database.work() as work:
        rows = await work.sql(
            "SELECT DISTINCT d.path FROM documents d JOIN chunks c ON c.document_id = d.id"
            " WHERE d.usecase = :usecase AND c.suspicious",
            usecase=NAME,
        )
        flagged = set(rows.scalars())
        rows = await work.sql(
            "SELECT path FROM documents WHERE usecase = :usecase AND detail LIKE 'Hidden%instructions%'", usecase=NAME
        )
        cleaned = set(rows.scalars())
        rows = await work.sql(
            "SELECT count(*) FROM chunks WHERE usecase = :usecase AND NOT suspicious"
            " AND text ~ 'CLEARSTREAM-WINS|LUMIVA-APPROVED-99|TIDE-OVERRIDE-31|HIRE-4471-NOW'",
            usecase=NAME,
        )
        assert rows.scalar_one() == 0
    await database.close()
    assert "customers/forum-export-2026-04.txt" in flagged
    assert cleaned == {
        "sales/battle-card-clearstream.html",
        "engineering/supplier-note-optics.html",
        "hr/candidate-application-4471.docx",
    }
