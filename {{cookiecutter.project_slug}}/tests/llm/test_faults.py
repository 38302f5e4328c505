"""Every fault a vendor can have, alone and in ordered pairs, against every kind of ladder.

THE TABLE says what one call of a failing model comes to, LADDERS what the asker gets when the model's rung is given
up. Each cell is one turn through the HTTP door, with the vendor at the other end of real HTTP: its status, outcome and
rung, the ledger's rows (as many as the vendor counted calls) and the time are checked.
docs/explanation/failure-modes.md says the same in words; tests/ops/test_prove.py compares the two.
"""

import os
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import pytest

from app.domain.outcome import Outcome
from app.wiring.service import Service
from tests.fakes.fixtures import RunningVendor
from tests.llm.faulty import FORMS, LADDERS, SLACK_S, Bench, Case, Ended, bench

# fault: what a call comes to, for a text, a text that streams, a structured answer, and one that streams.
# First what happens next, then what the ledger's row of that call holds.
#   repeat  the same call again, three attempts in all    ask again  once more with the faults, then to a person
#   next    the next rung, at once                        wait       the next rung, when the rung's time is over
#   free    it cost nothing · priced · unpriced: the vendor charges, but never said how much
Cell = tuple[str, str]
FREE, PRICED, UNPRICED = "free", "priced", "unpriced"
REPEAT_FREE, NEXT_FREE = ("repeat", FREE), ("next", FREE)
REPEAT_UNPRICED, NEXT_UNPRICED, WAIT = ("repeat", UNPRICED), ("next", UNPRICED), ("wait", UNPRICED)
NEXT_PRICED, ASK_AGAIN = ("next", PRICED), ("ask again", PRICED)
ANSWERED, CHECKED, TORN = ("answered_model", PRICED), ("refused_check", PRICED), ("refused_check", UNPRICED)
NOTHING_FOUND = ("refused_no_evidence", PRICED)
# Whether the count came before the answer was stopped is a matter of milliseconds.
EITHER = ("refused_check", "priced or unpriced")
TABLE: dict[str, tuple[Cell, Cell, Cell, Cell]] = {
    # fault               text             text streamed    structured       structured, streamed
    "ok":                (ANSWERED,        ANSWERED,        ANSWERED,        ANSWERED),
    "429":               (REPEAT_FREE,     REPEAT_FREE,     REPEAT_FREE,     REPEAT_FREE),
    "500":               (REPEAT_FREE,     REPEAT_FREE,     REPEAT_FREE,     REPEAT_FREE),
    "429, in 30 s":      (NEXT_FREE,       NEXT_FREE,       NEXT_FREE,       NEXT_FREE),
    "503":               (REPEAT_FREE,     REPEAT_FREE,     REPEAT_FREE,     REPEAT_FREE),
    "400":               (NEXT_FREE,       NEXT_FREE,       NEXT_FREE,       NEXT_FREE),
    "401":               (NEXT_FREE,       NEXT_FREE,       NEXT_FREE,       NEXT_FREE),
    "hang":              (WAIT,            WAIT,            WAIT,            WAIT),
    "slow_first_token":  (WAIT,            WAIT,            WAIT,            WAIT),
    "stall":             (WAIT,            WAIT,            WAIT,            WAIT),
    "cut":               (REPEAT_UNPRICED, NEXT_UNPRICED,   REPEAT_UNPRICED, REPEAT_UNPRICED),
    "trails_off":        (NEXT_UNPRICED,   NEXT_UNPRICED,   NEXT_UNPRICED,   NEXT_UNPRICED),
    "malformed":         (NEXT_UNPRICED,   NEXT_UNPRICED,   NEXT_UNPRICED,   NEXT_UNPRICED),
    "malformed_event":   (NEXT_UNPRICED,   NEXT_UNPRICED,   NEXT_UNPRICED,   NEXT_UNPRICED),
    "wrong_schema":      (ANSWERED,        ANSWERED,        ASK_AGAIN,       ASK_AGAIN),
    "refusal":           (NEXT_PRICED,     NEXT_PRICED,     NEXT_PRICED,     NEXT_PRICED),
    "content_filter":    (NEXT_PRICED,     NEXT_PRICED,     NEXT_PRICED,     NEXT_PRICED),
    "length":            (NEXT_PRICED,     NEXT_PRICED,     NEXT_PRICED,     NEXT_PRICED),
    "empty":             (NEXT_PRICED,     NEXT_PRICED,     NEXT_PRICED,     NEXT_PRICED),
    "leak":              (CHECKED,         TORN,            ASK_AGAIN,       ASK_AGAIN),
    "alien":             (CHECKED,         EITHER,          CHECKED,         EITHER),
    "no_evidence":       (NOTHING_FOUND,   NOTHING_FOUND,   ASK_AGAIN,       ASK_AGAIN),
}  # fmt: skip
# What the vendor is told where the name of the row is not enough; the star makes it last.
SAYS = {
    "429, in 30 s": "429{}:retry-after=date+30",
    "slow_first_token": "slow_first_token{}=30",
    # A text that leaks is stopped while it streams: the vendor waits for that before it tells the count.
    "leak": "leak{}=30",
}
# Faults that break a stream whose beginning was read.
TEARING = {"stall", "cut", "trails_off", "malformed_event", "length", "content_filter"}
# The rung below the model, and what it gives: for texts, and for structured answers.
BELOW: dict[str, tuple[str, str]] = {
    "nothing": ("failed_model", "failed_model"),
    "other model": ("answered_model", "answered_model"),
    "cached": ("answered_cached", "answered_cached"),
    "extractive": ("answered_extractive", "failed_model"),
    "rules": ("answered_rules", "answered_rules"),
    "person": ("escalated_review", "escalated_review"),
}
ATTEMPTS = 3
# What a status may be for each family of outcomes, before the first word was streamed.
STATUS = {"failed_model": 502, "failed_timeout": 504}
# Every row, pair, ladder and form: minutes of work, for `make prove`.
EVERYTHING = os.environ.get("FAULTS") == "all"
PAIRED = (
    "429", "500", "400", "hang", "slow_first_token", "stall", "cut", "malformed", "wrong_schema", "refusal", "empty",
    "leak",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Expected:
    """What the tables say about a case: outcome, the rung that answered, and (rung, cost) of every call."""

    outcome: str
    rung: str
    calls: tuple[tuple[str, str], ...]


def expected(case: Case, *, is_torn: bool = False) -> Expected:
    """Walk down the ladder by the tables; once a stream was torn, the rungs below answer as a whole."""
    form, plan = FORMS.index(case.form), deque(case.rows)
    calls: list[tuple[str, str]] = []
    names = [rung.partition("-")[0] for rung in LADDERS[case.ladder]]
    for place, rung in enumerate(names):
        if rung not in ("standard", "backup"):
            return _below(case, rung, calls)
        again, asked_again = ATTEMPTS, False
        while True:
            what, cost = TABLE[_fault(plan, rung, case)][form]
            calls.append((rung, cost))
            again -= 1
            if what == "repeat" and again:
                continue
            if what == "ask again" and not asked_again:
                again, asked_again = ATTEMPTS, True
                continue
            if what == "wait" and place == len(names) - 1:
                return Expected("failed_timeout", "", tuple(calls))
            break
        if what == "ask again":
            return Expected("escalated_review", "", tuple(calls))
        form = 0 if is_torn else form
        if what not in ("repeat", "next", "wait"):
            # What the checks refuse keeps its rung in the ledger, for those who look into it.
            return Expected(what, "" if what == "refused_no_evidence" else rung, tuple(calls))
    return Expected("failed_model", "", tuple(calls))


def _fault(rows: "deque[str]", rung: str, case: Case) -> str:
    if case.is_lasting:
        return rows[0] if rung == "standard" else "ok"
    return rows.popleft() if rows else "ok"


def _below(case: Case, rung: str, calls: Sequence[tuple[str, str]]) -> Expected:
    outcome = BELOW[case.ladder][case.is_structured]
    gives = outcome.startswith("answered")
    return Expected(outcome, rung if gives else "", tuple(calls))


def check(one: Ended, requests: int) -> str:
    """Compare what happened with what was expected; gives "" or what is wrong."""
    case = one.case
    found = _differs(one, expected(case), requests)
    if found and case.form == "text streamed" and TEARING & set(case.rows):
        # Whether a word was shown before the stream broke is a matter of milliseconds.
        found = _differs(one, expected(case, is_torn=True), requests)
    return f"{case.rows} {case.ladder}, {case.form}: {'; '.join(found)}" if found else ""


def _differs(one: Ended, want: Expected, requests: int) -> list[str]:
    faults = []
    if (one.outcome, one.turn.get("outcome")) != (want.outcome, want.outcome):
        faults.append(f"outcome {one.outcome}, in the ledger {one.turn.get('outcome')}, not {want.outcome}")
    if want.rung and one.rung != want.rung:
        faults.append(f"rung {one.rung!r}, not {want.rung!r}")
    if not _same(sorted((rung, kind) for rung, _, kind in one.tried), sorted(want.calls)):
        faults.append(f"calls {one.tried}, not {want.calls}")
    if len(one.tried) != requests:
        faults.append(f"{len(one.tried)} rows for {requests} calls that the vendor saw")
    if [row for row in one.tried if row[2] != PRICED and not row[1]]:
        faults.append(f"a failed call without its error: {one.tried}")
    if one.status != 200 and one.status != STATUS.get(one.outcome):
        faults.append(f"status {one.status}")
    if one.seconds > one.limit_s + SLACK_S:
        faults.append(f"{one.seconds:.1f} s")
    return faults


def _same(rows: Sequence[tuple[str, str]], wanted: Sequence[tuple[str, str]]) -> bool:
    pairs = zip(rows, wanted, strict=False)
    return len(rows) == len(wanted) and all(a == c and b in d.split(" or ") for (a, b), (c, d) in pairs)


def alone() -> Iterator[Case]:
    """Every fault, as long as the first model is asked, over every ladder; streamed and whole take turns."""
    for number, (row, ladder, form) in enumerate(product(TABLE, LADDERS, FORMS)):
        if EVERYTHING or number // len(FORMS) % 2 == FORMS.index(form) % 2:
            yield Case((row,), (_entry(row, form, "*"),), ladder, form, is_lasting=True)


def pairs() -> Iterator[Case]:
    """Every fault after every other, call by call; where the first ends the turn, the second never comes about."""
    faults = [row for row in TABLE if EVERYTHING or row in PAIRED]
    for number, (ladder, (first, second)) in enumerate(product(LADDERS, product(faults, repeat=2))):
        place = faults.index(first) + faults.index(second) + number // len(faults) ** 2
        for form in FORMS if EVERYTHING else (FORMS[place % len(FORMS)],):
            plan = tuple(_entry(row, form, "") for row in (first, second))
            case = Case((first, second), plan, ladder, form)
            if len(expected(case).calls) > 1:
                yield case


def _entry(row: str, form: str, star: str) -> str:
    if row == "leak" and form.startswith("json"):
        return f"leak{star}"
    return SAYS.get(row, row.partition(",")[0] + "{}").format(star)


CASES = {"alone": tuple(alone()), "pairs": tuple(pairs())}


@pytest.fixture(scope="module")
async def running(
    service: Service, database_url: str, redis_url: str, vendor_server: RunningVendor, tmp_path_factory: object
) -> AsyncIterator[Bench]:
    """A service with a model of its own for every case; `service` has read the documents."""
    folder: Path = tmp_path_factory.mktemp("faults")  # type: ignore[attr-defined]
    # Every cell may be looked at twice.
    cases = 2 * sum(len(cases) for cases in CASES.values())
    async with bench((database_url, redis_url), vendor_server, folder, cases=cases) as built:
        yield built
        # Hundreds of them would push those of other tests off the reviewers' page.
        async with built.service.database.work() as work:
            await work.sql(
                "DELETE FROM reviews r USING turns t WHERE t.id = r.turn_id AND position('[[' IN t.question) > 0"
                " AND r.asker = 'olga.petrov'"
            )


@pytest.mark.slow
@pytest.mark.proves("REL-2", "REL-3", "REL-6", "REL-10", "REL-12", "LAT-5", "OBS-1", "CST-1")
@pytest.mark.parametrize("kind", CASES)
async def test_every_fault_ends_as_the_table_says(kind: str, running: Bench) -> None:
    cases = CASES[kind]
    ended = await running.run(cases)
    # For `make prove`, which reads it.
    print(f"\n{kind}: {len(ended)} turns")
    doubtful = [one.case for one in ended if check(one, running.requests(one))]
    # A machine that is too busy ends turns before the vendor does: such a cell is looked at again, with more time.
    again = await running.run(doubtful, is_patient=True)
    wrong = [found for one in again if (found := check(one, running.requests(one)))]
    assert not wrong, f"{len(wrong)} of {len(cases)}:\n" + "\n".join(wrong[:20])
    assert len({one.turn["id"] for one in ended}) == len(cases), "one row in the ledger for each turn"


def test_the_table_knows_every_outcome_it_names() -> None:
    named = {what for row in TABLE.values() for what, _ in row} | {one for pair in BELOW.values() for one in pair}
    assert named - {"repeat", "next", "wait", "ask again"} <= set(Outcome)
