"""A person takes everything along and is erased everywhere: the whole database and all of Redis are looked through."""

import json
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx2
import psycopg
import pytest
from psycopg import sql
from redis import Redis

from app.api.app import create
from app.console import pages
from app.domain.outcome import Outcome
from app.domain.turn import Draft, Remembered
from app.store import quality, semantic
from app.store.sealing import Seals
from app.wiring.service import Service, build
from app.work.audit import AuditKeeper
from tests.api.papers import Papers
from tests.conftest import make_settings, read_samples

PERSON, OTHER, OFFICER = "olga.petrov", "sam.reyes", "dana.weiss"
WORD = "brontotherium"
# Where the person may still stand afterwards, as docs/how-to/erase-a-person.md says.
STAYS = {"erasures", "audit", "holds", "flags", "flag_history"}
As = Callable[[str], dict[str, str]]


@dataclass
class Office:
    """A service over a database of its own, its door, its owner's connection and its Redis."""

    service: Service
    client: httpx2.AsyncClient
    as_: As
    owner: psycopg.AsyncConnection[Any]
    redis: Redis

    async def call(self, method: str, path: str, who: str = PERSON, **kwargs: Any) -> httpx2.Response:
        """Send a request as a person."""
        headers = {**self.as_(who), **kwargs.pop("headers", {})}
        return await self.client.request(method, path, headers=headers, **kwargs)

    async def run(self, kind: str) -> list[str]:
        """Do the queued jobs of a kind; gives how each ended."""
        query = "SELECT id FROM jobs WHERE kind = %s AND status = 'queued'"
        ids = [row[0] for row in await (await self.owner.execute(query, (kind,))).fetchall()]
        for id in ids:
            await self.service.jobs.run(id)
        rows = await (await self.owner.execute("SELECT status FROM jobs WHERE id = ANY(%s)", (ids,))).fetchall()
        return [row[0] for row in rows]

    async def erased(self, path: str) -> dict[str, Any]:
        """Do what was asked for, and give how it ended."""
        assert await self.run("erase") == ["succeeded"]
        return dict((await self.call("GET", path)).json())

    async def found(self, words: str) -> set[str]:
        """Give the tables in which these words stand, in any column, as text or as bytes."""
        query = (
            "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE c.relkind IN ('r', 'm') AND n.nspname !~ '^(pg_|information_schema)'"
        )
        tables, hexed = await (await self.owner.execute(query)).fetchall(), words.encode().hex()
        found = set()
        for schema, table in tables:
            look = sql.SQL("SELECT EXISTS (SELECT FROM {} AS t WHERE t::text ILIKE %s OR t::text ILIKE %s)").format(
                sql.Identifier(schema, table)
            )
            row = await (await self.owner.execute(look, (f"%{words}%", f"%{hexed}%"))).fetchone()
            if row and row[0]:
                found.add(re.sub(r"_(\d{4}_\d{2}|rest)$", "", str(table)))
        return found

    def cached(self, words: str) -> list[bytes]:
        """Give the keys of Redis in whose names or values these words stand."""
        needle, read = words.encode(), {b"string": "get", b"hash": "hgetall", b"list": "lrange", b"set": "smembers"}
        found = []
        for key in self.redis.scan_iter():
            kind = self.redis.type(key)
            extra = (0, -1) if kind in (b"list", b"zset") else ()
            value = getattr(self.redis, read.get(kind, "zrange"))(key, *extra)
            if needle in key or needle in str(value).lower().encode():
                found.append(key)
        return found


@pytest.fixture
async def office(database_copy: str, redis_url: str, as_: As) -> AsyncIterator[Office]:
    service = build(make_settings(database_copy, redis_url))
    # What is not sealed can be looked through.
    for database in (service.database, service.ingest_database, service.data_life.keeper):
        database.seals = Seals()
    await service.start()
    transport = httpx2.ASGITransport(app=create(service, pages=pages.ROUTERS))
    async with (
        httpx2.AsyncClient(transport=transport, base_url="http://test", timeout=60) as client,
        await psycopg.AsyncConnection.connect(database_copy, autocommit=True) as owner,
    ):
        yield Office(service, client, as_, owner, Redis.from_url(redis_url))
    await service.stop()


