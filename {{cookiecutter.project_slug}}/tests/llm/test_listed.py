"""What a call costs by the public list: ours and the list's own arithmetic say the same."""

import random

import pytest
from genai_prices import Usage, calc_price
from genai_prices.data_snapshot import get_snapshot

from app.llm import listed

VENDORS = ("openai", "anthropic")
MODELS = [
    (provider.id, model.id)
    for provider in get_snapshot().providers
    if provider.id in VENDORS
    for model in provider.models
]


def theirs(provider: str, model: str, tokens: dict[str, int]):
    usage = Usage(
        input_tokens=tokens["input"],
        output_tokens=tokens["output"],
        cache_read_tokens=tokens["cached"],
        cache_write_tokens=tokens["written"],
    )
    try:
        return calc_price(usage, model, provider_id=provider).total_price
    except (LookupError, ValueError) as error:
        return type(error)


def ours(provider: str, model: str, tokens: dict[str, int]):
    try:
        return listed.price(provider, model, **tokens)
    except (LookupError, ValueError) as error:
        return type(error)


@pytest.mark.proves("CST-1")
@pytest.mark.parametrize(("provider", "model"), MODELS)
def test_a_call_costs_what_the_list_says_it_costs(provider, model):
    chance = random.Random(model)
    for most in (10, 5_000, 150_000, 900_000):
        tokens = {"input": chance.randint(0, most), "output": chance.randint(0, most)}
        tokens["cached"] = chance.randint(0, tokens["input"])
        tokens["written"] = chance.choice((0, chance.randint(0, tokens["input"] - tokens["cached"])))
        assert ours(provider, model, tokens) == theirs(provider, model, tokens), tokens


def test_a_model_that_no_list_knows_is_a_lookup_error():
    with pytest.raises(LookupError):
        listed.price("openai", "a-model-of-tomorrow", input=1, output=1)
