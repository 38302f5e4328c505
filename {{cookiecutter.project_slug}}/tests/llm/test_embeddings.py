"""Vectors by a vendor's model: as OpenAI sends them, in batches, priced, in time, and on the tape whatever happens."""

import asyncio
import tomllib
from decimal import Decimal

import numpy as np
import pytest

from app.domain.turn import Tape
from app.errors import CannotStart
from app.llm import catalog as catalogs
from app.llm.catalog import EmbeddingChoice
from app.llm.embeddings import Embeddings, NoVector
from app.llm.providers import Vendor
from app.settings import ROOT
from app.store.door import Rules
from app.store.turnstile import Turnstile

SMALL = "openai:text-embedding-3-small"


def models(own: str = ""):
    text = (ROOT / "config" / "models.toml").read_text()
    return catalogs.parse(tomllib.loads(text.replace("[prices]\n", f"[prices]\n{own}\n")))


@pytest.fixture
async def embeddings(vendor):
    made = []

    def make(model=SMALL, *, url=vendor.url, own="", turnstile=None, **choice):
        address = Vendor(model.partition(":")[0], "secret-key", f"{url}/v1")
        chosen = EmbeddingChoice(model=model, **choice)
        made.append(Embeddings(chosen, address, models(own), turnstile=turnstile))
        return made[-1]

    yield make
    for each in made:
        await each.aclose()


def cosine(one, other):
    return float(np.dot(one, other))


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
    await embeddings("openai_compatible:tiny", own=own).embed(["a"], tape=tape)
    assert tape.calls[0].price == price and (tape.usage.cost_usd is None) == (cost is None)


async def test_many_texts_go_in_several_requests_and_come_back_in_order(embeddings, vendor):
    texts = [f"word{number}" for number in range(41)]
    model, tape = embeddings(batch_texts=20), Tape()
    vectors = await model.embed(texts, tape=tape)
    assert sorted(len(request["input"]) for request in vendor.requests) == [1, 20, 20] and len(vectors) == len(texts)
    assert len(tape.calls) == 3
    for place in (0, 19, 20, 40):
        assert cosine(vectors[place], (await model.embed([texts[place]], tape=tape))[0]) > 0.99


async def test_a_batch_holds_no_more_tokens_than_it_may_and_a_text_is_cut(embeddings, vendor):
    await embeddings(batch_tokens=80, text_tokens=50).embed(["long " * 30, "long " * 30, "long " * 1000])
    sent = [request["input"] for request in vendor.requests]
    assert len(sent) == 3 and max(len(text) for texts in sent for text in texts) == 50 * 3.5


async def test_questions_and_passages_get_their_own_prefix_and_another_space(embeddings, vendor):
    model = embeddings(query_prefix="query: ", document_prefix="passage: ", dimensions=64)
    assert (await model.embed(["doors"], query=True)).shape == (1, 64)
    await model.embed(["doors"])
    assert [request["input"] for request in vendor.requests] == [["query: doors"], ["passage: doors"]]
    assert {request["dimensions"] for request in vendor.requests} == {64}
    assert model.name.startswith(f"{SMALL}/64#") and model.dimensions == 64
    assert len({model.name, embeddings().name, embeddings(dimensions=32).name}) == 3 and embeddings().name == SMALL


@pytest.mark.proves("LAT-4")
async def test_a_question_asked_again_needs_no_call(embeddings, vendor):
    model, tape = embeddings(), Tape()
    first, again = await model.embed(["doors"], tape=tape, query=True), await model.embed(["doors"], query=True)
    assert len(vendor.requests) == len(tape.calls) == 1 and (first == again).all()
    assert (await model.embed(["doors", "gates"], query=True)).shape[0] == 2
    assert vendor.requests[1]["input"] == ["gates"]


async def test_an_empty_text_is_not_sent_and_gets_zeros(embeddings, vendor):
    made = await embeddings().embed(["", "doors", " "])
    assert vendor.requests[0]["input"] == ["doors"] and not made[0].any() and not made[2].any() and made[1].any()


@pytest.mark.proves("REL-6")
async def test_a_passing_failure_is_repeated_and_both_calls_are_rows(embeddings, vendor):
    vendor.will("500", "429")
    tape = Tape()
    assert (await embeddings().embed(["a"], tape=tape)).any()
    assert [call.error for call in tape.calls] == ["500 from the vendor", "429 rate limited", ""]
    assert [call.attempt for call in tape.calls] == [1, 2, 3] and tape.usage.cost_usd > 0


@pytest.mark.parametrize(
    ("fault", "said", "cost"), [("500", "500", 0), ("429", "429", 0), ("401", "401", 0), ("hang=20", "timeout", None)]
)
async def test_a_vector_that_does_not_come_is_an_error_and_a_row(embeddings, vendor, fault, said, cost):
    vendor.will(*[fault] * 3)
    tape, until_s = Tape(), asyncio.get_running_loop().time() + 2
    with pytest.raises(NoVector, match=said):
        await embeddings().embed(["a"], tape=tape, until_s=until_s)
    assert tape.calls[-1].error.startswith(said) and tape.usage.cost_usd == cost


async def test_nobody_there_is_an_error_like_any_other(embeddings):
    with pytest.raises(NoVector):
        await embeddings(url="http://127.0.0.1:1").embed(["a"], tape=Tape())


@pytest.mark.proves("REL-7")
async def test_a_model_that_keeps_failing_is_held_back_by_the_door_it_shares_with_others(embeddings, vendor):
    vendor.will(*["500"] * 12)
    turnstile = Turnstile(None, rules=Rules(open_s=60))
    model = embeddings(turnstile=turnstile)
    for _ in range(4):
        with pytest.raises(NoVector):
            await model.embed(["a"], query=True)
    asked = len(vendor.requests)
    assert asked == 5 and (await turnstile.look())[SMALL].held_back_s is not None
    with pytest.raises(NoVector, match="held back"):
        await model.embed(["a"])
    assert len(vendor.requests) == asked


async def test_one_text_that_is_refused_keeps_no_other_waiting(embeddings, vendor):
    # The batch of four, the probe, both halves, the probe, both of the second half, then the last one, shortened.
    vendor.will("400", "ok", "ok", "400", "ok", "ok", "400", "ok", "400", "400", "400")
    made = await embeddings().embed(["a", "b", "c", "d" * 40])
    assert made[:3].any(axis=1).all() and not made[3].any()
    assert [len(request["input"][0]) for request in vendor.requests][-3:] == [20, 10, 5]


async def test_a_request_that_is_refused_whatever_it_holds_is_not_taken_apart(embeddings, vendor):
    vendor.will("400", "400")
    with pytest.raises(NoVector, match="400"):
        await embeddings().embed(["a", "b", "c", "d"])
    assert len(vendor.requests) == 2


async def test_a_model_that_ignores_the_wanted_length_is_told_apart(embeddings):
    model = embeddings()
    await model.embed(["a"])
    model._dimensions = 17
    with pytest.raises(NoVector, match="17"):
        await model.embed(["a"])


@pytest.mark.parametrize("model", ["anthropic:claude", "text-embedding-3-small", "openai:"])
def test_a_model_that_no_vendor_of_vectors_serves_stops_the_start(model):
    text = (ROOT / "config" / "models.toml").read_text().replace("[embeddings]\n", f'[embeddings]\nmodel = "{model}"\n')
    with pytest.raises(CannotStart, match=r"config/models.toml: embeddings.model"):
        catalogs.parse(tomllib.loads(text))
