"""A change of embedding model: built beside what is searched, taken up again after a death, active only when whole."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from app.domain.job import Job
from app.errors import Conflict, ModelFailed, OverBudget
from app.llm import catalog as catalogs
from app.llm.catalog import EmbeddingChoice
from app.retrieval.embed import LexicalEmbedder
from app.retrieval.spaces import Spaces
from app.settings import ROOT, Settings
from app.store import booking, chunks, embedding_jobs, jobs, spaces
from app.store.db import Database
from app.store.door import Rules
from app.store.turnstile import Turnstile
from app.store.vectors_cache import text_hash
from app.wiring.embedding import Embedders
from app.work.embedding import Embedding
from app.work.outbox import Relay
from tests.conftest import make_settings
from tests.fakes.fixtures import RunningVendor

MODEL = "openai:text-embedding-3-small"
OTHER = "openai:text-embedding-3-large"


@dataclass
class Desk:
    """A database of its own with chunks in it, and services over it that name one model or another."""

    url: str
    settings: Settings
    reading: Database
    writing: Database
    opened: list[Embedders]
    limit_usd: Decimal | None = None

    def with_model(self, model: str = "", **choice: Any) -> Embedding:
        known = catalogs.parse(self.settings.config("models"))
        known = known.model_copy(update={"embeddings": EmbeddingChoice(model=model, **choice)})
        embedders = Embedders(known, self.settings, Turnstile(None, rules=Rules(open_s=0.2)))
        self.opened.append(embedders)
        found = Spaces(self.reading, self.writing, embedders.of, limit_usd=lambda _: self.limit_usd)

        relay = Relay(self.reading, None)
        made = Embedding(self.reading, self.writing, found, embedders, relay, texts_per_s=1e6, most_usd=Decimal(9))
        made.wait_s, made.patience_s = 0.05, 0.5
        return made

    async def put(self, *texts: str, usecase: str = "mine") -> list[int]:
        """Store one chunk per text, with vectors of no model."""
        async with self.writing.work() as work:
            acl = await work.sql("INSERT INTO acls (readers) VALUES ('{everyone}') ON CONFLICT DO NOTHING RETURNING id")
            acl_id = acl.scalar() or (await work.sql("SELECT id FROM acls WHERE readers = '{everyone}'")).scalar()
            ids = []
            for text in texts:
                row = {"id": uuid4(), "usecase": usecase, "acl_id": acl_id}
                await work.sql(
                    "INSERT INTO documents (id, usecase, source, path, title, media_type, content_hash, acl_id, status)"
                    " VALUES (:id, :usecase, 'test', cast(:id AS text), 'T', 'text/plain', '', :acl_id, 'ready')",
                    **row,
                )
                made = await work.sql(
                    "INSERT INTO chunks (document_id, usecase, acl_id, ordinal, heading, text)"
                    " VALUES (:id, :usecase, :acl_id, 0, 'T', :text) RETURNING id",
                    **row,
                    text=text,
                )
                ids.append(made.scalar_one())
            if any(space.name == LexicalEmbedder.name for space in await spaces.live(work)):
                rows = await LexicalEmbedder().embed(texts)
                await chunks.add_vectors(work, 1, dict(zip(ids, rows, strict=True)))
        return ids

    async def job(self, id: UUID | None = None) -> Job:
        """Give the newest job, or this one."""
        async with self.reading.work() as work:
            found = await jobs.listed(work, user_id=None)
            return next(job for job in found if id in (None, job.id))

    async def run(self, embedding: Embedding, job: Job | None = None, *, stop_after: int = 0) -> dict[str, Any]:
        """Run a job as a worker would; dies after so many reports."""
        seen = 0

        async def report(done: int, total: int, path: str) -> None:
            nonlocal seen
            seen += 1
            if seen == stop_after:
                raise KeyboardInterrupt

        job = job or await self.job()
        result = await embedding.run(job, lambda: None, report)
        await self.finish(job, "succeeded")
        return result

    async def statuses(self) -> dict[str, str]:
        async with self.writing.work() as work:
            return {each.space.name: each.space.status for each in await spaces.every(work)}

    async def vectors(self, name: str) -> int:
        async with self.writing.work() as work:
            return next(each.vectors for each in await spaces.every(work) if each.space.name == name)

    async def finish(self, job: Job, status: str = "failed") -> None:
        async with self.reading.work() as work:
            await work.sql(
                "UPDATE jobs SET status = :status, finished_at = now() WHERE id = :id", id=job.id, status=status
            )


@pytest.fixture
async def desk(database_copy: str, redis_url: str, vendor: RunningVendor) -> AsyncIterator[Desk]:
    known = {"openai_api_key": "k", "openai_base_url": f"{vendor.url}/v1", "config_dir": ROOT / "config"}
    settings = make_settings(database_copy, redis_url, **known)
    reading, writing = Database(database_copy), Database(database_copy, role="app_ingest")
    made = Desk(database_copy, settings, reading, writing, [])
    yield made
    for each in made.opened:
        await each.aclose()
    await reading.close()
    await writing.close()


def sent(vendor: RunningVendor) -> list[str]:
    return [text for request in vendor.requests for text in request["input"]]


async def test_the_first_model_finds_its_space_built_and_searched_although_nothing_was_stored_yet(desk, vendor):
    embedding = desk.with_model(MODEL)
    assert await embedding.notice() is not None and await embedding.notice() is None
    assert await desk.run(embedding) == {"space": MODEL, "chunks": 0, "calls": 1, "tokens": 1, "cost_usd": "0.00000002"}
    assert await desk.statuses() == {MODEL: "active", "lexical-1": "retired"} and sent(vendor) == ["text"]
    assert (await desk.with_model(MODEL).spaces.question("doors")).vector.shape == (256,)


@pytest.mark.proves("CST-1", "CST-3")
async def test_a_new_space_is_searched_only_once_it_is_whole_and_each_call_is_in_the_ledger(desk, vendor):
    await desk.put("opening doors", "the door opens", "a budget")
    await desk.put("another use case", usecase="other")
    embedding = desk.with_model(MODEL)
    await embedding.notice()
    assert (await embedding.spaces.question("doors")).space == "lexical-1"
    assert await embedding.start("ada", "a test") is None, "it is queued already"
    job = await desk.job()
    assert job.kind == "embed" and job.total == 4 and job.input["estimate"]["chunks"] == 4

    result = await desk.run(embedding)

    assert result["chunks"] == 4 and await desk.statuses() == {MODEL: "active", "lexical-1": "retired"}
    assert (await embedding.spaces.question("doors")).space == MODEL
    async with desk.reading.work() as work:
        made = await work.sql("SELECT * FROM calls WHERE job_id = :id ORDER BY started_at, id", id=job.id)
        rows = list(made.mappings())
        budgets = await work.sql("SELECT name, spent FROM budgets WHERE kind = 'usecase' ORDER BY name")
        spent = {row.name: row.spent for row in budgets}
    assert [row["usecase"] for row in rows] == ["", "mine", "other"]
    assert {(row["user_id"], row["purpose"], row["model"], row["price"]) for row in rows} == {
        ("service", "embed", "text-embedding-3-small", "list")
    }
    bill = vendor.bill()["models"]["text-embedding-3-small"]
    # The last call is the question's, which stands on the tape of its turn.
    assert sum(row["input_tokens"] for row in rows) + 1 == bill["input_tokens"] and bill["calls"] == 4
    assert spent == {row["usecase"]: row["cost_usd"] for row in rows if row["usecase"]}


@pytest.mark.proves("REL-9")
async def test_who_takes_over_goes_on_where_the_last_one_died_and_pays_nothing_twice(desk, vendor, monkeypatch):
    monkeypatch.setattr("app.work.embedding.AT_ONCE", 2)
    await desk.put(*(f"text number {number}" for number in range(7)))
    embedding = desk.with_model(MODEL)
    await embedding.notice()
    with pytest.raises(KeyboardInterrupt):
        await desk.run(embedding, stop_after=2)
    assert await desk.vectors(MODEL) == 4 and (await desk.statuses())[MODEL] == "building"
    assert (await embedding.spaces.question("text")).space == "lexical-1", "half a space is never searched"

    assert (await desk.run(desk.with_model(MODEL)))["chunks"] == 3
    assert await desk.vectors(MODEL) == 7 and (await desk.statuses())[MODEL] == "active"
    assert sorted(sent(vendor)) == sorted(["text", *(f"T\ntext number {number}" for number in range(7))])


@pytest.mark.proves("CST-5")
async def test_what_was_embedded_before_costs_nothing_also_after_its_space_is_gone(desk, vendor):
    await desk.put("doors", "gates")
    first = desk.with_model(MODEL)
    await first.notice()
    await desk.run(first)
    back = desk.with_model("")
    await back.notice()
    await desk.run(back)
    assert await desk.statuses() == {"lexical-1": "active", MODEL: "retired"}
    assert await back.retire(MODEL, "ada", "a test") and await desk.statuses() == {"lexical-1": "active"}

    asked = len(sent(vendor))
    again = desk.with_model(MODEL)
    await again.notice()
    assert (await desk.run(again))["chunks"] == 2 and await desk.statuses() == {MODEL: "active", "lexical-1": "retired"}
    assert sent(vendor)[asked:] == ["text"], "only the length of its vectors was asked for"


async def test_documents_that_come_meanwhile_are_in_both_spaces_and_keep_the_new_one_whole(desk, vendor):
    await desk.put("doors")
    embedding = desk.with_model(MODEL)
    await embedding.notice()
    asked = []

    async def report(done, total, path):
        asked.append((await embedding.spaces.question("doors")).space)
        if len(asked) == 1:
            embedding.spaces.forget()
            (id,) = await desk.put("gates")
            payer = booking.Payer(job.id, "mine", "ada")
            vectors = await embedding.spaces.passages(["T\ngates"], payer)
            assert sorted(len(rows[0]) for rows in vectors.values()) == [256, 384]
            async with desk.writing.work() as work:
                for space in await spaces.live(work):
                    await chunks.add_vectors(work, space.id, {id: vectors[space.id][0]})
            await desk.put("windows")

    job = await desk.job()
    await embedding.run(job, lambda: None, report)
    assert set(asked) == {"lexical-1"}
    assert await desk.vectors(MODEL) == 3 and sent(vendor).count("T\ngates") == 1


@pytest.mark.proves("REL-7", "REL-9")
async def test_a_model_that_does_not_answer_leaves_the_old_space_searched_and_is_tried_again(desk, vendor):
    await desk.put("doors")
    vendor.will("500*")
    embedding = desk.with_model(MODEL)
    await embedding.notice()
    job = await desk.job()
    with pytest.raises(ModelFailed, match="gives no vectors"):
        await desk.run(embedding, job)
    assert await desk.statuses() == {"lexical-1": "active"}
    sought = await embedding.spaces.question("doors")
    assert sought.space == "lexical-1" and sought.vector is not None
    await desk.finish(job)
    await embedding.look()
    assert (await desk.job()).id == job.id, "not at once"
    embedding.again_s = 0.0
    embedding.looked_at = -1000.0
    vendor.state.plan.clear()
    await asyncio.sleep(0.3)
    await embedding.look()
    assert (await desk.job()).id != job.id
    await desk.run(embedding)
    assert (await desk.statuses())[MODEL] == "active"


@pytest.mark.proves("REL-9")
async def test_a_passage_whose_model_was_away_is_filled_in_later(desk, vendor):
    embedding = desk.with_model(MODEL)
    await embedding.notice()
    await desk.run(embedding)
    vendor.will("500*")
    await desk.put("doors")
    payer = booking.Payer(uuid4(), "mine", "ada")
    assert await embedding.spaces.passages(["T\ndoors"], payer) == {}
    vendor.state.plan.clear()
    await asyncio.sleep(0.3)
    await desk.finish(await desk.job())
    embedding.again_s = 0.0
    embedding.looked_at = -1000.0
    await embedding.look()
    assert (await desk.run(embedding))["chunks"] == 1 and await desk.vectors(MODEL) == 1


@pytest.mark.proves("REL-2", "LAT-5")
async def test_a_question_whose_model_is_away_goes_by_words_and_says_why(desk, vendor):
    embedding = desk.with_model(MODEL)
    await embedding.notice()
    await desk.run(embedding)
    vendor.will("500*")
    sought = await embedding.spaces.question("doors")
    assert (sought.space, sought.vector) == (MODEL, None) and "500 from the vendor" in sought.because
    keyless = replace(
        desk, settings=desk.settings.model_copy(update={"openai_api_key": type(desk.settings.openai_api_key)("")})
    )
    embedding = keyless.with_model(MODEL)
    assert (await embedding.spaces.question("doors")).because.startswith("the embedding model of the space")
    assert await embedding.notice() is None, "without a key nothing is changed"


async def test_another_model_has_another_space_beside_it_and_one_can_go_back(desk, vendor):
    await desk.put("doors")
    first = desk.with_model(MODEL)
    await first.notice()
    await desk.run(first)
    second = desk.with_model(OTHER, dimensions=32)
    await second.notice()
    assert (await second.spaces.question("doors")).vector.shape == (256,), "the older model is still asked"
    await desk.run(second)
    name = f"{OTHER}/32"
    assert await desk.statuses() == {MODEL: "retired", "lexical-1": "retired", name: "active"}
    assert (await second.spaces.question("doors")).vector.shape == (32,)

    await desk.put("gates")
    back = await second.activate(MODEL, "ada", "a test")
    assert back is not None and (await second.spaces.question("doors")).space == name
    await desk.run(second, await desk.job(back))
    assert (await second.spaces.question("doors")).space == MODEL
    assert await desk.with_model(OTHER, dimensions=32).notice() is None, "the next process does not overrule it"
    assert await second.activate(MODEL, "ada", "a test") is None


async def test_a_process_that_still_runs_with_the_older_configuration_does_not_overrule_the_newer_one(desk):
    await desk.put("doors")
    older = desk.with_model("")
    assert await older.notice() is None
    newer = desk.with_model(MODEL)
    await newer.notice()
    await older.look()
    # The older one's worker does the job of the newer one.
    await desk.run(older)
    older.looked_at = -1000.0
    await older.look()
    assert await desk.statuses() == {MODEL: "active", "lexical-1": "retired"}
    assert (await older.spaces.question("doors")).space == MODEL


async def test_a_space_that_is_given_up_ends_its_job_and_the_searched_one_cannot_be_given_up(desk):
    await desk.put("doors")
    embedding = desk.with_model(MODEL)
    await embedding.notice()

    async def report(done, total, path):
        await embedding.retire(MODEL, "ada", "a test")

    with pytest.raises(Conflict, match=r"given up|not being built"):
        await embedding.run(await desk.job(), lambda: None, report)
    with pytest.raises(Conflict, match="activate another"):
        await embedding.retire("lexical-1", "ada", "a test")
    assert await desk.statuses() == {"lexical-1": "active", MODEL: "retired"}


@pytest.mark.proves("CST-2")
async def test_a_month_that_is_used_up_buys_no_vectors(desk, vendor):
    await desk.put("doors")
    desk.limit_usd = Decimal(0)
    embedding = desk.with_model(MODEL)
    await embedding.notice()
    with pytest.raises(OverBudget, match="used up: mine"):
        await desk.run(embedding)
    assert sent(vendor) == ["text"] and (await desk.statuses())[MODEL] == "building"


@pytest.mark.proves("CST-2")
async def test_a_change_that_is_too_dear_waits_for_an_operator(desk):
    await desk.put("word " * 10_000)
    embedding = desk.with_model(MODEL)
    embedding.most_usd = Decimal("0.0001")
    estimate = await embedding.estimate(MODEL)
    assert 10_000 < estimate.tokens < 20_000 and Decimal("0.0002") < estimate.cost_usd < Decimal("0.0004")
    assert await embedding.notice() is None
    async with desk.reading.work() as work:
        assert await embedding_jobs.wished(work) == "lexical-1"
    assert await embedding.start("ada", "a test") is not None and (await desk.job()).user_id == "ada"


async def test_a_change_takes_its_time(desk):
    await desk.put(*(f"text {number}" for number in range(10)))
    embedding = desk.with_model(MODEL)
    embedding.texts_per_s = 10
    await embedding.notice()
    started = asyncio.get_running_loop().time()
    await desk.run(embedding)
    assert asyncio.get_running_loop().time() - started > 0.9


@pytest.mark.proves("SEC-11")
async def test_what_nobody_needs_any_more_is_forgotten_and_what_is_in_use_is_kept(desk, vendor):
    await desk.put("doors")
    (gone,) = await desk.put("gates")
    embedding = desk.with_model(MODEL)
    await embedding.notice()
    await desk.run(embedding)
    async with desk.writing.work() as work:
        await work.sql("DELETE FROM documents d USING chunks c WHERE c.document_id = d.id AND c.id = :id", id=gone)
        await work.sql("UPDATE embedded_texts SET used_on = current_date - 31")
        await work.sql("UPDATE spaces SET retired_at = now() - interval '31 days' WHERE status = 'retired'")
    await embedding.daily()
    async with desk.writing.work() as work:
        kept = await work.sql("SELECT text_hash FROM embedded_texts")
        assert [bytes(row.text_hash) for row in kept] == [text_hash("T\ndoors")]
    assert await desk.statuses() == {MODEL: "active"}
