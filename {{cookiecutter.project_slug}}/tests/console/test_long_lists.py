"""Lists that are longer than a page: each goes on, or says how much it leaves out; and none asks once per row."""

import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from html import unescape
from uuid import UUID, uuid4

import psycopg
import pytest
from sqlalchemy import event

from app.domain.identity import Principal
from app.domain.outcome import Outcome
from app.domain.turn import Turn
from app.store import ledger, reviews
from app.store.db import Database
from app.store.jobs import Order
from ops.local.engines import Engines
from tests.accounts import Office, bearer, office
from tests.api.papers import Papers
from tests.conftest import copied
from tests.console.conftest import Seen

CROWD = 300
OLGA, HANA, DANA = "olga.petrov", "hana.lind", "dana.weiss"
MANY = {
    "incidents": "SELECT gen_random_uuid(), now(), 'leak', gen_random_uuid(), 'handbook', 'sam', 'api', 'row ' || n",
    "keys": "SELECT lpad(to_hex(n), 12, '0'), decode(lpad(to_hex(n), 64, '0'), 'hex'), 'old', 'crm', 'tests', now()",
    "restrictions": "SELECT gen_random_uuid(), 'user:' || n, 'ask', 'operator', 'why', 'tests', now(), 'tests'",
    "erasures": "SELECT gen_random_uuid(), 'left.' || n, 'tests', 'request', 'done', gen_random_uuid()",
    "evaluations": "SELECT gen_random_uuid(), 'handbook', 'r', 1, 1, 1, 1, 1, 1, true, '{}'",
    "items": "SELECT %s, n, 'answered_model'",
    "cases": "SELECT gen_random_uuid(), %s, 'handbook', 'correction', 'sam', 'p.' || n, 'q', 'a', true, 'proposed'",
}
INTO = {
    "incidents": "incidents (id, at, kind, turn_id, usecase, user_id, channel, detail)",
    "keys": "api_keys (id, hash, name, account, created_by, expires_at)",
    "restrictions": "restrictions (id, subject, what, cause, reason, set_by, lifted_at, lifted_by)",
    "erasures": "erasures (id, user_id, requested_by, reason, status, job_id)",
    "evaluations": "evaluations (id, usecase, revision, passed, total, pass_rate, low, high, threshold, good, report)",
    "items": "job_items (job_id, ordinal, outcome)",
    "cases": "captured_cases (id, turn_id, usecase, kind, asker, proposed_by, question, expected, is_masked, status)",
}


@dataclass
class Shelf:
    """A service of its own with a directory of many people, and a way to put many rows into its database."""

    office: Office
    url: str

    def put(self, what: str, count: int, *about: UUID) -> None:
        """Put so many rows into a table."""
        statement = f"INSERT INTO {INTO[what]} {MANY[what]} FROM generate_series(1, {count}) AS n"
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(statement.encode(), about or None)

    async def page(self, path: str, headers: dict[str, str]) -> str:
        """Open a page."""
        response = await self.office.door.get(path, headers=headers)
        assert response.status_code == 200, response.text
        return response.text

    async def turn(self) -> UUID:
        """Put a turn in the ledger; gives its id."""
        service = self.office.service
        asked = Turn(usecase=service.usecases["handbook"], principal=Principal("sam.reyes"), question="?")
        await ledger.end(service.database, asked.with_(outcome=Outcome.ESCALATED_REVIEW), None)
        return asked.id


@pytest.fixture(scope="module")
async def shelf(
    engines: Engines, database_template: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Shelf]:
    folder = tmp_path_factory.mktemp("shelf")
    members = [{"value": f"crowd.{place:03}"} for place in range(CROWD)]
    (folder / "groups.json").write_text(json.dumps({"Resources": [{"displayName": "crowd", "members": members}]}))
    with copied(engines, database_template) as url:
        async with office(url, redis_url, folder, directory=str(folder / "groups.json")) as made:
            await made.service.directory.sync()
            yield Shelf(made, url)


@pytest.mark.parametrize(
    ("what", "path", "person", "shown"),
    [
        ("keys", "/console/keys", OLGA, 500),
        ("restrictions", "/console/restrictions", OLGA, 100),
        ("erasures", "/console/people", DANA, 100),
        ("evaluations", "/console/evaluations?usecase=handbook", OLGA, 50),
    ],
)
async def test_a_list_says_how_many_it_leaves_out(
    shelf: Shelf, seen: Seen, what: str, path: str, person: str, shown: int
) -> None:
    assert "not shown" not in await shelf.page(path, seen(person))
    shelf.put(what, shown + 1)
    assert "1 more is not shown." in await shelf.page(path, seen(person))