async def live(office: Office) -> dict[str, Any]:
    """Have the person leave something in every place; gives the ids that a test needs."""
    service, client = office.service, office.client
    await read_samples(service)
    ask = f"Does the {WORD} get parental leave?"
    first = (await office.call("POST", "/v1/usecases/handbook/turns", json={"question": ask})).json()
    again = {"question": f"{ask} And its calf?", "session_id": first["session_id"]}
    key = {"Idempotency-Key": f"{WORD}-1"}
    turn = (await office.call("POST", "/v1/usecases/handbook/turns", json=again, headers=key)).json()
    opinion = {"thumbs": "down", "correction": f"The {WORD} eats more."}
    answer = await office.call("POST", f"/v1/turns/{turn['turn_id']}/feedback", json=opinion)
    assert answer.status_code < 300, answer.text
    papers = Papers(service, client, office.as_(PERSON))
    document = await papers.send(
        f"About the {WORD}", f"# Diet\n\nThe {WORD} eats ferns at noon.", ["everyone", f"user:{PERSON}"]
    )
    quoted = await office.call(
        "POST", "/v1/usecases/handbook/turns", OTHER, json={"question": "Who eats ferns at noon?"}
    )
    assert WORD in quoted.json()["answer"].lower(), "somebody else was told from the person's document"
    file = {"file": (f"{WORD}.md", f"# {WORD}".encode(), "text/markdown")}
    data = {"usecase": "handbook", "title": WORD}
    assert (await office.call("POST", "/v1/documents", data=data, files=file)).status_code == 202
    items = {"items": [{"question": f"An invoice for the {WORD}"}]}
    assert (await office.call("POST", "/v1/usecases/triage/jobs", json=items)).status_code == 202
    assert await office.run("turns") == ["succeeded"]
    queued = (await office.call("POST", "/v1/usecases/triage/jobs", json=items)).json()["job_id"]
    await _plant(office, turn["turn_id"])
    return {"turn": turn["turn_id"], "quoted": quoted.json()["turn_id"], "queued": queued, "document": document}


async def _plant(office: Office, turn_id: str) -> None:
    """Write what other doors leave: a cached answer, a sign-in, an API key, an incident, a budget, a restriction."""
    draft = Draft(text=f"The {WORD} gets it.", rung="best", outcome=Outcome.ANSWERED_MODEL)
    remembered = Remembered(draft, (), UUID(turn_id), datetime.now(UTC), None)
    await office.service.recalling.answers.put("planted", remembered, day="", ttl_s=600)
    async with office.service.database.work() as work:
        await semantic.keep(
            work, key="planted", scope="s", vector=[1.0, 2.0], expires_at=datetime.now(UTC).replace(year=2099)
        )
    planted = (
        ("INSERT INTO sign_ins (hash, user_id, claims, expires_at) VALUES (%s, %s, 'x', now() + interval '1 day')",
         (uuid4().bytes * 2, PERSON)),
        ("INSERT INTO api_keys (id, hash, name, account, created_by, expires_at)"
         " VALUES ('k1', %s, 'robot', 'robot', %s, now() + interval '1 day')", (uuid4().bytes * 2, PERSON)),
        ("INSERT INTO incidents (id, kind, turn_id, usecase, user_id, channel, detail)"
         " VALUES (%s, 'leak', %s, 'handbook', %s, 'api', '')", (uuid4(), turn_id, PERSON)),
        ("INSERT INTO budgets (kind, name, period, spent) VALUES ('person', %s, current_date, 2)",
         (f"handbook/{PERSON}",)),
        ("INSERT INTO restrictions (id, subject, what, cause, reason, set_by, lifted_at, lifted_by)"
         " VALUES (%s, %s, 'ask', 'operator', 'r', 'x', now(), 'x')", (uuid4(), f"user:{PERSON}")),
        ("INSERT INTO directory_people (user_id, groups) VALUES (%s, '{}')", (PERSON,)),
        ("INSERT INTO reviews (id, turn_id, usecase, asker, question, draft, why, assigned_to, taken_by, authors,"
         " put_forward_by) VALUES (%s, %s, 'handbook', 'x', '', '', '', %s, %s, %s, %s)",
         (uuid4(), uuid4(), PERSON, PERSON, [PERSON], PERSON)),
        ("INSERT INTO captured_cases (id, turn_id, usecase, kind, asker, proposed_by, edited_by, question, status)"
         " VALUES (%s, %s, 'handbook', 'correction', 'x', 'x', %s, 'x', 'proposed')", (uuid4(), uuid4(), PERSON)),
    )  # fmt: skip
    for statement, values in planted:
        await office.owner.execute(statement, values)  # type: ignore[arg-type]


