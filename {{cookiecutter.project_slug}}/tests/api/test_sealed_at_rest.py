"""What persons say lies sealed: the owner of the database reads every column and finds no word of it."""

from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import sql

from app.store.sealed import UNREADABLE
from tests.api.asking import ask
from tests.api.test_documents import send
from tests.api.test_jobs import submit

# Masked in the ledger; where it was kept as it was said, it has to be sealed.
MAIL = "kestrel.wort@example.org"
UPLOADED = "Kestrelwort, before it was read"


@pytest.fixture
def columns_with(database_url):
    """Name every column of the database that holds these words, read with the owner's rights."""

    def look(*words: str) -> list[str]:
        with psycopg.connect(database_url) as owner:
            columns = owner.execute(
                "SELECT c.table_name, c.column_name, c.data_type FROM information_schema.columns c"
                " JOIN information_schema.tables t USING (table_schema, table_name)"
                " WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE'"
                " AND c.data_type IN ('text', 'jsonb', 'bytea', 'ARRAY')"
            ).fetchall()
            assert len(columns) > 100
            return [f"{table}.{column}" for table, column, kind in columns if _holds(owner, table, column, kind, words)]

    return look


def _holds(owner, table, column, kind, words):
    read = "encode({}, 'escape')" if kind == "bytea" else "CAST({} AS text)"
    statement = sql.SQL("SELECT EXISTS (SELECT FROM {} WHERE " + read + " ILIKE ANY(%s))")
    found = owner.execute(
        statement.format(sql.Identifier(table), sql.Identifier(column)), [[f"%{word}%" for word in words]]
    )
    return found.fetchone()[0]


@pytest.mark.proves("SEC-8")
async def test_no_column_holds_a_planted_word_and_every_door_tells_it(client, as_, service, columns_with):
    sam, olga, key = as_("sam.reyes"), as_("olga.petrov"), {"Idempotency-Key": uuid4().hex}
    body = {"question": f"3 words for {MAIL} please", "session_id": None}
    first = await ask(client, sam | key, body, usecase="slow")
    turn, session = first.json()["turn_id"], first.json()["session_id"]
    await client.post(f"/v1/turns/{turn}/feedback", json={"thumbs": "down", "correction": MAIL}, headers=sam)
    job = await submit(client, olga, {"items": [{"question": f"The invoice is wrong, says {MAIL}"}]})
    waiting = await submit(client, olga, {"items": [{"question": f"The probe of {MAIL} is broken"}]})
    await service.jobs.run(UUID(job.json()["job_id"]))
    sent = await send(client, as_("hana.lind"), text=f"# X\n\n{UPLOADED} {MAIL}")

    assert columns_with(MAIL, UPLOADED) == []

    said = (await client.get(f"/v1/sessions/{session}", headers=sam)).json()
    assert MAIL in said["title"] and MAIL in said["messages"][0]["text"]
    assert (await ask(client, sam | key, body, usecase="slow")).json() == first.json()
    again = await ask(client, sam, {"question": "2 words", "session_id": session}, usecase="slow")
    assert again.json()["outcome"].startswith("answered")
    for accepted in (waiting, sent):
        who = olga if accepted is waiting else as_("hana.lind")
        await service.jobs.run(UUID(accepted.json()["job_id"]))
        done = (await client.get(f"/v1/jobs/{accepted.json()['job_id']}", headers=who)).json()
        assert done["status"] == "succeeded", done


async def test_a_message_that_was_moved_or_altered_is_told_as_such_and_the_page_stands(client, as_, database_url):
    who = as_("sam.reyes")
    sessions = [(await ask(client, who, {"question": f"2 words {n}"}, usecase="slow")).json() for n in range(2)]
    one, other = (each["session_id"] for each in sessions)
    with psycopg.connect(database_url) as owner:
        owner.execute(
            "UPDATE messages m SET text = o.text FROM messages o"
            " WHERE m.session_id = %s AND o.session_id = %s AND m.ordinal = o.ordinal AND m.role = 'user'",
            [one, other],
        )
    told = (await client.get(f"/v1/sessions/{one}", headers=who)).json()["messages"]
    assert told[0]["text"] == UNREADABLE and told[1]["text"] == sessions[0]["answer"]
    again = await ask(client, who, {"question": "2 words", "session_id": one}, usecase="slow")
    assert again.json()["outcome"].startswith("answered"), "and the conversation goes on"


async def test_a_job_whose_input_does_not_open_fails_with_the_reason_and_alone(client, as_, service, database_url):
    who = as_("olga.petrov")
    accepted = [(await submit(client, who)).json()["job_id"] for _ in range(2)]
    with psycopg.connect(database_url) as owner:
        owner.execute(
            "UPDATE jobs SET input = (SELECT input FROM jobs WHERE id = %s) WHERE id = %s", [accepted[1], accepted[0]]
        )
    listed = await client.get("/v1/jobs", headers=who)
    assert listed.status_code == 200
    await service.jobs.run(UUID(accepted[0]))
    job = (await client.get(f"/v1/jobs/{accepted[0]}", headers=who)).json()
    assert job["status"] == "failed" and "does not open" in job["error"]


async def test_a_stored_response_that_does_not_open_is_a_problem_of_its_own(client, as_, database_url):
    headers = as_("sam.reyes") | {"Idempotency-Key": (key := uuid4().hex)}
    body = {"question": "2 words"}
    await ask(client, headers, body, usecase="slow")
    with psycopg.connect(database_url) as owner:
        owner.execute("UPDATE idempotency SET response = '\"sealed:1:AAAA\"' WHERE key = %s", [key])
    problem = await client.post("/v1/usecases/slow/turns", json=body, headers=headers)
    assert problem.status_code == 500 and problem.json()["type"] == "/problems/unsealable"
    assert "send a new key" in problem.json()["detail"]
