"""A candidate against the current version, case by case, through the real pipeline with a model behind it."""

import json
from dataclasses import replace
from uuid import uuid4

import pytest

from app.domain.rollout import Candidate
from app.errors import BadInput
from app.evaluation.suite import Suite
from app.evaluation.versions import Comparer, one_sided, paired_difference
from app.store import comparisons
from tests.api.serving import changed, serving
from tests.conftest import make_settings
from tests.work.shadowing import MODELS, PLENTY

LEAVE = "How many days of annual leave do employees have?"
CHEAP = Candidate(name="cheaper", role="cheap")


@pytest.fixture(scope="module")
async def measured(service, database_url, redis_url, vendor_server):
    known = {"model_provider": "openai", "openai_api_key": "fake", "openai_base_url": f"{vendor_server.url}/v1"}
    contract = {"handbook": {**PLENTY, "limits.per_user_per_minute": 1000, "latency.timeout_s": 30}}
    async with serving(make_settings(database_url, redis_url, **known), contract) as running:
        yield running.service


def cases(marks):
    """Give as many cases, all of which expect the 25 days that the handbook says."""
    expect = {"contains": ["25 days"]}
    asked = [
        {"id": f"case-{place}", "as": "sam.reyes", "question": f"{LEAVE} [[plan:{mark}]]", "expect": expect}
        for place, mark in enumerate(marks)
    ]
    return json.dumps({"cases": asked})


@pytest.fixture
def case(measured, tmp_path):
    def made(marks, **contract):
        (tmp_path / "evals").mkdir(exist_ok=True)
        (tmp_path / "evals" / "cases.yaml").write_text(cases(marks))
        handbook = measured.usecases["handbook"]
        return replace(handbook, folder=tmp_path, contract=changed(handbook.contract, contract))

    return made


def comparer(service):
    suite = Suite(service.pipeline, service.roles, service.settings.config("people"))
    return Comparer(suite, service.gateway, service.trying.preference)


@pytest.mark.proves("EVL-7")
async def test_a_candidate_that_gets_cases_wrong_is_told_apart_from_chance(measured, vendor, case):
    marks = [uuid4().hex for _ in range(7)]
    for mark in marks[:6]:
        vendor.plan(f"{mark}@{MODELS['cheap']}", "say=You get 99 days. [1]")
    found = await comparer(measured).run(case(marks), CHEAP)
    assert found.passed == (7, 1) and (found.fewer, found.more) == (6, 0)
    assert found.chance == pytest.approx(1 / 64) and not found.good
    difference, low, high = found.difference
    assert difference == pytest.approx(-6 / 7) and low < -0.5 and high < 0
    assert found.current_revision != found.other_revision
    assert found.sides.agreement.share == pytest.approx(1 / 7) and found.sides.cost_usd.ratio < 1
    assert {request["model"] for request in vendor.requests} == set(MODELS.values())


@pytest.mark.proves("EVL-7")
async def test_one_that_is_no_worse_passes_and_what_was_found_is_kept(measured, vendor, case):
    made = case([uuid4().hex for _ in range(4)], **{"shadow.judge": "standard"})
    found = await comparer(measured).run(made, CHEAP)
    assert found.good and found.passed == (4, 4) and found.chance == 1.0
    assert found.sides.preferences == {"better": 0, "same": 4, "worse": 0}, "the fake judge follows the place"
    async with measured.database.work() as work:
        await comparisons.keep(work, found.as_json(), commit="abc")
        (row,) = [each for each in await comparisons.newest(work, "handbook") if each["candidate"] == "cheaper"]
    assert row["good"] and row["report"]["passed"] == [4, 4] and row["report"]["sides"]["pairs"] == 4


async def test_a_case_that_breaks_is_no_fault_of_the_candidate(measured, vendor, case):
    mark = uuid4().hex
    vendor.plan(mark, "400*")
    made = case([mark], **{"models.ladder": ("standard",)})
    found = await comparer(measured).run(made, Candidate(name="same", prompt_version=1))
    assert not found.cases and not found.good and found.unmeasured[0].startswith("case-0: failed_model")


async def test_without_a_model_there_is_nothing_to_compare(service):
    with pytest.raises(BadInput, match="No model can be reached"):
        await comparer(service).run(service.usecases["handbook"], CHEAP)


@pytest.mark.parametrize(("losses", "changes", "chance"), [(0, 0, 1.0), (5, 5, 1 / 32), (1, 2, 0.75), (0, 4, 1.0)])
def test_losses_are_weighed_by_an_exact_test(losses, changes, chance):
    assert one_sided(losses, changes) == pytest.approx(chance)


def test_a_difference_of_pairs_has_an_interval_also_where_nothing_moved():
    middle, low, high = paired_difference(0, 0, of=50)
    assert middle == 0 and -0.1 < low < 0 < high < 0.1
    assert paired_difference(0, 0, of=0) == (0.0, -1.0, 1.0)
