"""Rollouts through the HTTP door: who is answered by what, what is refused, and what a bad candidate meets."""

import asyncio
import shutil
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import httpx2
import pytest
import typer
from typer.testing import CliRunner

from app.cli import rollout as commands
from app.control.development import DevelopmentIssuer
from app.domain.plan import key_of
from app.llm import prompts, revision
from app.store import audit
from app.telemetry import metrics
from ops.prove import rollout as proof
from tests.api.serving import serving
from tests.conftest import SECRET, make_settings
from tests.turn import spending

pytestmark = pytest.mark.proves("CTL-2", "CTL-3")
URL = "/v1/admin/rollouts"
MORE = """
[cache]
fresh_s = 600

[[candidates]]
name = "trial"
prompt_version = 2

[[candidates]]
name = "small"
role = "cheap"

[[candidates]]
name = "unseen-before"
prompt_version = 3
"""
USUAL = {"ladder": '["standard"]', "per_user_day_usd": '"1000"', "per_month_usd": '"100000"', "p95_ms": "8000"}


@pytest.fixture(scope="module")
async def rolled(database_url, redis_url, vendor_server, tmp_path_factory):
    """A use case with candidates on a real port, the fake vendor behind it; the trial's prompt holds a `mark`."""
    mark = f"trial-{uuid4().hex[:8]}"
    home, name = spending.folder(tmp_path_factory.mktemp("rolled"), **USUAL)
    _write(home / name, mark)
    known = {"model_provider": "openai", "openai_api_key": "fake", "openai_base_url": f"{vendor_server.url}/v1"}
    settings = make_settings(database_url, redis_url, usecases_dir=home, **known)
    async with serving(settings, {}) as running:
        operator = _headers("olga.petrov", "operators")
        place = proof.Place(running.url, vendor_server.url, operator, _crowd(600), name, mark)
        yield running, place


def _write(folder: Path, mark: str) -> None:
    first = (folder / "prompts" / "answer.v1.md").read_text()
    for version in (2, 3):
        said = first.replace("version: 1", f"version: {version}").replace("slowly.", f"quickly. [[{mark}]]")
        (folder / "prompts" / f"answer.v{version}.md").write_text(said)
    revision.pin(
        folder / "prompts", {key: each for key, each in prompts.load(folder / "prompts").items() if "3" not in key}
    )
    contract = folder / "contract.toml"
    contract.write_text(contract.read_text() + MORE)


def _headers(person: str, *groups: str) -> dict[str, str]:
    issuer = DevelopmentIssuer(SECRET, {person: {"name": person, "groups": list(groups)}})
    return {"Authorization": f"Bearer {issuer.token(person)}"}


def _crowd(count: int) -> list[dict[str, str]]:
    return [_headers(f"person-{number}", "staff") for number in range(count)]


@pytest.fixture
async def place(rolled, vendor):
    """The same for each test: nothing is under way, and the vendor does what is asked."""
    running, found = rolled
    await running.calm()
    yield found
    case = running.service.usecases[found.name]
    desk = running.service.rolling.desk
    from app.work.rollouts import Because

    await desk.move(case, lambda plan: plan.__class__(stage="general"), Because("tests", "the test is over"))


@pytest.fixture
async def http(place):
    async with httpx2.AsyncClient(base_url=place.url, timeout=60) as opened:
        yield opened


async def move(http, place, **body):
    return await http.post(place.moves, json={"reason": "to see", **body}, headers=place.operator)


async def start(http, place, step, candidate="trial"):
    told = await move(http, place, action="start", candidate=candidate, step=step)
    assert told.status_code == 200, told.text
    return told.json()


async def asked(http, place, headers, question=None):
    body = {"question": question or f"What is new, {uuid4().hex}?"}
    return await http.post(place.turns, json=body, headers=headers)


async def arms(http, place, people):
    """Ask as each of these people; gives what answered each of them, as the ledger has it."""
    found = []
    for headers in people:
        turn = (await asked(http, place, headers)).json()
        story = await http.get(f"/v1/turns/{turn['turn_id']}", headers=headers)
        found.append(story.json()["arm"])
    return found


