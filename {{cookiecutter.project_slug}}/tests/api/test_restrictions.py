"""Restrictions at every hand: HTTP, console and command line; each asks for a reason that stands in the audit."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import uuid4

import pytest
import typer
from typer.testing import CliRunner

from app.cli import restrictions as commands
from app.settings import ROOT
from app.store import audit
from app.wiring.service import Service
from tests.api import asking
from tests.conftest import SECRET

pytestmark = pytest.mark.proves("SEC-2", "REL-5")
URL, PAGE = "/v1/admin/restrictions", "/console/restrictions"
Headers = dict[str, str]
As = Callable[[str], Headers]


@pytest.fixture
async def subject(service: Service) -> AsyncIterator[str]:
    """Somebody nobody knows; let in again after the test."""
    name = f"user:someone-{uuid4().hex}"
    yield name
    async with service.database.work() as work:
        end = "UPDATE restrictions SET lifted_at = now() WHERE subject = :subject AND lifted_at IS NULL"
        await work.sql(end, subject=name)
    await service.limiting.restrictions.refresh()


async def entries(service: Service, subject: str) -> list[dict[str, Any]]:
    async with service.database.work() as work:
        return await audit.history(work, subject=subject)


async def test_an_operator_sets_sees_and_lifts_one_over_http(client, service, as_, subject):
    olga = as_("olga.petrov")
    body = {"subject": subject, "what": "ask", "minutes": 30, "reason": "asks in even steps"}
    made = await client.post(URL, json=body, headers=olga)
    assert made.status_code == 201, made.text
    assert made.json()["set_by"] == "olga.petrov" and made.json()["cause"] == "operator"
    listed = (await client.get(URL, headers=olga)).json()
    assert subject in {one["subject"] for one in listed}
    lifted = await client.post(f"{URL}/{made.json()['id']}/lift", json={"reason": "it was honest"}, headers=olga)
    assert lifted.status_code == 204
    assert subject not in {one["subject"] for one in (await client.get(URL, headers=olga)).json()}
    over = (await client.get(URL, params={"ended": True}, headers=olga)).json()
    assert next(one for one in over if one["subject"] == subject)["lifted_by"] == "olga.petrov"
    again = await client.post(f"{URL}/{made.json()['id']}/lift", json={"reason": "twice"}, headers=olga)
    assert again.status_code == 404
    assert [(entry["action"], entry["reason"]) for entry in await entries(service, subject)] == [
        ("restriction.lift", "it was honest"),
        ("restriction.set", "asks in even steps"),
    ]


async def test_who_may_not_ask_is_refused_at_every_door_that_costs_money_and_may_still_look(client, service, as_):
    olga, restrictions = as_("olga.petrov"), service.limiting.restrictions
    jobs = "/v1/usecases/handbook/jobs"
    doors: list[tuple[str, dict[str, Any], Headers]] = [
        (asking.URL, asking.LEAVE, olga),
        (asking.URL, asking.LEAVE, olga | {"Accept": "text/event-stream"}),
        (jobs, {"items": [asking.LEAVE]}, olga),
    ]
    made = await restrictions.restrict("user:olga.petrov", minutes=5, by="hana.lind", because="asks in even steps")
    try:
        for url, body, headers in doors:
            refused = await client.post(url, json=body, headers=headers)
            assert refused.status_code == 429 and refused.json()["restriction"]["what"] == "ask", refused.text
        assert (await client.get("/v1/jobs", headers=olga)).status_code == 200
    finally:
        await restrictions.lift(made.id, by="hana.lind", because="the test is over")
    assert (await client.post(asking.URL, json=asking.LEAVE, headers=olga)).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        {"subject": "user:x", "what": "ask", "reason": ""},
        {"subject": "nobody", "what": "ask", "reason": "why"},
        {"subject": "user:x", "what": "sleep", "reason": "why"},
        {"subject": "user:x", "what": "ask", "minutes": 0, "reason": "why"},
        {"subject": "address:everywhere", "what": "everything", "reason": "why"},
    ],
)
async def test_what_cannot_be_meant_is_422(client, as_, body):
    assert (await client.post(URL, json=body, headers=as_("olga.petrov"))).status_code == 422


async def test_others_neither_see_nor_set_nor_lift(client, as_):
    sam, body = as_("sam.reyes"), {"subject": "user:x", "what": "ask", "reason": "why"}
    answers = [
        await client.get(URL, headers=sam),
        await client.post(URL, json=body, headers=sam),
        await client.post(f"{URL}/{uuid4()}/lift", json={"reason": "why"}, headers=sam),
    ]
    assert {answer.status_code for answer in answers} == {403}


async def test_the_page_keeps_somebody_out_and_lets_them_in(client, service, as_, subject):
    olga = {"Cookie": f"identity={as_('olga.petrov')['Authorization'].partition(' ')[2]}", "Origin": "http://test"}
    form = {"subject": subject, "what": "everything", "minutes": "", "reason": "a <b>stolen</b> token"}
    set_ = await client.post(PAGE, data=form, headers=olga)
    assert set_.status_code == 303, set_.text
    shown = (await client.get(PAGE, headers=olga)).text
    assert subject in shown and "&lt;b&gt;stolen" in shown and "everything" in shown
    async with service.database.work() as work:
        found = await work.sql("SELECT id FROM restrictions WHERE subject = :s AND lifted_at IS NULL", s=subject)
        restriction_id = found.scalar_one()
    assert (await client.post(f"{PAGE}/{restriction_id}", data={"reason": ""}, headers=olga)).status_code == 422
    lifted = await client.post(f"{PAGE}/{restriction_id}", data={"reason": "it is back"}, headers=olga)
    assert lifted.status_code == 303
    # The page tells what changed, and has the way back.
    told = (await client.get(lifted.headers["location"], headers=olga)).text
    assert "may not come in" in told and "let in" in told and "Keep out again" in told
    assert [entry["reason"] for entry in await entries(service, subject)] == ["it is back", "a <b>stolen</b> token"]
    refused = await client.post(PAGE, data=form | {"subject": "sam"}, headers=olga)
    assert refused.status_code == 422 and "names nobody" in refused.text


async def test_the_command_line_does_the_same(service, subject, database_url, redis_url, monkeypatch):
    env = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "APP_SECRET_KEY": SECRET}
    for name, value in {**env, "APP_USECASES_DIR": str(ROOT / "tests/samples")}.items():
        monkeypatch.setenv(name, value)
    app = typer.Typer()
    commands.register(app)

    async def run(*words: str) -> str:
        result = await asyncio.to_thread(CliRunner().invoke, app, ["restrictions", *words])
        assert result.exit_code == 0, result.output + str(result.exception)
        return result.output

    said = await run("set", subject, "--from", "ask", "--minutes", "5", "--because", "a script gone wrong")
    restriction_id = said.split()[-1]
    assert subject in await run("list")
    assert "lifted" in await run("lift", restriction_id, "--because", "repaired")
    assert subject not in await run("list")
    assert subject in await run("list", "--ended")
    (lifted, set_) = await entries(service, subject)
    assert (lifted["reason"], set_["reason"]) == ("repaired", "a script gone wrong")
    assert lifted["actor"].startswith("cli:")