async def test_a_job_says_how_many_items_it_leaves_out(shelf: Shelf, seen: Seen) -> None:
    order = Order("turns", "handbook", OLGA, (), {"items": [], "unit": ""}, total=202)
    job_id = await shelf.office.service.jobs.submit(order)
    shelf.put("items", 202, job_id)
    text = await shelf.page(f"/console/jobs/{job_id}", seen(OLGA))
    assert "2 more are not shown." in text and text.count('<td class="n">') == 200


async def test_captured_cases_say_how_many_are_left_out(shelf: Shelf, seen: Seen) -> None:
    shelf.put("cases", 201, await shelf.turn())
    assert "1 more is not shown." in await shelf.page("/console/captured", seen(HANA))
    assert "not shown" not in await shelf.page("/console/captured?status=accepted", seen(HANA))


async def test_incidents_go_on_page_by_page_also_those_of_one_moment(shelf: Shelf, seen: Seen) -> None:
    shelf.put("incidents", 101)
    found, sizes, address = set(), [], "?status=open"
    while address:
        text = await shelf.page(f"/console/incidents{address}", seen(HANA))
        rows = re.findall(r"<p class=\"small\">(row \d+)</p>", text)
        sizes.append(len(rows))
        found |= set(rows)
        address = next((unescape(each) for each in re.findall(r'href="([^"]+)" rel="next"', text)), "")
    assert (sizes, len(found)) == ([50, 50, 1], 101)


async def test_reviews_go_on_page_by_page_and_keep_the_filter(shelf: Shelf, seen: Seen) -> None:
    for _ in range(51):
        opening = reviews.Opening(turn_id=uuid4(), usecase="handbook", asker="sam.reyes", question="?", why="so")
        async with shelf.office.service.database.work() as work:
            await reviews.open_(work, opening)
    text = await shelf.page("/console/reviews?kind=escalation", seen(OLGA))
    (following,) = re.findall(r'href="([^"]+)" rel="next">Next<', text)
    assert text.count('<article class="panel review"') == 50 and "kind=escalation" in following
    rest = await shelf.page(f"/console/reviews{unescape(following)}", seen(OLGA))
    assert rest.count('<article class="panel review"') == 1 and 'rel="next"' not in rest and ">First<" in rest


@pytest.mark.proves("SEC-4")
async def test_who_can_read_it_asks_the_directory_once_for_everybody(shelf: Shelf, seen: Seen, token: object) -> None:
    assert callable(token)
    papers = Papers(shelf.office.service, shelf.office.door, bearer(token("sam.reyes")))
    id = await papers.send("Whales", "# Whales\n\nThey are long.\n", ["user:sam.reyes"])
    form = {"about": "document", "name": id, "groups": "", "reason": "a test"}
    statements = 0

    def count(*_: object) -> None:
        nonlocal statements
        statements += 1

    asked = (shelf.office.service.database, shelf.office.service.ingest_database)
    listen(asked, count)
    response = await shelf.office.door.post("/console/readers", data=form, headers=seen(OLGA))
    people = response.text.partition('aria-label="People and Whales"')[2]
    listed = re.findall(r'<th scope="row">([^<]+)', people)
    assert len(listed) == 200 and listed[0] == "Sam Reyes", "who may read it stands first"
    assert statements < 40, "whatever the number of people"
    others = len(re.findall(r"(\d+) more may not", response.text))
    assert others == 1 and "0 more may read it" in response.text


@pytest.mark.proves("SEC-11")
async def test_certificates_are_looked_up_in_the_audit_at_once(shelf: Shelf, seen: Seen) -> None:
    shelf.put("erasures", 60)
    statements = 0

    def count(*_: object) -> None:
        nonlocal statements
        statements += 1

    listen((shelf.office.service.data_life.keeper,), count)
    await shelf.page("/console/people", seen(DANA))
    assert 0 < statements < 20


def listen(databases: tuple[Database, ...], count: object) -> None:
    for database in databases:
        event.listen(database.engine.sync_engine, "before_cursor_execute", count)