async def test_a_share_of_people_is_answered_by_the_candidate_and_keeps_it(http, place, vendor):
    people = place.people[:30]
    assert set(await arms(http, place, people[:3])) == {""}
    await start(http, place, "percent:25")
    first = await arms(http, place, people)
    assert set(first) == {"trial", "current"} and await arms(http, place, people) == first
    marked = [place.mark in str(request) for request in vendor.requests[3:]]
    assert marked == [arm == "trial" for arm in first * 2]
    told = (await move(http, place, action="advance", anyway=True)).json()
    assert (told["step"], told["good"], told["candidate"]) == ("percent:50", "percent:25", "trial")
    grown = await arms(http, place, people)
    assert {at for at, arm in enumerate(first) if arm == "trial"} < {
        at for at, arm in enumerate(grown) if arm == "trial"
    }


async def test_arms_share_no_cached_answer(http, place, vendor):
    await start(http, place, "percent:50")
    found = await arms(http, place, place.people[:20])
    question = f"The same for all, {uuid4().hex}?"
    vendor.requests.clear()
    said = [(await asked(http, place, headers, question)).json() for headers in place.people[:20]]
    assert len(vendor.requests) == 2 and {turn["outcome"] for turn in said} == {"answered_model", "answered_cached"}
    assert sorted(place.mark in str(request) for request in vendor.requests) == [False, True]
    assert len(set(found)) == 2


async def test_a_candidates_model_goes_first_and_its_arm_stands_on_the_metrics(http, place):
    await start(http, place, "general", candidate="small")
    turn = (await asked(http, place, place.people[0])).json()
    assert turn["model"] == "gpt-6-luna" and turn["rung"] == "cheap"
    shown = metrics.render()[0].decode()
    labels = f'arm="small",family="answered",usecase="{place.name}"'
    assert "arm_turns_total{" + labels + "}" in shown


@asynccontextmanager
async def guarded(running):
    """Let the guard look all the time, as housekeeping does."""

    async def look():
        while True:
            with suppress(TimeoutError):
                await running.service.rolling.guard.look()
            await asyncio.sleep(0.05)

    task = asyncio.create_task(look())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize(("kind", "step"), [("wrong", "percent:10"), ("dear", "percent:50"), ("wrong", "percent:100")])
async def test_a_bad_candidate_is_halted_within_its_turns(rolled, http, place, kind, step):
    running, _ = rolled
    place = replace(place, step=step)
    for headers in place.people[:35]:
        await asked(http, place, headers)
    plan, metric = proof.BAD[kind]
    async with guarded(running):
        found = await proof.tried(place, plan, most=120, turns=3000)
    assert proof._names(metric) in found.halted, found
    told = (await http.get(place.moves, headers=place.operator)).json()
    assert (told["step"], told["halted"]) == ("off", found.halted)
    assert set(await arms(http, place, place.people[:12])) == {""}
    async with running.service.database.work() as work:
        entry = (await audit.history(work, subject=key_of(place.name), limit=1))[0]
        said = await work.sql(
            "SELECT data FROM events WHERE kind = 'rollout.halted' AND usecase = :name ORDER BY seq DESC LIMIT 1",
            name=place.name,
        )
    assert entry["actor"] == "rollout-guard" and entry["reason"] == found.halted
    data = said.scalar_one()
    assert (data["metric"], data["owner"]) == (metric, running.service.usecases[place.name].contract.owners.workflow)
    shown = metrics.render()[0].decode()
    assert "rollout_halted{" + f'usecase="{place.name}"' + "} 1" in shown
    assert (await move(http, place, action="advance", anyway=True)).status_code == 422


async def test_a_slow_candidate_is_halted_though_its_answers_are_right(rolled, http, place, vendor):
    running, _ = rolled
    case = running.service.usecases[place.name]
    guard = case.contract.rollout.guard.model_copy(update={"slow_ms": 1500})
    contract = case.contract.model_copy(update={"rollout": case.contract.rollout.model_copy(update={"guard": guard})})
    running.service.usecases[place.name] = type(case)(
        **{name: getattr(case, name) for name in case.__slots__} | {"contract": contract}
    )
    try:
        async with guarded(running):
            found = await proof.tried(replace(place, step="percent:50"), "hang*=2", most=100, turns=1000)
    finally:
        running.service.usecases[place.name] = case
    assert "slow turns" in found.halted, found


