"""A change of embedding model through the public door: found by meaning afterwards, by words meanwhile, paid once."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from shutil import copytree
from typing import Any
from uuid import UUID

import psycopg
import pytest

from app.settings import ROOT, Settings
from app.store import jobs
from app.wiring.service import Service
from tests.api.test_switches import off
from tests.conftest import make_settings
from tests.fakes.fixtures import RunningVendor
from tests.turn.caching import Asking, served, with_model

MODEL = "text-embedding-3-small"
SPACE = f"openai:{MODEL}"
# The fake model puts "receipt" and a word of the text on one place: only its vectors find one by the other.
TEXT = "The farm stays closed on Sundays."
BY_MEANING, BY_WORDS = "receipt", "farm"


@pytest.fixture
def config(tmp_path: Path) -> Callable[[str], Path]:
    """Write a configuration that names this embedding model."""

    def make(line: str = "") -> Path:
        folder = copytree(ROOT / "config", tmp_path / "config", dirs_exist_ok=True)
        models = (ROOT / "config" / "models.toml").read_text()
        (folder / "models.toml").write_text(models.replace("[embeddings]\n", f"[embeddings]\n{line}\n"))
        return folder

    return make


@pytest.fixture
def opened(database_copy: str, redis_url: str, vendor: RunningVendor, config: Callable[[str], Path]) -> Any:
    """Start the service over one database, with one configuration or another."""

    @asynccontextmanager
    async def start(line: str = "") -> AsyncIterator[Asking]:
        settings: Settings = make_settings(database_copy, redis_url, config_dir=config(line))
        async with served(with_model(settings, vendor)) as asking:
            yield asking

    return start


async def ask(asking: Asking, who: dict[str, str], question: str) -> dict[str, Any]:
    return await asking.ask(who, question, usecase="handbook")


async def search_of(asking: Asking, who: dict[str, str], answer: dict[str, Any]) -> dict[str, Any]:
    told = await asking.client.get(f"/v1/turns/{answer['turn_id']}", headers=who)
    search: dict[str, Any] = told.json()["retrieval"][0]
    return search


async def upload(asking: Asking, who: dict[str, str], text: str) -> UUID:
    files = {"file": ("note.md", text.encode())}
    sent = await asking.client.post("/v1/documents", data={"usecase": "handbook"}, files=files, headers=who)
    assert sent.status_code == 202, sent.text
    job_id = UUID(sent.json()["job_id"])
    await asking.service.jobs.run(job_id)
    return job_id


async def embed_job(service: Service) -> UUID:
    async with service.database.work() as work:
        return next(job.id for job in await jobs.listed(work, user_id=None) if job.kind == "embed")


def embedded(vendor: RunningVendor) -> list[str]:
    return [text for request in vendor.requests if "input" in request for text in request["input"]]


@pytest.mark.proves("CST-1", "CST-3")
async def test_what_only_its_meaning_finds_is_found_once_the_new_space_is_whole(opened, as_, vendor):
    who, operator = as_("sam.reyes"), as_("olga.petrov")
    async with opened() as asking:
        await upload(asking, who, TEXT)
        assert (await ask(asking, who, BY_MEANING))["outcome"] == "refused_no_evidence" and not embedded(vendor)

    async with opened(f'model = "{SPACE}"') as asking:
        # The old space answers for as long as the job has not run, which is queued since the start.
        assert "Sundays" in (await ask(asking, who, BY_WORDS))["answer"] and not embedded(vendor)
        job_id = await embed_job(asking.service)
        await asking.service.jobs.run(job_id)
        asking.service.spaces.forget()

        found = await ask(asking, who, BY_MEANING)
        assert found["outcome"] == "answered_model" and "Sundays" in found["answer"], found
        search = await search_of(asking, who, found)
        assert (search["space"], search["without_vectors"]) == (SPACE, "")
        assert [call["purpose"] for call in (await asking.row(found))["calls"]] == ["embed", "answer"]

        upload_id = await upload(asking, who, "The farm opens at nine on Mondays.")
        texts = embedded(vendor)
        assert [text.splitlines()[-1] for text in texts] == [
            "text",
            TEXT,
            BY_MEANING,
            "The farm opens at nine on Mondays.",
        ]

        rows = (await asking.client.get("/v1/admin/costs", params={"by": "model"}, headers=operator)).json()
        ours = next(row for row in rows if row["model"] == SPACE)
        bill = vendor.bill()["models"][MODEL]
        assert ours["input_tokens"] == bill["input_tokens"] and ours["calls"] == bill["calls"] == len(texts)
        assert (
            Decimal(str(ours["cost_usd"])) == Decimal("0.02") * bill["input_tokens"] / 1_000_000
            and not ours["unpriced"]
        )
        async with asking.service.database.work() as work:
            booked = await work.sql(
                "SELECT job_id, usecase, user_id FROM calls WHERE turn_id IS NULL ORDER BY started_at"
            )
            spent = await work.sql("SELECT spent FROM budgets WHERE kind = 'usecase' AND name = 'handbook'")
            assert [tuple(row) for row in booked] == [
                (job_id, "", "service"),
                (job_id, "handbook", "service"),
                (upload_id, "handbook", "sam.reyes"),
            ]
            paid = await work.sql("SELECT sum(cost_usd) FROM calls WHERE usecase = 'handbook'")
            assert spent.scalar_one() == paid.scalar_one()

    async with opened() as asking:
        # Without the line, the words and letters come back in the same way: nothing is lost meanwhile.
        assert (await ask(asking, who, BY_MEANING))["outcome"] == "answered_model"
        await asking.service.jobs.run(await embed_job(asking.service))
        asking.service.spaces.forget()
        assert (await ask(asking, who, BY_MEANING))["outcome"] == "refused_no_evidence"


@pytest.mark.proves("REL-2", "REL-7")
async def test_while_the_embedding_model_is_away_questions_and_documents_go_by_their_words(opened, as_, vendor):
    who = as_("sam.reyes")
    async with opened(f'model = "{SPACE}"') as asking:
        await asking.service.jobs.run(await embed_job(asking.service))
        vendor.state.plans.name({f"away@{MODEL}": ["500*"]})
        await upload(asking, who, f"[[away]] {TEXT}")
        reasons, calls = [], []
        for number in range(4):
            before = len(embedded(vendor))
            answer = await ask(asking, who, f"[[away]] When is the farm closed, {number}?")
            assert "Sundays" in answer["answer"], answer
            reasons.append((await search_of(asking, who, answer))["without_vectors"])
            calls.append(len(embedded(vendor)) - before)
        assert all(reason.startswith("the embedding model gave no vector: ") for reason in reasons)
        assert "held back" in reasons[-1] and calls[-1] == 0, "the breaker spares a vendor that keeps failing"


@pytest.mark.proves("CTL-1")
async def test_while_its_provider_is_off_the_job_waits_and_uses_up_no_patience(opened, as_, vendor):
    async with opened() as asking:
        await upload(asking, as_("sam.reyes"), TEXT)
    async with opened(f'model = "{SPACE}"') as asking:
        asking.service.embedding.patience_s = 0.0
        job_id = await embed_job(asking.service)

        async def looked_at():
            await asking.service.jobs.run(job_id)
            async with asking.service.database.work() as work:
                return await jobs.get(work, job_id, user_id=None)

        async with off(asking.client, as_, "provider:openai"):
            for _ in range(3):
                job = await looked_at()
                assert (job.status, job.attempts, job.error) == ("queued", 0, "")
            assert not embedded(vendor)
        assert (await looked_at()).status == "succeeded" and TEXT in "".join(embedded(vendor))


@pytest.mark.slow
@pytest.mark.proves("REL-9")
async def test_a_killed_worker_is_followed_by_one_that_goes_on_and_searches_never_stop(vendor, config, httpx_door):
    vendor.state.latency_s = 0.2
    async with httpx_door(config("")) as (stack, client):
        with psycopg.connect(stack.engines.database_url, autocommit=True) as owner:
            owner.execute(CHUNKS)
        lost, answers = [], 0

        async def asking() -> None:
            nonlocal answers
            while True:
                answer = await client.post(
                    "/v1/usecases/handbook/turns", json={"question": "How long is annual leave?"}
                )
                answers += 1
                if answer.status_code != 200 or "25 days" not in answer.json()["answer"]:
                    lost.append(answer.text)
                await asyncio.sleep(0.2)

        config(f'model = "{SPACE}"\ntexts_per_s = 250')
        asker = asyncio.create_task(asking())
        # The workers still run with the older configuration.
        started = await asyncio.to_thread(stack.run, "embeddings", "start", "--because", "a test")
        assert started.returncode == 0, started.stderr
        with psycopg.connect(stack.engines.database_url, autocommit=True) as owner:
            await until(lambda: owner.execute("SELECT to_regclass('vectors_2')").fetchone()[0])
            await until(lambda: owner.execute("SELECT count(*) FROM vectors_2").fetchone()[0])
            stack.kill("worker-turns")
            (before,) = owner.execute("SELECT count(*) FROM vectors_2").fetchone()
            assert 0 < before < 1000
            assert owner.execute("SELECT name FROM spaces WHERE status = 'active'").fetchone() == ("lexical-1",)
            stack.revive("worker-turns")
            await until(lambda: owner.execute("SELECT name FROM spaces WHERE status = 'active'").fetchone() == (SPACE,))
            (missing,) = owner.execute(
                "SELECT count(*) FROM chunks c WHERE NOT EXISTS (SELECT FROM vectors_2 v WHERE v.chunk_id = c.id)"
            ).fetchone()
        asker.cancel()
        assert not lost and answers > 5 and missing == 0
        texts = [text for text in embedded(vendor) if "number" in text]
        assert len(texts) < 1000 + 2 * 256 and len(set(texts)) == 1000, "at most what was under way is paid for twice"


CHUNKS = """
WITH access AS (SELECT id FROM acls WHERE readers = '{everyone}' LIMIT 1), written AS (
    INSERT INTO documents (id, usecase, source, path, title, media_type, content_hash, acl_id, status)
    SELECT gen_random_uuid(), 'handbook', 'test', 'many', 'Many', 'text/plain', '', id, 'ready' FROM access
    RETURNING id, acl_id
)
INSERT INTO chunks (document_id, usecase, acl_id, ordinal, heading, text)
SELECT written.id, 'handbook', acl_id, n, 'Many', 'number ' || n FROM written, generate_series(1, 1000) AS n
"""


async def until(look: Callable[[], Any], *, seconds: float = 240) -> None:
    for _ in range(int(seconds / 0.1)):
        if look():
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"not within {seconds} s")


@pytest.fixture
def httpx_door(tmp_path_factory: pytest.TempPathFactory, token: Callable[[str], str], vendor: RunningVendor) -> Any:
    """Start processes over a configuration, with the samples read; gives them and their door as a person."""
    import httpx2

    from ops.drills.stack import Stack
    from tests.conftest import SECRET

    @asynccontextmanager
    async def start(folder: Path) -> AsyncIterator[tuple[Stack, httpx2.AsyncClient]]:
        stack = Stack(
            tmp_path_factory.mktemp("stack"),
            {
                "APP_USECASES_DIR": str(ROOT / "tests" / "samples"),
                "APP_SECRET_KEY": SECRET,
                "APP_CONFIG_DIR": str(folder),
                "OPENAI_API_KEY": "k",
                "OPENAI_BASE_URL": f"{vendor.url}/v1",
            },
        )
        try:
            await asyncio.to_thread(stack.start)
            assert (await asyncio.to_thread(stack.run, "ingest")).returncode == 0
            headers = {"Authorization": f"Bearer {token('sam.reyes')}"}
            async with httpx2.AsyncClient(base_url=stack.url, headers=headers, timeout=30) as client:
                yield stack, client
        finally:
            await asyncio.to_thread(stack.stop)

    return start
