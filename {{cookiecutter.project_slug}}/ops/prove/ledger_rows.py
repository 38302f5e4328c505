"""A ledger of any size, written by the database itself: turns of weeks, in their order, each with a call of a model."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString

import psycopg
from psycopg.types.json import Jsonb

PERSON, USECASE = "sam.reyes", "handbook"
DAYS = 45
PEOPLE, ANSWERS = 500, 5000
# The first are the ones that most texts hold, as in any language.
COMMON = ("leave", "policy", "travel", "invoice", "contract", "password", "holiday", "overtime", "salary", "office")
RARER = ("parking", "budget", "review", "training", "visa", "laptop", "insurance", "pension", "garden", "sabbatical")
WORDS = (*COMMON, *RARER, *(f"term{number}" for number in range(3000)))
# Those of migrations/platform/0023_turn_search.sql.
INDEXES = ("turns_words", "turns_newest", "turns_by_outcome", "calls_by_time")
_ANSWERS = """
CREATE TEMP TABLE answers AS SELECT n, (
    SELECT string_agg((%(words)s::text[])[1 + floor(power(random(), 3) * %(count)s)::int], ' ')
    FROM generate_series(1, 60 + (n %% 40))) AS text FROM generate_series(0, %(answers)s - 1) AS n
"""
_TURNS = """
INSERT INTO turns (id, started_at, usecase, channel, user_id, unit, outcome, question, answer, rung, model, revision,
    latency_ms, input_tokens, output_tokens, cost_usd, steps, trace_id)
SELECT gen_random_uuid(), %(first)s::timestamptz + (k::float8 / %(count)s) * %(span)s::interval,
    CASE WHEN k %% 10 = 0 THEN 'triage' ELSE %(usecase)s END, 'api',
    CASE WHEN k %% 97 = 0 THEN %(person)s ELSE 'person.' || k %% %(people)s END, 'Unit ' || k %% 12,
    CASE WHEN k %% 50000 = 7 THEN 'failed_internal' WHEN k %% 40 = 3 THEN 'refused_no_evidence'
        ELSE 'answered_model' END,
    'How is the ' || (%(words)s::text[])[1 + k %% %(vocabulary)s] || ' of case' || k || ' dealt with?', a.text,
    'standard', 'gpt-4.1-mini', 'prove-1', 400 + k %% 900, 900, 120, 0.0009,
    '[{"ms": 3.1, "step": "admit"}, {"ms": 400, "step": "answer"}]', md5(k::text)
FROM generate_series(0, %(count)s - 1) AS k JOIN answers a ON a.n = k %% %(answers)s ORDER BY k
"""
# However few turns there are, some are the person's on that Tuesday.
_AROUND = """
INSERT INTO turns (id, started_at, usecase, channel, user_id, outcome, question, answer, rung, model, revision,
    latency_ms, cost_usd)
SELECT gen_random_uuid(), %(at)s::timestamptz + make_interval(mins => n), %(usecase)s, 'api', %(person)s,
    'answered_model', 'What about my leave on that day, question ' || n || '?', 'It is granted.', 'standard',
    'gpt-4.1-mini', 'prove-1', 700, 0.0009 FROM generate_series(-4, 4, 4) AS n
"""
_CALLS = """
INSERT INTO calls (id, started_at, turn_id, usecase, user_id, unit, rung, provider, model, revision, latency_ms,
    input_tokens, output_tokens, cost_usd)
SELECT gen_random_uuid(), started_at, id, usecase, user_id, unit, rung, 'openai', model, revision, latency_ms,
    input_tokens, output_tokens, cost_usd FROM turns ORDER BY started_at
"""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What stands in the ledger: how many turns, their size on disk, and the person's turns around `at`."""

    turns: int
    megabytes: float
    at: datetime
    around: Sequence[str]


