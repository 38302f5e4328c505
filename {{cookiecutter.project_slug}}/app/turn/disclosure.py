"""What of a turn's cost and of its evidence a person may see: by permission and by the use case's contract, or nothing.

Cost is money and tokens. Evidence is how an answer came about: steps, passages weighed, calls, tools, findings.
The answer itself, its citations, rung and model are its asker's in any case.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.domain.contract import Access
from app.domain.identity import Permission, Principal

_MONEY = ("input_tokens", "output_tokens", "cost_usd", "saved_usd")
_MONEY_OF_CALL = ("input_tokens", "output_tokens", "cached_tokens", "cost_usd")
_TRACE = ("steps", "passages", "retrieval", "skipped", "tools", "findings", "calls")


@dataclass(frozen=True, slots=True)
class Disclosure:
    """Which of the two parts are shown."""

    cost: bool
    evidence: bool

    @property
    def hidden(self) -> list[str]:
        """Name the parts that are held back, as the JSON says them."""
        return [name for name, shown in (("cost", self.cost), ("evidence", self.evidence)) if not shown]


def disclosure(who: Principal, access: Access | None) -> Disclosure:
    """Decide what this person may see; without a contract, of a use case that is gone, the permissions alone decide."""
    if access is None:
        return Disclosure(who.may(Permission.SEE_COST), who.may(Permission.SEE_EVIDENCE))
    return Disclosure(access.shows_cost(who), access.shows_evidence(who))


def of_answer(told: Mapping[str, Any], shown: Disclosure) -> dict[str, Any]:
    """Give a finished turn's JSON without what is held back; `hidden` says what that is."""
    cut: dict[str, Any] = {**told, "hidden": shown.hidden}
    if not shown.cost:
        cut["usage"] = None
    if not shown.evidence:
        cut |= {"skipped": [], "route": ""}
    return cut


def of_story(told: Mapping[str, Any], shown: Disclosure) -> dict[str, Any]:
    """Give a turn's row in the ledger without what is held back; `hidden` says what that is."""
    cut: dict[str, Any] = {**told, "hidden": shown.hidden}
    if not shown.cost:
        cut |= dict.fromkeys(_MONEY)
        cut["calls"] = [{**call, **dict.fromkeys(_MONEY_OF_CALL), "price": ""} for call in told["calls"]]
        cut["route"] = {**told["route"], "saved_usd": None} if told["route"] else None
    if not shown.evidence:
        cut |= {part: [] for part in _TRACE} | {"route": None}
    return cut