@pytest.mark.proves("SEC-11")
async def test_a_person_is_erased_everywhere_with_a_certificate_and_what_was_spent_still_adds_up(office):
    left = await live(office)
    places = {"messages", "turns", "feedback", "documents", "chunks", "uploads", "reviews", "jobs", "idempotency"}
    places |= {"captured_cases"}
    assert places <= await office.found(WORD) and {"budgets", "acls", "restrictions"} <= await office.found(PERSON)
    assert office.cached(WORD)
    sums = "SELECT count(*), sum(cost_usd), sum(input_tokens) FROM turns"
    before = await (await office.owner.execute(sums)).fetchone()
    await AuditKeeper(office.service.database).seal()

    assert (await office.call("DELETE", "/v1/me")).status_code == 422
    assert (await office.call("DELETE", "/v1/me", headers={"X-Confirm": OTHER})).status_code == 422
    asked = await office.call("DELETE", "/v1/me", headers={"X-Confirm": PERSON})
    assert (asked.status_code, asked.json()["status"]) == (202, "queued")
    again = await office.call("DELETE", "/v1/me", headers={"X-Confirm": PERSON})
    assert again.json()["id"] == asked.json()["id"], "one at a time"
    done = await office.erased(asked.headers["Location"])

    assert await office.found(WORD) == set()
    assert await office.found(PERSON) <= STAYS
    assert (office.cached(WORD), office.cached(PERSON)) == ([], [])
    assert await (await office.owner.execute(sums)).fetchone() == before
    row = await (await office.owner.execute("SELECT user_id FROM turns WHERE id = %s", (left["turn"],))).fetchone()
    assert row is not None and row[0].startswith("erased:")
    job = await (await office.owner.execute("SELECT count(*) FROM jobs WHERE id = %s", (left["queued"],))).fetchone()
    assert job == (0,)

    certificate = done["certificate"]
    assert done["status"] == "done" and certificate["person"] == PERSON
    expected = {
        "sessions": 1,
        "messages": 4,
        "feedback": 1,
        "captured_cases": 1,
        "idempotency": 1,
        "documents": 1,
        "uploads": 1,
        "reviews": 1,
    }
    assert expected.items() <= certificate["erased"].items()
    assert {"turns", "jobs", "job_items", "cached_answers", "answers_to_others"} <= certificate["erased"].keys()
    assert {"audit", "ledger", "erasures"} <= {each["what"] for each in certificate["stays"]}
    officers = (await office.call("GET", f"/v1/admin/erasures/{done['id']}", OFFICER)).json()
    assert officers["proven"] and officers["hash"] == done["hash"]
    assert (await AuditKeeper(office.service.database).verify(whole=True)).broken == ""
    await office.owner.execute('UPDATE erasures SET certificate = certificate || \'{"reason": "another"}\'')
    assert not (await office.call("GET", f"/v1/admin/erasures/{done['id']}", OFFICER)).json()["proven"]

    seen = (await office.call("GET", f"/v1/turns/{left['quoted']}", OTHER)).json()
    assert WORD not in json.dumps(seen["answer"]).lower()
    assert (await office.call("GET", asked.headers["Location"], OTHER)).status_code == 404
    second = await office.call("DELETE", "/v1/me", headers={"X-Confirm": PERSON})
    assert (await office.erased(second.headers["Location"]))["certificate"]["erased"] == {}