def load(url: str, count: int) -> Loaded:
    """Fill an empty ledger with so many turns of the last weeks, in the order in which they would have come."""
    now = datetime.now(UTC)
    first = now - timedelta(days=DAYS)
    values: dict[str, Any] = {"first": first, "count": count, "span": timedelta(days=DAYS), "people": PEOPLE}
    values |= {"words": list(WORDS), "vocabulary": len(WORDS), "answers": ANSWERS}
    values |= {"usecase": USECASE, "person": PERSON}
    # Values are written into the statements: one that makes a table takes no parameters.
    with psycopg.connect(url, autocommit=True, cursor_factory=psycopg.ClientCursor) as connection:
        months = [now.date(), *((now - timedelta(days=back)).date() for back in (15, 30, DAYS))]
        for month in months:
            connection.execute("SELECT ensure_month(%s)", [month])
        connection.execute(_ANSWERS, {"words": list(WORDS), "count": len(WORDS), "answers": ANSWERS})
        definitions = taken_away(connection)
        connection.execute(_TURNS, values)
        connection.execute(_AROUND, {"at": _tuesday(now), "person": PERSON, "usecase": USECASE})
        connection.execute(_CALLS)
        put_back(connection, definitions)
        connection.execute("VACUUM ANALYZE turns, calls")
        # What was loaded is on the disk before anything is measured beside it.
        connection.execute("CHECKPOINT")
        return _loaded(connection, _tuesday(now))


def taken_away(connection: psycopg.Connection[Any]) -> list[str]:
    """Drop the indexes of the search; gives the statements that make them again."""
    found = connection.execute(
        "SELECT pg_get_indexdef(c.oid) FROM pg_class c WHERE c.relname = ANY(%s)", [list(INDEXES)]
    ).fetchall()
    for name in INDEXES:
        connection.execute(f"DROP INDEX {name}".encode())
    return [str(row[0]).replace(" ON ONLY ", " ON ") for row in found]


def put_back(connection: psycopg.Connection[Any], definitions: Sequence[str]) -> None:
    """Make the indexes again."""
    for definition in definitions:
        connection.execute(definition.encode())


def _tuesday(now: datetime) -> datetime:
    """Give the last Tuesday at 14:00 (UTC) that is over for a day."""
    day = now - timedelta(days=(now.weekday() - 1) % 7 or 7)
    return day.replace(hour=14, minute=0, second=0, microsecond=0)


def _loaded(connection: psycopg.Connection[Any], at: datetime) -> Loaded:
    row = connection.execute(
        "SELECT count(*), (SELECT sum(pg_total_relation_size(inhrelid)) FROM pg_inherits"
        " WHERE inhparent = 'turns'::regclass) / 1e6 FROM turns"
    ).fetchone()
    around = connection.execute(
        "SELECT id::text FROM turns WHERE user_id = %s AND started_at >= %s AND started_at < %s ORDER BY started_at",
        [PERSON, at - timedelta(minutes=30), at + timedelta(minutes=30)],
    ).fetchall()
    assert row is not None
    return Loaded(row[0], round(float(row[1]), 1), at, [each[0] for each in around])


_ROW: LiteralString = "SELECT record_turn(%s, '[]', NULL, NULL)"


def recording_ms(url: str, count: int) -> float:
    """Write so many turns as the service does, each a transaction of its own; gives the mean time, in milliseconds."""
    with psycopg.connect(url, autocommit=True) as connection:
        text = connection.execute("SELECT answer FROM turns WHERE answer <> '' LIMIT 1").fetchone()
        answer = text[0] if text else "leave policy"
        rows = [Jsonb(_turn(connection, number, answer)) for number in range(count)]
        started = time.perf_counter()
        for row in rows:
            connection.execute(_ROW, [row])
        return (time.perf_counter() - started) * 1000 / count


def _turn(connection: psycopg.Connection[Any], number: int, answer: str) -> dict[str, Any]:
    empty: dict[str, list[object]] = {
        name: [] for name in ("steps", "passages", "citations", "skipped", "tools", "findings")
    }
    id = connection.execute("SELECT gen_random_uuid()::text").fetchone()
    assert id is not None
    texts = dict.fromkeys(("unit", "reason", "rung", "model", "revision", "error", "trace_id", "arm"), "")
    numbers = {"latency_ms": 12.5, "input_tokens": 9, "output_tokens": 9, "cost_usd": "0.0009", "saved_usd": "0"}
    return {
        **empty,
        **texts,
        **numbers,
        "id": id[0],
        "started_at": datetime.now(UTC).isoformat(),
        "usecase": USECASE,
        "channel": "api",
        "user_id": "somebody.else",
        "outcome": "answered_model",
        "question": f"How is the leave of case{number} dealt with now?",
        "answer": answer,
    }
