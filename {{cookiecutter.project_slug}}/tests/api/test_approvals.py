"""A tool with effects through the doors: proposed, seen, edited, approved by somebody else, done by a worker."""

import re
from typing import Any
from uuid import uuid4

import pytest

from app.domain.identity import Permission
from tests.agents import LOOK_UP, REFUND, Desk
from tests.samples.agent import tools


@pytest.mark.proves("CTL-4")
async def test_a_refund_is_proposed_seen_approved_and_done(desk: Desk) -> None:
    response = await desk.ask(LOOK_UP, REFUND)
    listed = (await desk.client.get("/v1/admin/reviews", headers=desk.as_("hana.lind"))).json()
    review = next(row for row in listed if row["turn_id"] == response.json()["turn_id"])
    assert review["why"] == "a person approves what would be done: issue_refund"
    (action,) = review["actions"]
    assert (action["tool"], action["status"]) == ("issue_refund", "waits")
    assert action["arguments"] == {"order": "A-100", "usd": "40.00", "mail": "sam.reyes@example.org"}
    decided = await desk.decide(review)
    assert (decided.status_code, decided.json()["actions"][0]["status"]) == (200, "approved")
    await desk.run(decided)
    done = (await desk.client.get("/v1/admin/reviews", headers=desk.as_("hana.lind"))).json()
    assert review["id"] not in [row["id"] for row in done]
    url = "/v1/admin/reviews?status=approved"
    listed = (await desk.client.get(url, headers=desk.as_("hana.lind"))).json()
    (action,) = next(row for row in listed if row["id"] == review["id"])["actions"]
    assert (action["status"], action["error"]) == ("ran", "") and "Paid 40.00" in action["result"]
    story = await desk.story(response, "sam.reyes")
    assert story["actions"] == [{"tool": "issue_refund", "status": "ran", "error": ""}], (
        "the asker sees what came of it"
    )
    job = await desk.client.get(f"/v1/jobs/{decided.json()['job_id']}", headers=desk.as_("sam.reyes"))
    assert (job.json()["kind"], job.json()["status"], job.json()["done"]) == ("actions", "succeeded", 1)
    assert next(iter(tools.REFUNDS.values()))["usd"] == "40.00"


