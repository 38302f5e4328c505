"""Finds turns of the ledger by person, time, use case, outcome and words, each by an index (0023_turn_search.sql)."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from app.errors import BadInput, NotFound
from app.store.glance import Asks

# Turns that one list shows.
MOST = 200
# Words of one search; more make it slower and find nothing.
MOST_WORDS = 12
# Words that stand in fewer turns than this are found by their index; others soon, among the newest turns.
RARE = 20_000
PATIENCE_MS = 5000
_CANCELED = "57014"
_OTHERS = ["enable_seqscan", "enable_indexscan", "enable_indexonlyscan"]
_PIECE = re.compile(r'"([^"]*)"|(\S+)')
_COLUMNS = """id, started_at, usecase, channel, user_id, unit, key_id, session_id, job_id, outcome, reason, question,
    answer, data, rung, model, revision, confidence, latency_ms, input_tokens, output_tokens, cost_usd, saved_usd,
    tools, findings, skipped, error, trace_id"""
_WORDS = "turn_words(question, answer, data) @@ to_tsquery('simple', :words)"
# What a person may not read of the answer, they may not find it by either: see app/turn/lookup.py.
_ASKED = "turn_words(question, '', NULL) @@ to_tsquery('simple', :words)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Which turns: empty or None is any; `since` <= start < `until`, and `before` is where a page begins.

    `text`: every word, as the beginning of a word, and "every phrase"; or the id of a turn. `among` use cases, or one's
    `own` turns.
    """

    person: str = ""
    usecase: str = ""
    channel: str = ""
    outcomes: tuple[str, ...] = ()
    text: str = ""
    since: datetime | None = None
    until: datetime | None = None
    before: datetime | None = None
    among: tuple[str, ...] | None = None
    own: str = ""
    oldest_first: bool = False


async def found(work: Asks, search: Search, *, limit: int = MOST) -> Sequence[Mapping[str, Any]]:
    """List turns, the newest first; `by_question` says whether the words stand in the question alone.

    Raises BadInput for a search that takes too long, which needs a person, a use case or a time beside its words.
    """
    conditions, values = _conditions(search)
    if search.text.strip() and not values.get("words") and "id" not in values:
        return []
    where = " AND ".join(conditions) or "true"
    asked = _ASKED if "words" in values else "true"
    order = "started_at" if search.oldest_first else "started_at DESC"
    # A plan that fits any search fits none: each is planned by what it looks for.
    await work.sql("SET LOCAL plan_cache_mode = force_custom_plan")
    try:
        if "words" in values and (rare := await _rare(work, where, order, values, limit)) is not None:
            where, values = "id = ANY(:ids) AND started_at = ANY(:times)", {**rare, "words": values["words"]}
        rows = await work.sql(
            f"SELECT {_COLUMNS}, {asked} AS by_question FROM turns WHERE {where} ORDER BY {order} LIMIT :limit",  # noqa: S608
            **values,
            limit=limit,
        )
    except Exception as error:
        if getattr(getattr(error, "orig", error), "sqlstate", "") != _CANCELED:
            raise
        raise BadInput("Too many turns to look through: name a person, a use case or a time as well.") from error
    return [dict(row) for row in rows.mappings()]


async def _rare(
    work: Asks, where: str, order: str, values: Mapping[str, Any], limit: int
) -> dict[str, list[Any]] | None:
    """Find turns by the index of words; None when too many have them.

    Of words that it does not know PostgreSQL expects one turn in two hundred, and would look through all turns.
    """
    await work.sql(f"SET LOCAL statement_timeout = {PATIENCE_MS}")
    await work.sql("SELECT set_config(name, 'off', true) FROM unnest(CAST(:plans AS text[])) AS name", plans=_OTHERS)
    rows = await work.sql(
        "SELECT id, started_at, count(*) OVER () AS of FROM"  # noqa: S608
        f" (SELECT id, started_at FROM turns WHERE {where} LIMIT {RARE}) AS hits ORDER BY {order} LIMIT :limit",
        **values,
        limit=limit,
    )
    await work.sql("SELECT set_config(name, 'on', true) FROM unnest(CAST(:plans AS text[])) AS name", plans=_OTHERS)
    found = [dict(row) for row in rows.mappings()]
    if found and found[0]["of"] >= RARE:
        return None
    return {"ids": [row["id"] for row in found], "times": [row["started_at"] for row in found]}


def _conditions(search: Search) -> tuple[list[str], dict[str, Any]]:
    parts: list[tuple[str, str, Any]] = [
        ("user_id = :person", "person", search.person),
        ("usecase = :usecase", "usecase", search.usecase),
        ("channel = :channel", "channel", search.channel),
        ("started_at >= :since", "since", search.since),
        ("started_at < :until", "until", search.until),
        ("started_at < :before", "before", search.before),
    ]
    kept = [(condition, name, value) for condition, name, value in parts if value]
    conditions, values = [part[0] for part in kept], {part[1]: part[2] for part in kept}
    if search.outcomes:
        conditions.append("outcome = :outcome" if len(search.outcomes) == 1 else "outcome = ANY(:outcomes)")
        values |= {"outcome": search.outcomes[0]} if len(search.outcomes) == 1 else {"outcomes": list(search.outcomes)}
    if search.among is not None:
        conditions.append("(usecase = ANY(:among) OR user_id = :own)")
        values |= {"among": list(search.among), "own": search.own}
    if id := _id(search.text):
        conditions.append("id = :id")
        values["id"] = id
    elif search.text.strip():
        conditions.append(_WORDS)
        values["words"] = query(search.text)
    return conditions, values


def query(text: str) -> str:
    """Give the tsquery of a search: each word as a beginning, each quoted phrase whole; nothing where there is none.

    There is no `not`: it would tell by what is missing what stands in answers that one may not read.
    """
    pieces = [(phrase, word) for phrase, word in _PIECE.findall(text) if re.search(r"\w", phrase or word)]
    terms = [f"({_literal(phrase)})" if phrase else f"{_literal(word)}:*" for phrase, word in pieces[:MOST_WORDS]]
    return " & ".join(terms)


def _literal(words: str) -> str:
    # Within quotes PostgreSQL takes the rest for text, which it parses as it parsed the turn's.
    return "'" + words.replace("\\", " ").replace("'", "''").replace("\x00", " ") + "'"


def _id(text: str) -> UUID | None:
    try:
        return UUID(text.strip()) if len(text.strip()) == 36 else None
    except ValueError:
        return None


async def calls_of(work: Asks, turns: Collection[Mapping[str, Any]]) -> dict[UUID, list[dict[str, Any]]]:
    """Give the model calls of these turns, in their order."""
    made: dict[UUID, list[dict[str, Any]]] = {turn["id"]: [] for turn in turns}
    if not made:
        return made
    rows = await work.sql(
        "SELECT * FROM calls WHERE turn_id = ANY(:ids) AND started_at BETWEEN :first AND :last"
        " ORDER BY started_at, ordinal",
        ids=list(made),
        first=min(turn["started_at"] for turn in turns),
        last=max(turn["started_at"] for turn in turns),
    )
    for row in rows.mappings():
        made[row["turn_id"]].append(dict(row))
    return made


async def whole(work: Asks, turn_id: UUID) -> dict[str, Any]:
    """Give all that the ledger holds of a turn, whoever asked, with its calls; for operators. Raises NotFound."""
    rows = await work.sql("SELECT * FROM turns WHERE id = :id", id=turn_id)
    row = next(iter(rows.mappings()), None)
    if row is None:
        raise NotFound("There is no turn with this id.")
    return {**row, "calls": (await calls_of(work, [row]))[turn_id]}
