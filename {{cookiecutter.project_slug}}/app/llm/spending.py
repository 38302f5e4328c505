"""What one turn may still spend: the sum of its calls stays below the contract's limit, the next one in full."""

from decimal import Decimal

from app.domain.turn import Call, Turn
from app.llm.catalog import VENDORS, Catalog, ModelRef
from app.llm.rungs import RungSkipped

TOO_DEAR = "it could cost more than one turn may"


def spent_usd(turn: Turn, catalog: Catalog) -> Decimal:
    """Give the most that the calls so far can have cost, in US dollars.

    A call that broke off may still be charged for, so it counts as the longest that the contract allows. Calls of
    models without a price count nothing: their limit is `max_input_tokens` and `max_output_tokens`.
    """
    return sum((_most(call, turn, catalog) for call in turn.tape.calls), Decimal(0))


def ensure(turn: Turn, catalog: Catalog, ref: ModelRef, *, input_tokens: int, max_tokens: int) -> None:
    """Raise RungSkipped when a call of so many tokens could take the turn above `cost.per_turn_usd`."""
    next_ = catalog.cost_usd(ref, input_tokens=input_tokens, output_tokens=max_tokens)
    if next_ is not None and spent_usd(turn, catalog) + next_ > turn.usecase.contract.cost.per_turn_usd:
        raise RungSkipped(TOO_DEAR)


def _most(call: Call, turn: Turn, catalog: Catalog) -> Decimal:
    if call.usage.cost_usd is not None:
        return call.usage.cost_usd
    models = turn.usecase.contract.models
    for provider in VENDORS:
        if call.provider == provider:
            ref = ModelRef(provider, call.model)
            most = catalog.cost_usd(ref, input_tokens=models.max_input_tokens, output_tokens=models.max_output_tokens)
            return most or Decimal(0)
    return Decimal(0)