@pytest.mark.proves("CTL-4", "SEC-5")
async def test_only_a_reviewer_who_may_sees_the_data_behind_a_placeholder_and_with_it_the_use_is_done(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    use = REFUND.replace("sam.reyes@example.org", "<EMAIL_1>")
    response = await desk.ask(use, question="Pay me back for A-100, receipt to sam@home.example please.")
    review = await desk.review(response)
    assert "sam@home.example" not in str(await desk.story(response))

    async def shown() -> dict[str, Any]:
        url = f"/v1/admin/reviews/{review['id']}"
        seen = (await desk.client.get(url, headers=desk.as_("hana.lind"))).json()
        arguments: dict[str, Any] = seen["actions"][0]["arguments"]
        return arguments

    assert await shown() == {"order": "A-100", "usd": "40.00", "mail": "<EMAIL_1>"}
    by_group = desk.service.roles.by_group
    with monkeypatch.context() as patch:
        may = by_group["reviewers"] | {Permission.SEE_PERSONAL_DATA}
        patch.setitem(by_group, "reviewers", may)  # type: ignore[arg-type]
        assert (await shown())["mail"] == "sam@home.example"
    await desk.decide(review, arguments={"0": {**await shown(), "usd": "15.50"}})
    decided = await desk.decide(review, who="olga.petrov")
    assert decided.json()["actions"][0]["arguments"] == {"order": "A-100", "usd": "15.50", "mail": "<EMAIL_1>"}
    await desk.run(decided)
    (paid,) = tools.REFUNDS.values()
    assert (paid["usd"], paid["mail"]) == ("15.50", "sam@home.example")


async def test_what_only_a_tool_would_use_is_shown_to_whoever_approves_it(desk: Desk) -> None:
    use = REFUND.replace("sam.reyes@example.org", "thief@elsewhere.example")
    review = await desk.review(await desk.ask(use, question="Pay me back, receipt to sam@home.example please."))
    url = f"/v1/admin/reviews/{review['id']}"
    seen = (await desk.client.get(url, headers=desk.as_("hana.lind"))).json()
    assert "<EMAIL_1>" in seen["question"] and "thief@elsewhere.example" in str(seen["actions"])


@pytest.mark.proves("CTL-4")
async def test_nobody_approves_what_they_asked_for(desk: Desk) -> None:
    review = await desk.review(await desk.ask(REFUND, who="hana.lind"))
    assert (await desk.decide(review, who="hana.lind")).status_code == 403
    assert (await desk.decide(review, who="sam.reyes")).status_code == 403, "and only reviewers do"
    assert not tools.TRIES


async def test_a_reviewer_may_change_the_arguments_within_what_the_tool_accepts(desk: Desk) -> None:
    review = await desk.review(await desk.ask(REFUND))
    wrong = await desk.decide(review, arguments={"0": {"order": "A-100", "usd": 9000, "mail": "m"}})
    assert wrong.status_code == 422 and wrong.json()["errors"][0]["field"] == "arguments.0"
    assert (await desk.decide(review, arguments={"7": {}})).status_code == 422
    unstorable = {"0": {"order": "A-100", "usd": 1, "mail": "a\u0000b"}}
    assert (await desk.decide(review, arguments=unstorable)).status_code == 422
    changed = {"0": {"order": "A-100", "usd": "15.50", "mail": "desk@shop.example"}}
    written = await desk.decide(review, arguments=changed)
    assert (written.json()["status"], written.json()["job_id"]) == ("open", None), "somebody else clears what one wrote"
    decided = await desk.decide(review, who="olga.petrov")
    await desk.run(decided)
    (paid,) = tools.REFUNDS.values()
    assert (paid["usd"], paid["mail"], paid["for"]) == ("15.50", "desk@shop.example", "sam.reyes")
    found = decided.json()["actions"][0]
    assert found["proposed"]["usd"] == "40.00" and found["arguments"]["usd"] == "15.50"
    rows = (await desk.client.get("/v1/admin/audit", headers=desk.as_("olga.petrov"))).json()
    mine = [row for row in rows if row["subject"] == str(review["id"]) and row["action"].startswith("review.")]
    assert [(row["action"], row["after"]["actions"][0]["edited"]) for row in mine] == [
        ("review.approved", False),
        ("review.put_forward", True),
    ]
    assert "desk@shop.example" not in str(mine)


async def test_the_second_decision_is_refused_and_queues_nothing(desk: Desk) -> None:
    review = await desk.review(await desk.ask(REFUND))
    first = await desk.decide(review)
    second = await desk.decide(review, who="olga.petrov")
    assert (first.status_code, second.status_code) == (200, 409)
    await desk.run(first)
    assert len(tools.TRIES) == 1


async def test_the_console_shows_what_would_be_done_and_takes_other_arguments(desk: Desk) -> None:
    response = await desk.ask(REFUND)
    review = await desk.review(response)
    browser, other = (
        {"Cookie": desk.as_(who)["Authorization"].replace("Bearer ", "identity="), "Origin": "http://test"}
        for who in ("hana.lind", "olga.petrov")
    )
    page = (await desk.client.get("/console/reviews", headers=browser)).text
    assert "issue_refund" in page and "sam.reyes@example.org" in page
    url = f"/console/reviews/{review['id']}"
    form = {"decision": "approve", "reason": "ok", "place": "0", "arguments": '{"order": "A-100"}'}
    assert (await desk.client.post(url, data=form, headers=browser)).status_code == 422
    form["arguments"] = '{"order": "A-100", "usd": "1.00", "mail": "m"}'
    unseen = await desk.client.post(url, data=form, headers=browser)
    assert unseen.status_code == 422 and "what you looked at" in unseen.text
    for who in (browser, other):
        shown = (await desk.client.get(url, headers=who)).text
        (form["seen"],) = re.findall(r'name="seen" value="([0-9a-f]{64})"', shown)
        assert (await desk.client.post(url, data=form, headers=who)).status_code == 303
    assert "hana.lind</strong> put this forward" in shown and "1.00" in shown
    decided = await desk.review(response, status="approved")
    await desk.service.jobs.run(decided["job_id"])
    page = (await desk.client.get("/console/reviews?status=approved", headers=browser)).text
    assert "Paid 1.00 US dollars back for A-100" in page
    story = await desk.client.get(
        f"/console/turns/{response.json()['turn_id']}",
        headers=other,
    )
    assert "issue_refund" in story.text and "waits" in story.text


async def test_nothing_is_proposed_by_an_evaluation(desk: Desk) -> None:
    from app.domain.turn import Turn

    mark = desk.vendor.plan("evaluated", REFUND)
    usecase = desk.service.usecases["agent"]
    who = desk.service.roles.principal("tests", groups=("operators",))
    turn = Turn(usecase=usecase, principal=who, question=f"Refund {mark}", channel="evaluation")
    ended = await desk.service.pipeline.run(turn)
    async with desk.service.database.work() as work:
        rows = await work.sql("SELECT count(*) FROM reviews WHERE turn_id = :id", id=ended.id)
    assert (ended.outcome, rows.scalar_one()) == ("escalated_review", 0)


@pytest.mark.parametrize("key", ["hunter2!pass word", "x4539578763621486", "X-sk-live7Qm2vT9xLr4cWd8y"])
async def test_a_key_that_somebody_made_up_is_not_repeated(client, as_, key):
    url = f"/v1/admin/reviews/{uuid4()}"
    for wrong in ({"arguments": {key: {}}}, {key: 1, "arguments": 1}):
        body = {"approve": True, "reason": "r", **wrong}
        response = await client.post(url, json=body, headers=as_("hana.lind"))
        assert response.status_code == 422 and key not in response.text and "arguments" in response.text
