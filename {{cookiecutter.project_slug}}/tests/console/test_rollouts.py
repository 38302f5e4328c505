"""The pages of rollouts: what they show, and the forms that move one."""

from collections.abc import AsyncIterator

import httpx2
import pytest

from app.domain.plan import Plan
from app.wiring.service import Service
from app.work.rollouts import Because
from tests.console.conftest import Ask, Seen

pytestmark = pytest.mark.proves("CTL-2", "OPS-1")
PATH = "/console/rollouts"
ONE = f"{PATH}/handbook"
# Open to everybody as before, but at a stage that the guard watches.
START = {"action": "start", "candidate": "", "step": "percent:100", "reason": "a <b>first</b> look"}


@pytest.fixture
async def moved(service: Service) -> AsyncIterator[None]:
    """Whatever the test does, the handbook is open to everybody after it."""
    yield
    case = service.usecases["handbook"]
    await service.rolling.desk.move(case, lambda _: Plan(), Because("tests", "the test is over"))


@pytest.mark.usefixtures("moved")
async def test_a_move_is_shown_with_its_reason_and_can_be_undone(
    client: httpx2.AsyncClient, seen: Seen, ask: Ask
) -> None:
    olga = seen("olga.petrov")
    told = await client.post(ONE, data=START, headers=olga)
    assert (told.status_code, told.headers["location"]) == (303, f"{ONE}?changed=1"), told.text
    await ask("sam.reyes", "How many days of leave?")
    page = (await client.get(told.headers["location"], headers=olga)).text
    assert "the use case at percent:100" in page and "a &lt;b&gt;first&lt;/b&gt; look" in page and "Undo" in page
    assert "Errors" in page and "<svg" in page and "Slow turns" in page and "holds" in page
    listed = (await client.get(PATH, headers=olga)).text
    assert "percent:100" in listed and "/console/rollouts/handbook" in listed
    version = page.split('name="version" value="')[1].split('"')[0]
    undone = await client.post(ONE, data={"action": "undo", "version": version, "reason": "enough"}, headers=olga)
    assert undone.status_code == 303
    assert "at general" in (await client.get(undone.headers["location"], headers=olga)).text


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({**START, "reason": " "}, 422),
        ({**START, "step": "moon"}, 422),
        ({**START, "candidate": "moon"}, 422),
        ({**START, "action": "jump"}, 422),
        ({**START, "extra": "1"}, 422),
    ],
)
async def test_a_form_that_makes_no_sense_moves_nothing(
    client: httpx2.AsyncClient, seen: Seen, service: Service, form: dict[str, str], status: int
) -> None:
    before = service.rollouts.plans.get("handbook")
    told = await client.post(ONE, data=form, headers=seen("olga.petrov"))
    assert told.status_code == status and told.headers["content-type"].startswith("text/html")
    assert service.rollouts.plans.get("handbook") == before


async def test_only_who_may_manage_rollouts_sees_the_page_and_moves_them(
    client: httpx2.AsyncClient, seen: Seen
) -> None:
    for person in ("sam.reyes", "maya.okafor"):
        assert (await client.get(PATH, headers=seen(person))).status_code == 403
        assert (await client.get(ONE, headers=seen(person))).status_code == 403
        assert (await client.post(ONE, data=START, headers=seen(person))).status_code == 403
    assert (await client.get(f"{PATH}/moon", headers=seen("olga.petrov"))).status_code == 404
    foreign = seen("olga.petrov") | {"Origin": "http://evil.example"}
    assert (await client.post(ONE, data=START, headers=foreign)).status_code == 403