async def test_what_one_person_repeats_halts_nothing_and_the_same_of_many_does(rolled, http, place, vendor):
    running, _ = rolled
    await start(http, place, "percent:50")
    found = await arms(http, place, place.people)
    trial = [headers for headers, arm in zip(place.people, found, strict=True) if arm == "trial"]
    vendor.plan(place.mark, "alien*")
    async with guarded(running):
        for _ in range(12):
            await asked(http, place, trial[0])
        await asyncio.sleep(0.5)
        told = (await http.get(place.moves, headers=place.operator)).json()
        assert told["halted"] == "" and told["watched"]["sums"]["check_failures"] == 10, told
        for headers in trial[1:] * 2:
            await asked(http, place, headers)
        await asyncio.sleep(0.5)
    told = (await http.get(place.moves, headers=place.operator)).json()
    assert "check failures" in told["halted"] and told["step"] == "off", told


async def test_a_good_candidate_is_not_halted(rolled, place):
    running, _ = rolled
    async with guarded(running):
        found = await proof.tried(replace(place, step="percent:50"), "ok*", most=1000, turns=80)
    assert (found.halted, found.breach) == ("", "") and found.turns > 0


async def test_who_may_not_move_rollouts_neither_sees_nor_moves_them(http, place):
    sam = place.people[0]
    answers = [
        await http.get(URL, headers=sam),
        await http.get(place.moves, headers=sam),
        await http.post(place.moves, json={"action": "back", "reason": "why"}, headers=sam),
    ]
    assert {answer.status_code for answer in answers} == {403}


@pytest.mark.parametrize(
    ("body", "status", "why"),
    [
        ({"action": "start", "candidate": "moon"}, 422, "there are: trial, small, unseen-before"),
        ({"action": "start", "candidate": "trial", "step": "percent:200"}, 422, "There is no stage"),
        ({"action": "start", "candidate": "unseen-before"}, 422, "is not approved as it is"),
        ({"action": "start", "candidate": "trial", "reason": ""}, 422, "reason"),
        ({"action": "start"}, 422, "is open to everybody: name the stage"),
        ({"action": "advance", "extra": 1}, 422, "extra"),
        ({"action": "undo", "version": 77}, 409, "moved meanwhile"),
    ],
)
async def test_what_cannot_be_done_is_refused_with_the_cure(http, place, body, status, why):
    told = await move(http, place, **body)
    assert told.status_code == status and why in told.text, told.text
    assert (await http.get(f"{URL}/moon", headers=place.operator)).status_code == 404


async def test_a_prompt_that_is_not_approved_is_refused_with_the_commands(http, place):
    told = (await move(http, place, action="start", candidate="unseen-before")).json()["detail"]
    assert f"app evaluate {place.name} --against unseen-before" in told and f"app prompts {place.name} --pin" in told


async def test_a_use_case_opens_to_its_testers_then_to_some_then_to_all(rolled, http, place):
    running, _ = rolled
    case, desk = running.service.usecases[place.name], running.service.rolling.desk
    people, tester = place.people[:20], _headers("tess", "testers")
    await start(http, place, "off", candidate="")
    assert {(await asked(http, place, headers)).status_code for headers in people[:3]} == {403}
    assert place.name not in str((await http.get("/v1/usecases", headers=people[0])).json())

    def with_testers(plan):
        return plan.__class__(stage="beta", beta_groups=("testers",))

    from app.work.rollouts import Because

    await desk.move(case, with_testers, Because("tests", "the first people"))
    assert (await asked(http, place, tester)).status_code == 200
    assert "not open to you yet" in (await asked(http, place, people[0])).json()["detail"]
    assert (await move(http, place, action="advance", anyway=True)).json()["step"] == "percent:1"
    await move(http, place, action="advance", anyway=True)
    await move(http, place, action="advance", anyway=True)
    await move(http, place, action="advance", anyway=True)
    statuses = [(await asked(http, place, headers)).status_code for headers in people]
    assert set(statuses) == {200, 403} and (await asked(http, place, tester)).status_code == 200


async def test_a_candidate_meets_the_testers_of_the_contract_first(rolled, http, place):
    running, _ = rolled
    case = running.service.usecases[place.name]
    rollout = case.contract.rollout.model_copy(update={"beta_groups": ("testers",)})
    contract = case.contract.model_copy(update={"rollout": rollout})
    running.service.usecases[place.name] = replace(case, contract=contract)
    try:
        assert (await start(http, place, ""))["step"] == "beta"
        assert await arms(http, place, [_headers("tess", "testers"), *place.people[:5]]) == ["trial", *["current"] * 5]
    finally:
        running.service.usecases[place.name] = case


