"""What people may send and see, by permission and by contract, at every door: JSON, stream, OpenAI, pages, jobs."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest

from app.errors import CannotStart
from app.settings import Settings
from app.store import ledger
from app.wiring import usecases
from app.wiring.service import Service
from tests.api.asking import LEAVE, parsed
from tests.api.house import House, house
from tests.api.serving import changed

ASKER = ["turns.ask", "jobs.submit", "documents.write"]
SEES = [*ASKER, "turns.see_cost", "turns.see_evidence"]
READER = [*SEES, "turns.read_all", "console.open"]
PEOPLE: dict[str, dict[str, Any]] = {
    "sees all": {"may": SEES},
    "sees nothing": {"may": ASKER},
    "reads all": {"may": READER},
    "reads north": {"may": READER, "groups": ["north"]},
    "north": {"may": SEES, "groups": ["north"]},
}
NORTH = ("north",)
# What `cached` keeps for the north; `handbook` keeps nothing back.
CONTRACTS: dict[str, dict[str, Any]] = {
    "cached": {
        "access.fields": {"region.north": NORTH},
        "access.max_chars": {"north": 3000},
        "access.jobs": NORTH,
        "access.documents": NORTH,
        "access.see_cost": NORTH,
        "access.see_evidence": NORTH,
        "access.see_others": NORTH,
        "models.ladder": ("extractive",),
    },
}
URL = "/v1/usecases/{}/turns"
QUESTION = LEAVE["question"]


@pytest.fixture(scope="module")
async def home(settings: Settings, service: Service, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    async with house(settings, tmp_path_factory.mktemp("house"), PEOPLE, CONTRACTS) as opened:
        yield opened


async def answers(home: House, person: str, usecase: str) -> dict[str, dict[str, Any]]:
    """Ask the same by JSON, stream and OpenAI's door, and give what each says of the cost and the way there."""
    who = home.as_(person)
    told = await home.ask(person, QUESTION, usecase=usecase)
    stream = await home.door.post(URL.format(usecase), json=LEAVE, headers=who | {"Accept": "text/event-stream"})
    chat = {"model": usecase, "messages": [{"role": "user", "content": QUESTION}]}
    completion = (await home.door.post("/openai/v1/chat/completions", json=chat, headers=who)).json()
    lines = (
        await home.door.post(
            "/openai/v1/chat/completions",
            json={**chat, "stream": True, "stream_options": {"include_usage": True}},
            headers=who,
        )
    ).text
    chunks = [orjson.loads(line[6:]) for line in lines.splitlines() if line.startswith("data: {")]
    last = next(chunk for chunk in chunks if "x_hidden" in chunk)
    return {
        "json": told,
        "stream": next(data for event, data in parsed(stream.text) if event == "end"),
        "openai": {**completion, "hidden": completion["x_hidden"]},
        "openai stream": {
            "usage": next((each["usage"] for each in chunks if each.get("usage")), None),
            "hidden": last["x_hidden"],
        },
    }


@pytest.mark.proves("SEC-3")
@pytest.mark.parametrize(
    ("person", "usecase", "hidden"),
    [
        ("sees all", "handbook", []),
        ("sees nothing", "handbook", ["cost", "evidence"]),
        ("sees all", "cached", ["cost", "evidence"]),
        ("north", "cached", []),
    ],
)
async def test_every_door_shows_cost_and_the_way_there_only_to_whom_both_locks_let(
    home: House, person: str, usecase: str, hidden: list[str]
) -> None:
    for door, told in (await answers(home, person, usecase)).items():
        assert told["hidden"] == hidden, door
        assert (told["usage"] is None) == ("cost" in hidden), door
    turn_id = (await home.ask(person, QUESTION, usecase=usecase))["turn_id"]
    story = (await home.door.get(f"/v1/turns/{turn_id}", headers=home.as_(person))).json()
    assert story["hidden"] == hidden and story["answer"] and story["citations"]
    assert (story["cost_usd"] is None and story["input_tokens"] is None) == ("cost" in hidden)
    assert bool(story["steps"] or story["passages"] or story["retrieval"]) != ("evidence" in hidden)
    page = (await home.door.get(f"/console/turns/{turn_id}", headers=await home.seated(person))).text
    assert ("not yours to see" in page) == bool(hidden) and ("Model calls" in page) != ("evidence" in hidden)


@pytest.mark.proves("SEC-3")
async def test_the_same_answer_by_its_key_is_shown_by_the_rights_of_now(home: House) -> None:
    headers = home.as_("sees all") | {"Idempotency-Key": uuid4().hex}
    first = (await home.door.post(URL.format("handbook"), json=LEAVE, headers=headers)).json()
    case = home.service.usecases["handbook"]
    home.service.usecases["handbook"] = replace(case, contract=changed(case.contract, {"access.see_cost": ()}))  # type: ignore[index]
    try:
        again = (await home.door.post(URL.format("handbook"), json=LEAVE, headers=headers)).json()
    finally:
        home.service.usecases["handbook"] = case  # type: ignore[index]
    assert again["turn_id"] == first["turn_id"]
    assert first["usage"] is not None and again["usage"] is None and again["hidden"] == ["cost"]


