"""Vectors by a vendor's model: as OpenAI sends them, in batches, priced, in time, and on the tape whatever happens."""

import asyncio
import tomllib
from decimal import Decimal

import pytest

from app.domain.turn import Tape
from app.errors import CannotStart
from app.llm import catalog as catalogs
from app.llm.catalog import ModelRef
from app.llm.embeddings import BATCH, Embeddings, NoVector
from app.llm.providers import Vendor
from app.settings import ROOT


def models(own: str = ""):
    text = (ROOT / "config" / "models.toml").read_text()
    return catalogs.parse(tomllib.loads(text.replace("[prices]\n", f"[prices]\n{own}\n")))


@pytest.fixture
async def embeddings(vendor):
    made = []

    def make(name="text-embedding-3-small", *, provider="openai", url=vendor.url, own=""):
        address = Vendor(provider, "secret-key", f"{url}/v1")
        made.append(Embeddings(ModelRef(provider, name), address, models(own)))
        made[-1].warm()
        return made[-1]

    yield make
    for each in made:
        await each.aclose()


def cosine(one, other):
    return sum(a * b for a, b in zip(one, other, strict=True))


@pytest.mark.proves("LAT-4", "CST-1")
async def test_texts_become_vectors_and_the_call_has_a_price(embeddings):
    tape = Tape()
    one, same, other = await embeddings().embed(["opening doors", "the door opens", "a budget"], tape=tape)
    assert cosine(one, same) > 0.99 > 0.1 > cosine(one, other)
    (call,) = tape.calls
    assert (call.purpose, call.provider, call.model, call.price) == (
        "embed",
        "openai",
        "text-embedding-3-small",
        "list",
    )
    assert call.usage.cost_usd == Decimal("0.02") * call.usage.input_tokens / 1_000_000 > 0


@pytest.mark.parametrize(
    ("own", "price", "cost"), [("", "unpriced", None), ('"tiny" = { input_usd = "1", output_usd = "0" }', "own", 0)]
)
async def test_an_endpoint_of_your_own_has_your_price_or_none(embeddings, own, price, cost):
    tape = Tape()
    await embeddings("tiny", provider="openai_compatible", own=own).embed(["a"], tape=tape)
    assert tape.calls[0].price == price and (tape.usage.cost_usd is None) == (cost is None)


async def test_many_texts_go_in_several_requests_and_come_back_in_order(embeddings, vendor):
    texts = [f"word{number}" for number in range(BATCH + 1)]
    model, tape = embeddings(), Tape()
    vectors = await model.embed(texts, tape=tape)
    assert len(vendor.requests) == len(tape.calls) == 2 and len(vectors) == len(texts)
    assert cosine(vectors[-1], (await model.embed([texts[-1]], tape=tape))[0]) > 0.99


@pytest.mark.parametrize(
    ("fault", "said", "cost"), [("500", "500", 0), ("429", "429", 0), ("hang=20", "timeout", None)]
)
async def test_a_vector_that_does_not_come_is_an_error_and_a_row(embeddings, vendor, fault, said, cost):
    vendor.will(fault)
    tape, until_s = Tape(), asyncio.get_running_loop().time() + 1
    with pytest.raises(NoVector, match=said):
        await embeddings().embed(["a"], tape=tape, until_s=until_s)
    assert tape.calls[0].error.startswith(said) and tape.usage.cost_usd == cost


async def test_nobody_there_is_an_error_like_any_other(embeddings):
    with pytest.raises(NoVector):
        await embeddings(url="http://127.0.0.1:1").embed(["a"], tape=Tape())


@pytest.mark.parametrize("model", ["anthropic:claude", "text-embedding-3-small", "openai:"])
def test_a_model_that_no_vendor_of_vectors_serves_stops_the_start(model):
    text = (ROOT / "config" / "models.toml").read_text().replace("[embeddings]\n", f'[embeddings]\nmodel = "{model}"\n')
    with pytest.raises(CannotStart, match=r"config/models.toml: embeddings.model"):
        catalogs.parse(tomllib.loads(text))
