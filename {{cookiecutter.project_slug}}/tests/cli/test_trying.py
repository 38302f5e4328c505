"""`app shadow`, `app cases`, `app evaluate capture` and `--against`, as an operator calls them over a real database."""

import asyncio
import json
import os
import shutil
import sys
from uuid import UUID

import pytest

from app.cli import trying
from app.errors import BadInput
from app.settings import ROOT
from app.store import audit
from app.work import capture
from tests.conftest import SECRET

LEAVE = {"question": "How many days of annual leave do employees have?"}


@pytest.fixture(scope="module")
def usecases(tmp_path_factory):
    """A folder with the handbook alone, which a command may write into."""
    folder = tmp_path_factory.mktemp("trying") / "usecases"
    shutil.copytree(
        ROOT / "tests/samples/handbook", folder / "handbook", ignore=shutil.ignore_patterns("*.py", "__pycache__")
    )
    return folder


@pytest.fixture
def run(usecases, database_url, redis_url):
    """Run `app` with these words; gives its exit code, and what it said."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("APP_", "OPENAI_"))}
    env |= {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "APP_USECASES_DIR": str(usecases)}
    env |= {"APP_SECRET_KEY": SECRET, "COLUMNS": "260"}

    async def made(*words):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "app", *words), cwd=ROOT, env=env, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = await process.communicate()
        return process.returncode, out.decode(), err.decode()

    return made


@pytest.mark.proves("EVL-8")
async def test_a_case_is_accepted_at_the_terminal_and_written_where_the_evaluation_reads_it(
    client, as_, service, run, usecases
):
    turn_id = UUID(
        (await client.post("/v1/usecases/handbook/turns", json=LEAVE, headers=as_("sam.reyes"))).json()["turn_id"]
    )
    async with service.database.work() as work:
        case_id = await capture.propose(work, turn_id, kind="correction", expected="25 days of leave", by="sam.reyes")
    code, out, err = await run("cases", str(case_id), "--accept", "--because", "so it is")
    assert code == 0 and "is accepted" in out, err
    async with service.database.work() as work:
        other = await capture.propose(work, turn_id, kind="complaint", expected="That is wrong.", by="sam.reyes")
    code, out, err = await run("cases", str(other), "--accept", "--because", "true", "--expected", "It is 25 days.")
    assert code == 0 and "is proposed: somebody else accepts what you wrote" in " ".join(out.split()), err
    code, out, err = await run("evaluate", "capture", "--usecase", "handbook", "--as", "sam.reyes")
    assert code == 0 and "captured.jsonl" in out, err
    lines = (usecases / "handbook" / "evals" / "captured.jsonl").read_text().splitlines()
    (case,) = [line for line in map(json.loads, lines) if line["id"] == f"captured-{case_id}"]
    assert case["as"] == "sam.reyes" and case["turn"] == str(turn_id)
    assert case["expect"] == {"says": "25 days of leave"} and case["question"] == LEAVE["question"]
    async with service.database.work() as work:
        of = "SELECT written_at, decided_by FROM captured_cases WHERE id = :id"
        row = (await work.sql(of, id=case_id)).one()
    assert row.written_at is not None and row.decided_by.startswith("cli:")


@pytest.mark.proves("EVL-8", "CTL-4")
async def test_a_case_of_a_decision_that_was_taken_back_is_written_no_more(client, as_, service, run, usecases):
    sam, hana, olga = as_("sam.reyes"), as_("hana.lind"), as_("olga.petrov")
    turn_id = (await client.post("/v1/usecases/handbook/turns", json=LEAVE, headers=sam)).json()["turn_id"]
    filed = await client.post(f"/v1/turns/{turn_id}/complaint", json={"text": "It is 30."}, headers=sam)
    review = f"/v1/admin/reviews/{filed.json()['review_id']}"

    async def decided(who, where="", **body):
        response = await client.post(review + where, json={"reason": "so it is", **body}, headers=who)
        assert response.status_code == 200, response.text

    async def written():
        code, _, err = await run("evaluate", "capture", "--usecase", "handbook", "--as", "sam.reyes")
        assert code == 0, err
        lines = (usecases / "handbook" / "evals" / "captured.jsonl").read_text().splitlines()
        return [case["expect"]["says"] for case in map(json.loads, lines) if case["turn"] == turn_id]

    await decided(hana, approve=True, text="Thirty days.")
    await decided(olga, approve=True, capture=True)
    assert await written() == ["Thirty days."]
    await decided(olga, "/reopen")
    await decided(olga, approve=False)
    assert await written() == [], "what people took back is no right answer"
    async with service.database.work() as work:
        of = "SELECT id, status, decided_by FROM captured_cases WHERE turn_id = :id AND kind = 'review'"
        (case,) = (await work.sql(of, id=UUID(turn_id))).all()
        (deed,) = await audit.history(work, subject=str(case.id))
    assert (case.status, case.decided_by) == ("proposed", None)
    assert (deed["action"], deed["actor"], deed["reason"]) == ("case.proposed", "olga.petrov", "so it is")


@pytest.mark.proves("EVL-7")
async def test_a_comparison_without_a_model_is_refused_with_a_cure(run, usecases):
    (usecases / "handbook" / "evals").mkdir(exist_ok=True)
    (usecases / "handbook" / "evals" / "cases.yaml").write_text(
        'cases: [{id: a, as: sam.reyes, question: "How much leave?", expect: {outcome: answered}}]'
    )
    code, _, err = await run("evaluate", "handbook", "--against", "role=cheap")
    assert code == 2 and "No model can be reached" in err


@pytest.fixture
async def in_place(service, monkeypatch):
    """Run commands beside the service of the tests, on its own loop: a process of their own costs seconds."""
    loop = asyncio.get_running_loop()
    monkeypatch.setattr(trying, "in_place", lambda work: asyncio.run_coroutine_threadsafe(work(service), loop).result())


@pytest.mark.usefixtures("in_place")
async def test_what_was_proposed_and_what_ran_unseen_is_listed(client, as_, service, capsys):
    told = await client.post("/v1/usecases/handbook/turns", json=LEAVE, headers=as_("sam.reyes"))
    async with service.database.work() as work:
        turn_id = UUID(told.json()["turn_id"])
        await capture.propose(work, turn_id, kind="complaint", expected="That is last year's!", by="sam.reyes")
    await asyncio.to_thread(trying.cases, usecase="handbook")
    assert "That is last year's!" in capsys.readouterr().out
    await asyncio.to_thread(trying.shadow, json=True)
    assert isinstance(json.loads(capsys.readouterr().out), list)
    with pytest.raises(BadInput, match="--accept, --reject and --undo"):
        await asyncio.to_thread(trying.cases, turn_id, accept=True, reject=True)
