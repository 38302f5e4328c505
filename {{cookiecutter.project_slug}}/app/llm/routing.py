"""Simple work goes to another role: the contract's rules decide, and the money that it saved is written down."""

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from decimal import Decimal

from app.domain.access import EVERYONE
from app.domain.contract import RouteRule
from app.domain.turn import ANSWERING, Call, Turn

VERDICT = "simple"
# The classifier may use this share of the time that is left; without its verdict the turn is not routed.
CLASSIFIER_SHARE = 0.2
Pricer = Callable[[Call], Decimal | None]


def candidates(turn: Turn) -> list[RouteRule]:
    """Give the rules whose stated conditions hold, in order; a classifier still has to be asked."""
    return [rule for rule in turn.usecase.contract.routes if _holds(rule, turn)]


def _holds(rule: RouteRule, turn: Turn) -> bool:
    return (
        (rule.max_chars is None or len(turn.screened) <= rule.max_chars)
        and (not rule.words or _has_word(turn.screened, rule.words))
        and all(turn.fields.get(name) in values for name, values in rule.fields.items())
        and (not rule.groups or EVERYONE in rule.groups or bool(set(rule.groups) & set(turn.principal.groups)))
    )


def _has_word(text: str, words: Iterable[str]) -> bool:
    return any(re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text, re.IGNORECASE) for word in words)


def ladder(turn: Turn) -> tuple[str, ...]:
    """Give the rungs in the order to try them: the routed role first, then the contract's ladder without it."""
    rungs, route = turn.usecase.contract.models.ladder, turn.tape.route
    return rungs if route is None else (route.to, *(rung for rung in rungs if rung != route.to))


def settle(turn: Turn, at_first: Pricer) -> None:
    """Write down what the route saved: the answer's tokens at the ladder's first role, less all that was paid.

    Negative when the detour cost more than it saved; None where one of the prices is not known.
    """
    route = turn.tape.route
    if route is None:
        return
    paid = [call.usage.cost_usd for call in turn.tape.calls if call.purpose in (*ANSWERING, "route")]
    instead = [at_first(call) for call in turn.tape.calls if call.purpose in ANSWERING and not call.error]
    known = [cost for cost in (*paid, *instead) if cost is not None]
    saved = None
    if len(known) == len(paid) + len(instead):
        saved = sum(known[len(paid) :], Decimal(0)) - sum(known[: len(paid)], Decimal(0))
    turn.tape.route = replace(route, saved_usd=saved)