@pytest.mark.proves("SEC-11")
async def test_evaluation_cases_that_name_a_person_are_told_and_what_was_answered_to_them_is_emptied(office, tmp_path):
    (tmp_path / "evals").mkdir()
    case = f"  - id: hers\n    as: {PERSON}\n    question: What about ferns?\n    expect: " + "{outcome: answered}\n"
    (tmp_path / "evals" / "cases.yaml").write_text(
        "cases:\n" + case + case.replace("hers", "his").replace(PERSON, OTHER)
    )
    cases = office.service.usecases
    cases["handbook"] = replace(cases["handbook"], folder=tmp_path)
    answers = [{"case": name, "answer": f"{WORD} of {name}", "passed": True} for name in ("hers", "his")]
    report = {"usecase": "handbook", "revision": "r", "passed": 2, "total": 2}
    report |= {"pass_rate": 1.0, "low": 0.3, "high": 1.0, "threshold": 0.5, "good": True, "results": answers}
    async with office.service.database.work() as work:
        await quality.keep(work, report, commit="c")

    taken = (await office.call("GET", "/v1/me/export")).json()["evaluation_cases"]
    assert [each["place"] for each in taken] == ["usecases/handbook/evals/cases.yaml:2"] and "ferns" in taken[0]["case"]
    asked = await office.call("DELETE", "/v1/me", headers={"X-Confirm": PERSON})
    certificate = (await office.erased(asked.headers["Location"]))["certificate"]
    assert certificate["erased"]["evaluation_reports"] == 1
    (stays,) = [each["why"] for each in certificate["stays"] if each["what"] == "evaluation_cases"]
    assert "usecases/handbook/evals/cases.yaml:2;" in stays and f"app people remove-cases {PERSON}" in stays
    row = await (await office.owner.execute("SELECT report -> 'results' FROM evaluations")).fetchone()
    assert row is not None
    assert [each["answer"] for each in row[0]] == ["", f"{WORD} of his"] and row[0][0]["passed"] is True


@pytest.mark.proves("SEC-11")
async def test_everything_can_be_taken_along_without_secrets_and_without_other_people(office):
    left = await live(office)
    answer = await office.call("GET", "/v1/me/export")
    assert answer.status_code == 200 and "attachment" in answer.headers["content-disposition"]
    told = answer.json()
    assert told["person"]["id"] == PERSON
    assert [len(told[name]) for name in ("sessions", "feedback", "documents", "reviews", "api_keys")] == [1, 1, 1, 1, 1]
    assert [message["role"] for message in told["sessions"][0]["messages"]] == ["user", "assistant"] * 2
    assert WORD in told["sessions"][0]["messages"][0]["text"]
    assert left["turn"] in {turn["id"] for turn in told["turns"]}
    assert left["quoted"] not in {turn["id"] for turn in told["turns"]}
    assert "ferns" in told["documents"][0]["pieces"][0]["text"]
    assert {job["kind"] for job in told["jobs"]} == {"turns", "upload"}
    asked = [job["input"]["items"][0]["question"] for job in told["jobs"] if job["kind"] == "turns"]
    assert len(asked) == 2 and all(WORD in question for question in asked)
    assert "hash" not in told["api_keys"][0] and told["uploads"][0]["content"]
    other = (await office.call("GET", "/v1/me/export", OTHER)).json()
    assert PERSON not in json.dumps(other) and other["documents"] == []
    assert WORD in json.dumps(other["turns"]).lower(), "they may read it as long as the document is there"


@pytest.mark.proves("SEC-11")
async def test_what_stands_on_documents_that_one_may_no_longer_read_is_withheld_from_the_export(office):
    left = await live(office)
    papers = Papers(office.service, office.client, office.as_(PERSON))
    await papers.give_to(left["document"], [f"user:{PERSON}"])
    turns = (await office.call("GET", "/v1/me/export", OTHER)).json()["turns"]
    told = next(turn for turn in turns if turn["id"] == left["quoted"])
    assert told["answer"].startswith("(withheld")


