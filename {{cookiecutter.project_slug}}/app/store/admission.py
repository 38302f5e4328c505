"""A turn's way into the database, in one trip: its session is taken and its money held, both or neither."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

import orjson

from app.domain.turn import Message, Turn
from app.errors import NotFound, SessionBusy
from app.store import sealed
from app.store.budgets import BudgetSpent, holder
from app.store.db import Database
from app.store.plain import as_json
from app.store.sealing import Seals

HISTORY_MESSAGES = 12
TITLE_CHARS = 80


@dataclass(frozen=True, slots=True)
class Terms:
    """What is held: the session for `busy_s` seconds, and `amount` US dollars for `hold_s` seconds.

    `limits` are US dollars per kind of budget, None is no limit; an amount of 0 only looks for room. `is_new` starts
    the session of the turn, None leaves sessions alone.
    """

    amount: Decimal
    limits: Mapping[str, Decimal | None]
    hold_s: float
    busy_s: float
    is_new: bool | None


async def admit(database: Database, turn: Turn, terms: Terms) -> tuple[tuple[Message, ...], dict[str, str]]:
    """Let the turn in; give what was said so far, and its placeholders. A holder that died lets go after its seconds.

    Raises NotFound, SessionBusy or BudgetSpent; then nothing is held.
    """
    await database.ready()
    found = orjson.loads(
        await database.trip(
            "SELECT admit_turn(%s::jsonb, %s, %s::jsonb, %s::jsonb)::text",
            as_json(holder(turn, terms.amount)),
            terms.hold_s,
            as_json({kind: str(most) for kind, most in terms.limits.items() if most is not None}),
            _session(database.seals, turn, terms),
        )
    )
    if "refused" in found:
        raise _refusal(found["refused"])
    known = sealed.known(database.seals, "sessions", turn.session_id, found.get("masks"))
    return tuple(sealed.told(database.seals, turn, *told) for told in found["history"]), known


def _session(seals: Seals, turn: Turn, terms: Terms) -> str | None:
    if terms.is_new is None:
        return None
    title = sealed.closed(seals, "sessions", {"id": turn.session_id, "title": turn.question[:TITLE_CHARS]})["title"]
    claims = asdict(turn.principal.claims)
    row = {"is_new": terms.is_new, "title": title, "busy_s": terms.busy_s, "last": HISTORY_MESSAGES}
    return as_json({**row, "claims": claims})


def _refusal(refused: str | Mapping[str, Any]) -> Exception:
    if refused == "absent":
        return NotFound("You have no session with this id in this use case; leave session_id out to start one.")
    if refused == "busy":
        return SessionBusy(
            "Another turn of this session is being answered; send this one again when it is done.", retry_after_s=1
        )
    assert isinstance(refused, Mapping), "the only other refusal is a budget"
    amounts = {name: Decimal(refused[name]) for name in ("limit_usd", "spent_usd", "reserved_usd")}
    return BudgetSpent(refused["kind"], refused["name"], **amounts)