@pytest.mark.proves("SEC-3")
async def test_other_peoples_turns_are_read_where_the_contract_lets_and_nowhere_else(home: House) -> None:
    kept = (await home.ask("north", QUESTION, usecase="cached"))["turn_id"]
    open_ = (await home.ask("north", QUESTION))["turn_id"]
    for person, sees in (("reads all", False), ("reads north", True)):
        found = await home.door.get(f"/v1/turns/{kept}", headers=home.as_(person))
        assert found.status_code == (200 if sees else 404), person
        assert (await home.door.get(f"/v1/turns/{open_}", headers=home.as_(person))).status_code == 200
        listed = await home.door.get("/console/turns", headers=await home.seated(person))
        assert (kept in listed.text) == sees and open_ in listed.text
        asked = await home.door.get("/console/turns?usecase=cached", headers=await home.seated(person))
        assert (kept in asked.text) == sees
        page = await home.door.get(f"/console/turns/{kept}", headers=await home.seated(person))
        assert page.status_code == (200 if sees else 404)
    own = (await home.ask("reads all", QUESTION, usecase="cached"))["turn_id"]
    assert own in (await home.door.get("/console/turns", headers=await home.seated("reads all"))).text


@pytest.mark.proves("SEC-3")
async def test_a_value_kept_for_others_is_refused_at_every_door_and_not_offered(home: House) -> None:
    who, body = home.as_("sees all"), {**LEAVE, "fields": {"region": "north"}}
    chat = {"model": "cached", "messages": [{"role": "user", "content": QUESTION}], "x_fields": {"region": "north"}}
    refused = [
        await home.door.post(URL.format("cached"), json=body, headers=who),
        await home.door.post(URL.format("cached"), json=body, headers=who | {"Accept": "text/event-stream"}),
        await home.door.post("/openai/v1/chat/completions", json=chat, headers=who),
    ]
    assert [response.status_code for response in refused] == [403, 403, 403]
    async with home.service.database.work() as work:
        row = await ledger.story(work, UUID(refused[0].json()["turn_id"]), user_id=None)
    assert row["outcome"] == "refused_permission"
    job = await home.door.post("/v1/usecases/cached/jobs", json={"items": [body]}, headers=home.as_("north"))
    assert job.status_code == 202
    for person, offered in (("sees all", ["south"]), ("north", ["north", "south"])):
        case = next(
            c for c in (await home.door.get("/v1/usecases", headers=home.as_(person))).json() if c["name"] == "cached"
        )
        model = (await home.door.get("/openai/v1/models/cached", headers=home.as_(person))).json()
        assert case["fields"] == model["x_fields"] == {"region": offered}
        page = (await home.door.get("/", headers=await home.seated(person))).text
        assert ("&#34;north&#34;" in page) == ("north" in offered)
    assert (await home.ask("sees all", QUESTION, usecase="cached", fields={"region": "south"}))["answer"]
    assert (await home.ask("north", QUESTION, usecase="cached", fields={"region": "north"}))["answer"]


@pytest.mark.proves("SEC-3")
async def test_longer_text_jobs_and_documents_are_taken_from_those_whom_the_contract_names(home: House) -> None:
    long = {"question": f"{QUESTION} {' '.join(f'I began on day {day}.' for day in range(110))}"}
    file = {"file": ("a.md", b"# A\n\nZebras.", "text/markdown")}
    for person, may in (("sees all", False), ("north", True)):
        who = home.as_(person)
        told = await home.door.post(URL.format("cached"), json=long, headers=who)
        assert told.status_code == (200 if may else 422), told.text
        job = await home.door.post("/v1/usecases/cached/jobs", json={"items": [LEAVE]}, headers=who)
        assert job.status_code == (202 if may else 403), job.text
        sent = await home.door.post("/v1/documents", data={"usecase": "cached"}, files=file, headers=who)
        assert sent.status_code == (202 if may else 403), sent.text


@pytest.mark.proves("SEC-3")
def test_a_contract_that_keeps_what_there_is_not_is_refused_with_its_cure(tmp_path: Any, settings: Settings) -> None:
    case = tmp_path / "strange"
    (case / "prompts").mkdir(parents=True)
    sample = settings.usecases_dir / "handbook"
    text = (sample / "contract.toml").read_text()
    extra = '[access.fields]\nregoin = ["north"]\n[access.max_chars]\nnorth = 10\n'
    (case / "contract.toml").write_text(f"{text}\n{extra}")
    for prompt in (sample / "prompts").iterdir():
        (case / "prompts" / prompt.name).write_text(prompt.read_text())
    with pytest.raises(CannotStart) as told:
        usecases.load(
            tmp_path,
            owners=dict.fromkeys(("workflow", "prompt", "cost", "on_call"), "a"),
            rungs=("standard", "extractive", "cheap", "cached", "rules", "person"),
        )
    assert "access.fields: 'regoin'" in told.value.detail and "access.max_chars.north: 10" in told.value.detail
