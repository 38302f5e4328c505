"""Makes a running service look lived in: two weeks in the ledger, and something of each kind on every page."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx2
import psycopg
from psycopg.types.json import Jsonb

from app.domain.plan import Plan, definition, key_of
from ops.drills.stack import Stack
from tests.e2e.test_browser import LEAVE, PAY
from tests.e2e.weeks import CANDIDATE, DAYS, POLICIES, ROLLED_OUT, House, fill
from tests.fakes.receiver import Receiver

NOTICE = "How much notice does my manager need before I take leave?"
INVOICE = "The invoice for March names a wrong amount."
TICKETS = ("Our gateway lost its connection last night.", "Can the chart show hourly averages?")
CLAIM, CERTIFICATE = POLICIES[1][0], POLICIES[0][0]
STOPPED = (
    ("unsafe", "the answer holds a link to a host that stands in nothing the asker may see"),
    ("others_data", "an e-mail address that stands in nothing the asker may see"),
)
WAIT_S = 60.0
CASES = ("leave-days", "sick-certificate", "expense-deadline", "mileage-own-car", "pension", "executive-pay")
RUN = (
    "INSERT INTO evaluations"
    " (id, usecase, revision, commit, passed, total, pass_rate, low, high, threshold, good, report, at)"
    " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, now() - make_interval(days => %s))"
)


@dataclass(frozen=True, slots=True)
class Lived:
    """The service, who may come in by what token, and what its use cases are called."""

    stack: Stack
    token: Callable[[str], str]
    house: House

    @asynccontextmanager
    async def door(self, *people: str) -> AsyncIterator[list[httpx2.AsyncClient]]:
        """Open the HTTP door for some people."""
        async with AsyncExitStack() as opened:
            yield [await opened.enter_async_context(self._client(person)) for person in people]

    def _client(self, person: str) -> httpx2.AsyncClient:
        headers = {"Authorization": f"Bearer {self.token(person)}"}
        return httpx2.AsyncClient(base_url=self.stack.url, headers=headers, timeout=60)


async def live(lived: Lived) -> None:
    """Do all of it."""
    past = await asyncio.to_thread(fill, lived.stack.engines.database_url, lived.house)
    stopped = [turn for turn in reversed(past["turns"]) if turn["outcome"] == "refused_check"]
    with psycopg.connect(lived.stack.engines.database_url, autocommit=True) as owner:
        for turn, (kind, detail) in zip(stopped, STOPPED, strict=False):
            _incident(owner, turn, kind, detail)
        owner.execute(
            "INSERT INTO budgets (kind, name, period, spent) VALUES ('shadow', %s, date_trunc('month', now()), %s)"
            " ON CONFLICT (kind, name, period) DO NOTHING",
            (lived.house.triage, sum(run["shadow_usd"] for run in past["shadow_runs"])),
        )
        _rolled_out(owner, lived.house.policy)
        for place, (passed, of) in enumerate(((62, 70), (64, 70), (58, 70), (65, 70), (66, 70))):
            _measured(owner, lived.house.policy, 10 - 2 * place, passed=passed, of=of, least=0.9)
        for place, passed in enumerate((37, 41, 44)):
            _measured(owner, lived.house.triage, 9 - 3 * place, passed=passed, of=80, least=0.45)
        report = {"total": 80, "passed": [44, 42], "more": 3, "fewer": 5}
        owner.execute(
            "INSERT INTO comparisons (id, usecase, candidate, good, report, commit)"
            " VALUES (%s, %s, 'cheap', true, %s, 'c41f0aa')",
            (uuid4(), lived.house.triage, Jsonb(report)),
        )
    async with lived.door("olga.petrov", "dana.weiss") as (olga, dana):
        await _steered(olga, dana)
    async with Receiver() as receiver:
        await _worked(lived, receiver)
    async with lived.door("sam.reyes", "tom.becker") as (sam, tom):
        await _asked(lived, sam, tom)


def over(lived: Lived) -> None:
    """End what would change what others are answered."""
    with psycopg.connect(lived.stack.engines.database_url, autocommit=True) as owner:
        for table in ("flag_history", "flags"):
            owner.execute(f"DELETE FROM {table} WHERE key = %s".encode(), (key_of(lived.house.policy),))


def _incident(owner: psycopg.Connection[Any], turn: dict[str, Any], kind: str, detail: str) -> None:
    owner.execute(
        "INSERT INTO incidents (id, at, kind, turn_id, usecase, user_id, channel, detail)"
        " VALUES (%s, %s, %s, %s, %s, %s, 'api', %s)",
        (uuid4(), turn["started_at"], kind, turn["id"], turn["usecase"], turn["user_id"], detail),
    )


def _rolled_out(owner: psycopg.Connection[Any], usecase: str) -> None:
    """Put a rollout where operators would have put it days ago; the desk itself starts one now, and asks for a key."""
    everybody, begun = Plan(by_contract=True), Plan(stage="off", candidate=CANDIDATE)
    steps = (
        (everybody, "contract.toml", "as the contract says", DAYS),
        (begun.at("percent:1"), "olga.petrov", "as good on the cases, for a tenth of the money", 4),
        (begun.at("percent:10", passed=("percent:1",)), "olga.petrov", "a day without complaints", ROLLED_OUT.days),
    )
    key, before = key_of(usecase), None
    for version, (plan, by, reason, days) in enumerate(steps, start=1):
        made, at = Jsonb(definition(usecase, plan)), datetime.now(UTC) - timedelta(days=days)
        owner.execute(
            "INSERT INTO flags (key, definition, kind, owner, expires_on, version, changed_by, reason, changed_at)"
            " VALUES (%(key)s, %(made)s, 'string', 'workflow', '9999-12-31', %(version)s, %(by)s, %(reason)s, %(at)s)"
            " ON CONFLICT (key) DO UPDATE SET definition = excluded.definition, version = excluded.version,"
            " changed_by = excluded.changed_by, reason = excluded.reason, changed_at = excluded.changed_at",
            {"key": key, "made": made, "version": version, "by": by, "reason": reason, "at": at},
        )
        owner.execute(
            "INSERT INTO flag_history (key, version, at, actor, reason, before, after)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s)",
            (key, version, at, by, reason, before, made),
        )
        before = made


def _measured(owner: psycopg.Connection[Any], usecase: str, days: int, *, passed: int, of: int, least: float) -> None:
    rate = passed / of
    results = [
        {
            "case": case, "tags": ["plain"], "passed": case != "pension", "scores": {"outcome": case != "pension"},
            "outcome": "answered_model", "rung": "standard", "latency_ms": 700.0 + 31 * place,
        }
        for place, case in enumerate(CASES)
    ]  # fmt: skip
    tags = {"plain": [passed - 30, of - 31], "rights": [18, 18], "hard": [12, 13]}
    report = {"results": results, "by_tag": tags, "rungs": {"standard": of - 9, "cheap": 9}}
    numbers = (passed, of, rate, max(0.0, rate - 0.08), min(1.0, rate + 0.05), least, rate >= least)
    owner.execute(RUN, (uuid4(), usecase, "answer.v1", "c41f0aa", *numbers, Jsonb(report), days))


async def _steered(olga: httpx2.AsyncClient, dana: httpx2.AsyncClient) -> None:
    """Turn a switch and back, make a key, keep somebody out, hold and erase data of people."""
    flip = {"subject": "model:gpt-6-luna", "reason": "the vendor announces works until noon"}
    await said(olga, "/v1/admin/flags", {**flip, "enabled": False})
    await said(olga, "/v1/admin/flags", {**flip, "enabled": True, "reason": "the works are over"})
    key = {"name": "CRM, side panel", "account": "crm", "permissions": ["turns.ask"], "days": 90}
    key |= {"reason": "the sales team asks from the CRM"}
    await said(olga, "/v1/admin/keys", key)
    once = {"subject": "address:203.0.113.7", "what": "everything", "reason": "guesses passwords"}
    made = await said(olga, "/v1/admin/restrictions", once)
    await said(olga, f"/v1/admin/restrictions/{made['id']}/lift", {"reason": "it was our own scanner"})
    script = {"subject": "user:kai.lund", "what": "ask", "minutes": 240, "reason": "a script asks 40 times a minute"}
    await said(olga, "/v1/admin/restrictions", script)
    told = "Your data is kept until a legal question is settled."
    hold = {"user_id": "lena.vogt", "reason": "dispute 2026-118: nothing may be lost", "told": told}
    await said(dana, "/v1/admin/holds", hold)
    gone = {"confirm": "gus.adler", "reason": "asked for it in writing on leaving"}
    await said(dana, "/v1/admin/people/gus.adler/erase", gone)


async def _worked(lived: Lived, receiver: Receiver) -> None:
    """Let a receiver hear of decisions, of one the second time; then it moves to a better address."""
    triage, heard = lived.house.triage, 3
    async with lived.door("olga.petrov", "hana.lind") as (olga, hana):
        receiver.will(503)
        listens = {"name": "Service desk", "url": receiver.url, "kinds": ["review.decided", "incident.opened"]}
        made = await said(olga, "/v1/admin/webhooks", {**listens, "reason": "tickets follow decisions"})
        for question in (*TICKETS, INVOICE):
            await said(hana, f"/v1/usecases/{triage}/turns", {"question": question})
        waiting = (await olga.get("/v1/admin/reviews", params={"usecase": triage})).json()
        for review in [each for each in waiting if each["question"] in TICKETS and each["asker"] == "hana.lind"]:
            await said(olga, f"/v1/admin/reviews/{review['id']}", {"approve": True, "reason": "the labels are right"})
        await said(olga, f"/v1/admin/webhooks/{made['id']}/test", None)
        end = time.monotonic() + WAIT_S
        while len({event["id"] for event in receiver.events}) < heard or len(receiver.received) <= heard:
            assert time.monotonic() < end, f"heard only of {[event['type'] for event in receiver.events]}"
            await asyncio.sleep(0.1)
        await _queued(lived, olga)
    with psycopg.connect(lived.stack.engines.database_url, autocommit=True) as owner:
        owner.execute(
            "UPDATE webhooks SET url = 'https://desk.example.com/events', last_failed_at = now(),"
            " last_error = 'ClientConnectorDNSError' WHERE id = %s",
            (made["id"],),
        )


async def _queued(lived: Lived, olga: httpx2.AsyncClient) -> None:
    """Send jobs: one that is done, and one that waited while its use case was paused, and was cancelled."""
    house = lived.house
    await said(olga, f"/v1/usecases/{house.policy}/jobs", {"items": [{"question": LEAVE}, {"question": NOTICE}]})
    flip = {"subject": house.triage, "reason": "the reviewers are behind"}
    await said(olga, "/v1/admin/flags", {**flip, "enabled": False})
    items = {"items": [{"question": question} for question in (*TICKETS, INVOICE)]}
    job = await said(olga, f"/v1/usecases/{house.triage}/jobs", items)
    cancelled = await olga.delete(f"/v1/jobs/{job['job_id']}")
    assert cancelled.is_success, cancelled.text
    await said(olga, "/v1/admin/flags", {**flip, "enabled": True, "reason": "they have caught up"})


async def _asked(lived: Lived, sam: httpx2.AsyncClient, tom: httpx2.AsyncClient) -> None:
    """Ask, complain about an answer, and correct two, of which somebody accepts one."""
    policy = f"/v1/usecases/{lived.house.policy}/turns"
    for question in (LEAVE, PAY, NOTICE):
        await said(sam, policy, {"question": question})
    turns = [await said(tom, policy, {"question": question}) for question in (CERTIFICATE, LEAVE, CLAIM)]
    ids = [turn["turn_id"] for turn in turns]
    await said(tom, f"/v1/turns/{ids[0]}/complaint", {"text": "It leaves out Rotterdam, where other rules hold."})
    rights = ("25 days, and 27 in Rotterdam.", "Within 30 days; later ones need a note from the department head.")
    for id, right in zip(ids[1:], rights, strict=True):
        await said(tom, f"/v1/turns/{id}/feedback", {"thumbs": "down", "correction": right})
    async with lived.door("hana.lind") as (hana,):
        proposed = (await hana.get("/v1/admin/cases", params={"usecase": lived.house.policy})).json()
        case = next(each for each in proposed if each["expected"] == rights[0])
        reason = {"status": "accepted", "reason": "both offices ask this every week"}
        await said(hana, f"/v1/admin/cases/{case['id']}", reason)
    with psycopg.connect(lived.stack.engines.database_url, autocommit=True) as owner:
        # Of a service without a model all turns fall back; in a rollout that is an error, and here it is none.
        owner.execute("UPDATE turns SET arm = NULL WHERE usecase = %s AND rung = 'extractive'", (lived.house.policy,))


async def said(client: httpx2.AsyncClient, path: str, body: dict[str, Any] | None) -> Any:
    """Send something that has to be taken, and give the answer."""
    answer = await client.post(path, json=body)
    assert answer.is_success, f"{path}: {answer.status_code} {answer.text}"
    return answer.json() if answer.content else None
