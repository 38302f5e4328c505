"""The public price list: what it says of a model is looked up once a minute, and worked out per call here.

genai-prices prices one call in a third of a millisecond; two are priced per turn. What it says is not changed: a test
compares both for every model it knows.
"""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache

from genai_prices import Usage, calc_price
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import ModelPrice, TieredPrices

MILLION = Decimal(1_000_000)
# Prices that depend on the hour or date are looked up anew this often.
FRESH_S = 60
# What our calls can be charged for; a model that charges tokens of other kinds as well charges them beside these.
_KINDS = ("input_mtok", "output_mtok", "cache_read_mtok", "cache_write_mtok")
Rate = Decimal | TieredPrices | None


@dataclass(frozen=True, slots=True)
class Rates:
    """US dollars per million tokens; a kind without a price of its own is charged as other input, or not at all."""

    input: Rate
    output: Rate
    read: Rate
    written: Rate


def price(provider: str, model: str, *, input: int, output: int, cached: int = 0, written: int = 0) -> Decimal:
    """Price one call in US dollars; of `input` tokens, `cached` and `written` ones are charged at their own rates.

    Raises LookupError or ValueError for what the list does not know.
    """
    rates = _rates(provider, model, int(time.time() // FRESH_S))
    if rates is None or cached + written > input:
        usage = Usage(input_tokens=input, output_tokens=output, cache_read_tokens=cached, cache_write_tokens=written)
        return calc_price(usage, model, provider_id=provider).total_price
    apart = (cached if rates.read is not None else 0) + (written if rates.written is not None else 0)
    charged = ((rates.input, input - apart), (rates.output, output), (rates.read, cached), (rates.written, written))
    return sum((_at(rate, input) * count for rate, count in charged if rate is not None), Decimal(0)) / MILLION


def _at(rate: Decimal | TieredPrices, input_tokens: int) -> Decimal:
    if isinstance(rate, Decimal):
        return rate
    passed = [tier.price for tier in rate.tiers if input_tokens > tier.start]
    return passed[-1] if passed else rate.base


@lru_cache(maxsize=1000)
def _rates(provider: str, model: str, _minute: int) -> Rates | None:
    """Give the rates of now, None for a model that charges nothing by the token."""
    _, found = get_snapshot().find_provider_model(model, None, provider, None)
    listed: ModelPrice = found.get_prices(datetime.now(UTC))
    known = {kind: getattr(listed, kind, None) for kind in _KINDS}
    if known["input_mtok"] is None:
        return None
    return Rates(known["input_mtok"], known["output_mtok"], known["cache_read_mtok"], known["cache_write_mtok"])