@pytest.mark.proves("SEC-11")
async def test_whoever_is_held_is_not_erased_until_the_hold_is_released(office):
    session = (await office.call("POST", "/v1/usecases/handbook/turns", json={"question": WORD})).json()["session_id"]
    hold = {"user_id": PERSON, "reason": "case 4711", "told": "a court asked for it"}
    placed = await office.call("POST", "/v1/admin/holds", OFFICER, json=hold)
    assert placed.status_code == 201, placed.text
    refused = await office.call("DELETE", "/v1/me", headers={"X-Confirm": PERSON})
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/held")
    assert "a court asked for it" in refused.json()["detail"] and "4711" not in refused.text
    assert (await office.call("DELETE", f"/v1/sessions/{session}")).status_code == 409
    body = {"reason": "they asked", "confirm": PERSON}
    assert (await office.call("POST", f"/v1/admin/people/{PERSON}/erase", OFFICER, json=body)).status_code == 409
    release = f"/v1/admin/holds/{placed.json()['id']}/release"
    assert (await office.call("POST", release, OFFICER, json={"reason": "it is over"})).status_code == 204
    assert (await office.call("POST", release, OFFICER, json={"reason": "it is over"})).status_code == 409
    accepted = await office.call("POST", f"/v1/admin/people/{PERSON}/erase", OFFICER, json=body)
    assert accepted.status_code == 202
    assert await office.run("erase") == ["succeeded"]
    assert await office.found(WORD) == set() and await office.found(PERSON) <= STAYS


@pytest.mark.proves("SEC-11")
async def test_a_hold_that_comes_in_between_stops_an_erasure_and_its_release_takes_it_up_again(office):
    await office.call("POST", "/v1/usecases/handbook/turns", json={"question": WORD})
    asked = await office.call("DELETE", "/v1/me", headers={"X-Confirm": PERSON})
    body = {"usecase": "handbook", "reason": "case 4711", "told": "the law"}
    placed = (await office.call("POST", "/v1/admin/holds", OFFICER, json=body)).json()["id"]
    assert await office.run("erase") == ["failed"]
    assert (await office.call("GET", asked.headers["Location"])).json()["status"] == "held"
    assert "turns" in await office.found(WORD)
    answer = await office.call("POST", f"/v1/admin/holds/{placed}/release", OFFICER, json={"reason": "it is over"})
    assert answer.status_code == 204
    assert (await office.erased(asked.headers["Location"]))["status"] == "done"
    assert await office.found(WORD) == set()


@pytest.mark.proves("SEC-11")
async def test_an_erasure_whose_worker_dies_in_the_middle_is_finished_by_the_next(office, monkeypatch):
    from app.store import forgetting
    from app.work import erasure

    await live(office)
    asked = await office.call("DELETE", "/v1/me", headers={"X-Confirm": PERSON})

    async def dies(*_: Any) -> None:
        raise RuntimeError("the worker is gone")

    with monkeypatch.context() as patch:
        broken = [(name, dies if name == "turns" else step) for name, step in forgetting.STEPS]
        patch.setattr(erasure, "STEPS", tuple(broken))
        with pytest.raises(RuntimeError):
            await office.run("erase")
    partly = (await office.call("GET", asked.headers["Location"])).json()
    assert partly["status"] == "running" and partly["counts"]["sessions"] == 1
    await office.owner.execute("UPDATE jobs SET lease_until = now() - interval '1 second', status = 'queued'")
    done = await office.erased(asked.headers["Location"])
    assert done["certificate"]["erased"]["sessions"] == 1, "nothing is counted twice"
    assert await office.found(WORD) == set()


@pytest.mark.proves("SEC-3", "SEC-11")
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", f"/v1/admin/people/{PERSON}/export?reason=why", None),
        ("POST", f"/v1/admin/people/{PERSON}/erase", {"reason": "why", "confirm": PERSON}),
        ("GET", "/v1/admin/erasures", None),
        ("GET", "/v1/admin/holds", None),
        ("POST", "/v1/admin/holds", {"user_id": PERSON, "reason": "why", "told": "x"}),
        ("POST", f"/v1/admin/holds/{UUID(int=7)}/release", {"reason": "why"}),
    ],
)
async def test_only_the_office_of_privacy_touches_other_people(client, as_, method, path, body):
    assert (await client.request(method, path, json=body, headers=as_(PERSON))).status_code == 403


@pytest.mark.proves("SEC-11")
async def test_an_officer_exports_somebody_with_a_reason_that_stays_in_the_audit(client, as_):
    url = f"/v1/admin/people/{OTHER}/export"
    assert (await client.get(url, headers=as_(OFFICER))).status_code == 422
    told = await client.get(url, params={"reason": "request 17"}, headers=as_(OFFICER))
    assert told.json()["person"]["id"] == OTHER
    entries = (await client.get("/v1/admin/audit", headers=as_("olga.petrov"))).json()
    assert ("person.exported", "request 17") in {(entry["action"], entry["reason"]) for entry in entries}