async def test_at_the_stage_shadow_questions_are_recorded_and_nobody_sees_an_answer(rolled, http, place):
    running, _ = rolled
    await start(http, place, "shadow", candidate="")
    sam = place.people[0]
    told = await asked(http, place, sam)
    assert told.status_code == 403 and "recorded only" in told.json()["detail"] and "answer" not in told.json()
    stream = await http.post(place.turns, json={"question": "And now?"}, headers=sam | {"Accept": "text/event-stream"})
    assert "delta" not in stream.text and "recorded only" in stream.text
    row = await running.story(told.json()["turn_id"])
    assert (row["arm"], row["outcome"], row["rung"]) == ("unseen", "refused_permission", "standard") and row["answer"]
    own = (await http.get(f"/v1/turns/{told.json()['turn_id']}", headers=sam)).json()
    assert row["answer"] not in str(own) and own["answer"].startswith("(held back")


async def test_each_move_stands_in_the_audit_and_can_be_taken_back(rolled, http, place):
    running, _ = rolled
    first = await start(http, place, "percent:1")
    halted = (await move(http, place, action="halt", reason="the helpdesk asked for it")).json()
    assert (halted["step"], halted["halted"]) == ("off", "the helpdesk asked for it.")
    undone = (await move(http, place, action="undo", version=halted["version"])).json()
    assert (undone["step"], undone["halted"]) == (first["step"], "")
    async with running.service.database.work() as work:
        entries = await audit.history(work, subject=key_of(place.name), limit=2)
    assert [entry["actor"] for entry in entries] == ["olga.petrov"] * 2
    assert entries[1]["reason"] == "the helpdesk asked for it"


async def test_who_goes_further_back_after_a_halt_does_not_release_it(http, place):
    await start(http, place, "percent:1")
    for _ in range(2):
        assert (await move(http, place, action="advance", anyway=True)).status_code == 200
    assert (await move(http, place, action="halt", reason="too slow")).json()["step"] == "percent:10"
    back = (await move(http, place, action="back", reason="still too many people")).json()
    assert (back["step"], back["halted"]) == ("percent:1", "too slow.")
    told = await move(http, place, action="advance", anyway=True)
    assert told.status_code == 422 and "was halted: too slow. Start it again" in told.text
    assert (await start(http, place, "percent:10"))["halted"] == ""


async def test_the_command_line_does_the_same(place, rolled, database_url, redis_url, vendor_server, monkeypatch):
    running, _ = rolled
    env = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "APP_SECRET_KEY": SECRET, "OPENAI_API_KEY": "fake"}
    env |= {"APP_MODEL_PROVIDER": "openai", "OPENAI_BASE_URL": f"{vendor_server.url}/v1"}
    for name, value in {**env, "APP_USECASES_DIR": str(running.service.settings.usecases_dir)}.items():
        monkeypatch.setenv(name, value)
    app = typer.Typer()
    commands.register(app)

    async def run(*words, code=0):
        result = await asyncio.to_thread(CliRunner().invoke, app, ["rollout", *words])
        assert result.exit_code == code, result.output + str(result.exception)
        return result.output

    why = ("--because", "from the terminal")
    said = await run("start", place.name, "--candidate", "trial", "--at", "percent:10", *why)
    assert f"{place.name}, trial: from general to percent:10" in said
    assert "percent:10" in await run("status") and "check_failures" in await run("status", place.name)
    assert "to percent:25" in await run("advance", place.name, "--anyway", *why)
    assert "to percent:10" in await run("back", place.name, *why)
    assert "to percent:25" in await run("undo", place.name, *why)
    assert "to percent:10" in await run("halt", place.name, *why)
    told = await run("status", place.name, code=1)
    owner = running.service.usecases[place.name].contract.owners.workflow
    assert "terminal" in told and f"for its owner to say: {owner}" in " ".join(told.split())


def test_the_contract_of_the_proof_is_a_contract(tmp_path):
    shutil.copytree(proof.USECASES / proof.NAME, tmp_path / proof.NAME)
    assert not revision.faults(tmp_path / proof.NAME / "prompts", prompts.load(tmp_path / proof.NAME / "prompts"))
