"""Looking for turns as a given person: what they may not know of is not found, by no word of it either."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from app.domain.identity import Permission, Principal
from app.domain.usecase import UseCase
from app.errors import Forbidden
from app.store import quoting, turn_search
from app.store.db import Database
from app.store.quoting import WITHHELD
from app.store.turn_search import Search
from app.turn.disclosure import disclosure, of_story

PER_PAGE = 50


@dataclass(frozen=True, slots=True)
class Page:
    """Some turns, each with its calls; `older` is where the next page begins, None at the end.

    `among` are the use cases whose turns this person may read.
    """

    rows: Sequence[Mapping[str, Any]]
    older: datetime | None
    among: tuple[str, ...]


async def find(
    who: Principal, database: Database, search: Search, *, usecases: Mapping[str, UseCase], limit: int = PER_PAGE
) -> Page:
    """List turns that this person may read: their own, and others' where turns.read_all and the contract allow it.

    An answer that stands on documents which they may not read now is withheld, and does not count for `text`. Cost and
    evidence are shown as in the story of one turn. Raises Forbidden without turns.read_all: drafts are among them.
    """
    if not who.may(Permission.READ_ALL_TURNS):
        raise Forbidden(f"This needs the permission {Permission.READ_ALL_TURNS.value}.")
    among = tuple(name for name, case in usecases.items() if case.contract.access.shows_others(who))
    asked = replace(search, among=among, own=who.user_id)
    async with database.work(claims=who.claims) as work:
        # One more than is shown: whether older ones follow is known, and not guessed from a full page.
        found = await turn_search.found(work, asked, limit=limit + 1)
        rows = found[:limit]
        hidden = await quoting.withheld(work, [row["id"] for row in rows], claims=who.claims)
        seen = [row for row in rows if row["by_question"] or row["id"] not in hidden]
        calls = await turn_search.calls_of(work, seen)
    shown = []
    for row in seen:
        access = usecases[row["usecase"]].contract.access if row["usecase"] in usecases else None
        told = of_story({**row, "calls": calls[row["id"]], "route": None}, disclosure(who, access))
        shown.append(_withheld(told) if row["id"] in hidden else told)
    return Page(shown, rows[-1]["started_at"] if len(found) > limit else None, among)


def _withheld(told: dict[str, Any]) -> dict[str, Any]:
    tools = [{**use, "arguments": {}} for use in told["tools"]]
    findings = [{**finding, "detail": WITHHELD} for finding in told["findings"]]
    return {**told, "answer": WITHHELD, "data": None, "tools": tools, "findings": findings}
