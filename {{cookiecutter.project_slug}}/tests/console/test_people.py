"""The page of the office of privacy: holds stop an erasure, certificates are shown, a reason is always asked for."""

import pytest

PERSON = "erin.holt"
PAGE = "/console/people"


@pytest.mark.proves("SEC-11")
async def test_an_officer_holds_releases_and_erases_somebody_on_the_page(client, seen, service):
    dana = seen("dana.weiss")
    hold = {"person": PERSON, "reason": "case 4711", "told": "a court asked"}
    assert (await client.post(f"{PAGE}/hold", data=hold, headers=dana)).status_code == 303
    ask = {"person": PERSON, "confirm": PERSON, "reason": "request 5"}
    refused = await client.post(f"{PAGE}/erase", data=ask, headers=dana)
    assert refused.status_code == 409 and "a court asked" in refused.text
    shown = (await client.get(PAGE, headers=dana)).text
    assert "case 4711" in shown
    id = shown.partition(f"{PAGE}/holds/")[2].partition('"')[0]
    released = await client.post(f"{PAGE}/holds/{id}", data={"reason": "it is over"}, headers=dana)
    assert released.status_code == 303
    assert (await client.post(f"{PAGE}/erase", data={**ask, "confirm": "x"}, headers=dana)).status_code == 422
    assert (await client.post(f"{PAGE}/erase", data=ask, headers=dana)).status_code == 303
    made = await service.data_life.erasures.request(PERSON, by="dana.weiss", because="request 5")
    await service.jobs.run(made.job_id)
    shown = (await client.get(PAGE, headers=dana)).text
    assert "request 5" in shown and "proven" in shown


@pytest.mark.proves("SEC-11")
async def test_an_officer_saves_what_is_kept_of_somebody(client, seen):
    answer = await client.post(
        f"{PAGE}/export", data={"person": PERSON, "reason": "request 6"}, headers=seen("dana.weiss")
    )
    assert answer.status_code == 200 and answer.json()["person"]["id"] == PERSON
    unreasoned = await client.post(f"{PAGE}/export", data={"person": PERSON, "reason": ""}, headers=seen("dana.weiss"))
    assert unreasoned.status_code == 422


@pytest.mark.proves("SEC-3")
async def test_operators_do_not_see_the_page(client, seen):
    assert (await client.get(PAGE, headers=seen("olga.petrov"))).status_code == 403


async def test_a_hold_is_taken_back_from_where_it_was_placed(client, seen):
    dana = seen("dana.weiss")
    hold = {"person": "priya.nair", "reason": "case 4712", "told": "a court asked"}
    placed = await client.post(f"{PAGE}/hold", data=hold, headers=dana)
    shown = (await client.get(placed.headers["location"], headers=dana)).text
    assert "case 4712" in shown and "Release it" in shown
    id = placed.headers["location"].partition("changed=")[2]
    released = await client.post(f"{PAGE}/holds/{id}", data={"reason": "placed by mistake"}, headers=dana)
    shown = (await client.get(released.headers["location"], headers=dana)).text
    assert "released" in shown and "Release it" not in shown, "there is no way back from a release"
