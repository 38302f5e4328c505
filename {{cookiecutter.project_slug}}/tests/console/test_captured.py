"""The page of captured cases: what was proposed, accepted with a reason, and taken back."""

from collections.abc import Awaitable, Callable
from uuid import UUID

import httpx2
import pytest

from app.wiring.service import Service
from app.work import capture
from tests.console.conftest import Ask, Seen

PAGE = "/console/captured"
Proposed = Callable[[str], Awaitable[str]]


@pytest.fixture
def proposed(service: Service, ask: Ask) -> Proposed:
    """Have Sam propose what is right about an answer; gives the case's id."""

    async def made(expected: str) -> str:
        turn_id = UUID(await ask("sam.reyes", "How many days of annual leave do employees have?"))
        async with service.database.work() as work:
            return str(await capture.propose(work, turn_id, kind="correction", expected=expected, by="sam.reyes"))

    return made


@pytest.mark.proves("EVL-8", "REL-2")
async def test_a_case_is_accepted_with_a_reason_and_the_way_back_stands_beside_it(
    client: httpx2.AsyncClient, seen: Seen, proposed: Proposed
) -> None:
    case_id, hana = await proposed("It is 26 <b>days</b>."), seen("hana.lind")
    page = await client.get(PAGE, headers=hana)
    assert page.status_code == 200 and "It is 26 &lt;b&gt;days" in page.text and "25 days" in page.text
    form = {"status": "accepted", "expected": "It is 26 <b>days</b>."}
    silent = await client.post(f"{PAGE}/{case_id}", data=form, headers=hana)
    assert silent.status_code == 422 and "Say why" in silent.text
    done = await client.post(f"{PAGE}/{case_id}", data={**form, "reason": "the new handbook"}, headers=hana)
    assert done.status_code == 303 and done.headers["location"] == f"{PAGE}?changed={case_id}"
    told = await client.get(done.headers["location"], headers=hana)
    assert "the new handbook" in told.text and "Take it back" in told.text
    accepted = await client.get(PAGE, params={"status": "accepted"}, headers=hana)
    assert "It is 26 &lt;b&gt;days" in accepted.text and "not in the file of cases yet" in accepted.text
    back = await client.post(f"{PAGE}/{case_id}", data={"status": "proposed", "reason": "too early"}, headers=hana)
    assert back.status_code == 303
    assert "too early" in (await client.get(back.headers["location"], headers=hana)).text


@pytest.mark.proves("CTL-4")
async def test_other_words_wait_for_a_second_person_and_the_page_says_whose_they_are(
    client: httpx2.AsyncClient, seen: Seen, proposed: Proposed
) -> None:
    case_id, hana, olga = await proposed("It is 26 days."), seen("hana.lind"), seen("olga.petrov")
    assert "What you change here a second person accepts" in (await client.get(PAGE, headers=hana)).text
    words = f"It is 26 days from 2027 on, {case_id[:8]}."
    form = {"status": "accepted", "expected": words, "reason": "only then"}
    done = await client.post(f"{PAGE}/{case_id}", data=form, headers=hana)
    told = (await client.get(done.headers["location"], headers=hana)).text
    assert "proposed in other words" in told and "Somebody who did not write these words" in told
    mine = article(told, words)
    assert "in the words of <strong>hana.lind</strong>" in mine and "you wrote it" in mine
    assert "Accept…" not in mine and "Reject…" in mine
    again = await client.post(f"{PAGE}/{case_id}", data=form, headers=hana)
    assert again.status_code == 403 and "You wrote what is right here" in again.text
    assert (await client.post(f"{PAGE}/{case_id}", data=form, headers=olga)).status_code == 303
    accepted = (await client.get(PAGE, params={"status": "accepted"}, headers=olga)).text
    assert "by <strong>olga.petrov</strong>" in article(accepted, words)


def article(page: str, words: str) -> str:
    return next(part for part in page.split("<article")[1:] if words in part)


async def test_nobody_without_the_permission_sees_the_page_and_nobody_accepts_their_own(
    client: httpx2.AsyncClient, seen: Seen, proposed: Proposed
) -> None:
    case_id = await proposed("It is 27 days.")
    assert (await client.get(PAGE, headers=seen("sam.reyes"))).status_code == 403
    form = {"status": "accepted", "reason": "mine"}
    assert (await client.post(f"{PAGE}/{case_id}", data=form, headers=seen("sam.reyes"))).status_code == 403
    for data in ("[1]", "not json", '{"a": "\\u0000"}'):
        told = await client.post(f"{PAGE}/{case_id}", data={**form, "data": data}, headers=seen("hana.lind"))
        assert told.status_code == 422, data
