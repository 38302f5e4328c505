"""Answers to questions that mean the same: found above the threshold only, within the same rights, and metered."""

from decimal import Decimal
from shutil import copytree
from uuid import uuid4

import pytest

from app.errors import CannotStart
from app.settings import ROOT
from app.wiring.service import build
from tests.conftest import CONFIG
from tests.turn.caching import served, with_model

CACHE = "[cache]\nfresh_s = 600\nstale_s = 3600\n"
EMBEDDINGS = '[embeddings]\nmodel = "openai:text-embedding-3-small"\n'
FIRST = "Which key opens the laboratory door?"
SAME = "Which keys open the doors of the laboratory?"
NEGATED = "Which key never opens the laboratory door?"
OTHER = "Who repairs a broken coffee machine?"


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Write use cases and configuration with these changes."""

    def make(cache, *, embeddings=EMBEDDINGS):
        root = tmp_path_factory.mktemp("semantic")
        case, config = root / "usecases" / "similar", root / "config"
        (case / "prompts").mkdir(parents=True)
        sample = ROOT / "tests" / "samples" / "cached"
        text = (sample / "contract.toml").read_text().replace(CACHE, cache).replace("enabled = true", "enabled = false")
        (case / "contract.toml").write_text(text.replace('"cached", "extractive"', '"cached"'))
        prompt = (sample / "prompts" / "answer.v1.md").read_text()
        prompt = prompt.replace("  passages: passages\n", "").replace("{{ passages }}\n", "")
        (case / "prompts" / "answer.v1.md").write_text(prompt)
        # Not the project's own: housekeeping runs here over a ledger that many tests share.
        copytree(CONFIG, config)
        models = (config / "models.toml").read_text()
        (config / "models.toml").write_text(models.replace("[embeddings]\n", embeddings))
        return {"usecases_dir": root / "usecases", "config_dir": config}

    return make


@pytest.fixture(scope="module")
async def asking(settings, vendor_server, folders):
    made = folders(f"{CACHE}semantic = true\nthreshold = 0.9\n")
    async with served(with_model(settings, vendor_server, **made)) as running:
        yield running


async def ask(asking, who, question, **more):
    return await asking.ask(who, question, usecase="similar", **more)


def embedded(vendor):
    return [request for request in vendor.requests if "input" in request]


def answered(vendor):
    return [request for request in vendor.requests if "messages" in request]


@pytest.mark.proves("LAT-4", "CST-5")
async def test_a_question_that_means_the_same_gets_the_answer_and_pays_for_its_vector_only(asking, as_, vendor):
    first = await ask(asking, as_("sam.reyes"), FIRST)
    assert first["outcome"] == "answered_model" and len(answered(vendor)) == len(embedded(vendor)) == 1

    same = await ask(asking, as_("sam.reyes"), SAME)
    assert same["outcome"] == "answered_cached" and same["answer"] == first["answer"]
    assert len(answered(vendor)) == 1 and len(embedded(vendor)) == 2

    was, now = await asking.row(first), await asking.row(same)
    (call,) = now["calls"]
    assert call["purpose"] == "embed" and call["price"] == "list" and call["error"] == ""
    assert now["cost_usd"] == call["cost_usd"] > 0 and call["input_tokens"] > 0
    assert now["saved_usd"] == was["cost_usd"] > now["cost_usd"]
    assert {each["purpose"]: each["cost_usd"] > 0 for each in was["calls"]} == {"embed": True, "answer": True}

    # Asked once more in the same words, not even the vector is needed; its age is that of the first answer.
    again = await ask(asking, as_("maya.okafor"), SAME)
    assert again["usage"]["cost_usd"] == "0" and len(embedded(vendor)) == 2 and again["age_s"] >= same["age_s"]
    assert first["turn_id"] in (await asking.row(again))["reason"]


@pytest.mark.proves("LAT-4")
async def test_a_question_below_the_threshold_or_with_other_fields_is_answered_by_itself(asking, as_, vendor):
    who = as_("sam.reyes")
    await ask(asking, who, FIRST, fields={"region": "north"})
    for question, fields in ((OTHER, {"region": "north"}), (SAME, {"region": "south"}), (NEGATED, {"region": "north"})):
        assert (await ask(asking, who, question, fields=fields))["outcome"] == "answered_model", question


async def test_without_its_vector_a_turn_is_answered_as_ever_and_the_failed_call_is_recorded(asking, as_, vendor):
    vendor.will("500", "500", "500")
    answer = await ask(asking, as_("sam.reyes"), f"Which gate is number {uuid4().int % 10**9}?")
    calls = {call["purpose"]: call for call in (await asking.row(answer))["calls"]}
    assert answer["outcome"] == "answered_model"
    assert calls["embed"]["error"].startswith("500") and calls["embed"]["cost_usd"] == Decimal(0)


async def test_expired_vectors_are_swept_up(asking, as_, vendor):
    await ask(asking, as_("sam.reyes"), f"Which gate is number {uuid4().int % 10**9}?")
    async with asking.service.database.work() as work:
        await work.sql("UPDATE semantic_answers SET expires_at = now() - interval '1 second'")
    await asking.service.housekeeping.often()
    async with asking.service.database.work() as work:
        assert (await work.sql("SELECT count(*) FROM semantic_answers")).scalar_one() == 0


@pytest.mark.parametrize(
    ("cache", "embeddings", "said"),
    [
        (f"{CACHE}semantic = true\n", EMBEDDINGS, "cache.threshold: missing; `app cache similar` measures it"),
        (f"{CACHE}semantic = true\nthreshold = 0.9\n", "[embeddings]\n", "there is no embedding model; name one in"),
        (f"{CACHE}semantic = true\nthreshold = 0.9\n", EMBEDDINGS.replace("openai:", "openai_compatible:"),
         "set OPENAI_COMPATIBLE_BASE_URL for it"),
        ("[cache]\nstale_s = 9\nsemantic = true\nthreshold = 0.9\n", EMBEDDINGS, "while cache.fresh_s is 0"),
    ],
)  # fmt: skip
def test_a_semantic_cache_that_cannot_work_stops_the_start(settings, vendor_server, folders, cache, embeddings, said):
    made = with_model(settings, vendor_server, **folders(cache, embeddings=embeddings))
    with pytest.raises(CannotStart) as error:
        build(made)
    assert said in error.value.detail and "similar/contract.toml: cache." in error.value.detail


def test_without_any_model_the_same_contract_starts(settings, folders):
    made = folders(f"{CACHE}semantic = true\n", embeddings="[embeddings]\n")
    assert build(settings.model_copy(update=made)).recalling.embeddings is None
