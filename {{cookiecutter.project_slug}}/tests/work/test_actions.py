"""What a person approved: done once, by the rights of who asked, never twice in silence."""

import asyncio
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from app.store import audit, sealed
from app.store import jobs as jobs_table
from app.store import reviews as reviews_table
from app.store.tables import review_actions
from tests.agents import REFUND, Desk, Spans
from tests.samples.agent import tools

STUCK = 'tool=issue_refund:{"order": "A-300", "usd": "5", "mail": "sam.reyes@example.org"}'
FAILING = 'tool=issue_refund:{"order": "A-400", "usd": "5", "mail": "sam.reyes@example.org"}'


async def approved(desk: Desk, plan: str = REFUND, **body: Any) -> tuple[dict[str, Any], UUID]:
    """Ask, and approve what is proposed; gives the review and the job."""
    review = await desk.review(await desk.ask(plan))
    decided = await desk.decide(review, **body)
    assert decided.status_code == 200, decided.text
    return decided.json(), UUID(decided.json()["job_id"])


async def now(desk: Desk, review_id: str) -> dict[str, Any]:
    async with desk.service.database.work() as work:
        return await reviews_table.get(work, UUID(str(review_id)))


async def audited(desk: Desk, review_id: str) -> list[str]:
    async with desk.service.database.work() as work:
        return [row["action"] for row in await audit.history(work, subject=review_id)][::-1]


async def begun() -> None:
    """Wait until a tool with effects was called."""
    async with asyncio.timeout(30):
        while not tools.TRIES:  # noqa: ASYNC110 - the sample's tool tells nobody
            await asyncio.sleep(0.01)


async def hand_on(desk: Desk, job_id: UUID) -> None:
    """Wait until the dead worker's lease is over, then do what the sweep and another worker would do."""
    async with desk.service.database.work() as work:
        await work.sql("UPDATE jobs SET lease_until = now() - interval '1 second' WHERE id = :id", id=job_id)
        await work.sql("UPDATE outbox SET created_at = now() - interval '1 hour', sent_at = now() - interval '1 hour'")
        assert job_id in await jobs_table.sweep(work)
    await desk.service.jobs.run(job_id)


@pytest.mark.proves("CTL-4")
async def test_what_was_approved_is_done_once_with_the_real_arguments_and_the_askers_rights(desk: Desk) -> None:
    review, job_id = await approved(desk)
    assert not tools.TRIES, "the approval itself does nothing but queue"
    await asyncio.gather(*(desk.service.jobs.run(job_id) for _ in range(3)))
    await desk.service.jobs.run(job_id)
    key = f"{review['id']}:0"
    assert [key] == tools.TRIES
    paid = {"order": "A-100", "usd": "40.00", "mail": "sam.reyes@example.org", "for": "sam.reyes"}
    assert {key: paid} == tools.REFUNDS
    (action,) = (await now(desk, review["id"]))["actions"]
    assert (action["status"], action["error"]) == ("ran", "") and "Paid 40.00" in action["result"]
    assert await audited(desk, review["id"]) == ["review.approved", "action.ran"]


async def test_the_decision_the_job_and_its_message_stand_or_fall_together(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    review = await desk.review(await desk.ask(REFUND))

    async def fails(*_: object, **__: object) -> None:
        raise ValueError("no outbox today")

    monkeypatch.setattr("app.store.jobs.outbox.put", fails)
    with capture_logs() as logs:
        assert (await desk.decide(review)).status_code == 500
    monkeypatch.undo()
    assert [str(log["exc_info"]) for log in logs if log["event"] == "request.broke"] == ["no outbox today"]
    found = await now(desk, review["id"])
    assert (found["status"], found["job_id"], found["actions"][0]["status"]) == ("open", None, "waits")


@pytest.mark.proves("CTL-4")
async def test_what_was_rejected_is_never_done(desk: Desk) -> None:
    review = await desk.review(await desk.ask(REFUND))
    decided = (await desk.decide(review, approve=False, reason="it did not break")).json()
    assert (decided["status"], decided["job_id"], decided["actions"][0]["status"]) == ("rejected", None, "rejected")
    assert not tools.TRIES


@pytest.mark.proves("REL-9")
async def test_what_a_dying_worker_had_begun_is_not_repeated_but_goes_back_to_a_person(desk: Desk) -> None:
    review, job_id = await approved(desk, STUCK)
    dying = asyncio.create_task(desk.service.jobs.run(job_id))
    await begun()
    dying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await dying
    await hand_on(desk, job_id)
    assert len(tools.TRIES) == 1, "begun once, never repeated in silence"
    found = await now(desk, review["id"])
    assert (found["status"], found["actions"][0]["status"]) == ("open", "unknown")
    assert "not known" in found["why"]
    assert await audited(desk, review["id"]) == ["review.approved", "action.unknown"]
    async with desk.service.database.work() as work:
        job = await jobs_table.get(work, job_id, user_id="sam.reyes")
    assert job.status is jobs_table.JobStatus.FAILED and "reviewer looks" in job.error


async def test_a_person_may_have_it_done_again_under_the_same_key(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    review, job_id = await approved(desk, STUCK)
    dying = asyncio.create_task(desk.service.jobs.run(job_id))
    await begun()
    dying.cancel()
    await asyncio.gather(dying, return_exceptions=True)
    await hand_on(desk, job_id)
    monkeypatch.setattr(tools, "HANG_S", 0.0)
    again = await desk.decide(review, reason="the bank says nothing was paid")
    await desk.run(again)
    assert again.json()["job_id"] != str(job_id)
    assert [f"{review['id']}:0"] * 2 == tools.TRIES and len(tools.REFUNDS) == 1
    assert (await now(desk, review["id"]))["actions"][0]["status"] == "ran"


async def test_a_use_that_fails_stops_the_rest_and_goes_back_to_a_person(desk: Desk) -> None:
    review, job_id = await approved(desk, FAILING)
    await desk.service.jobs.run(job_id)
    found = await now(desk, review["id"])
    assert (found["status"], found["actions"][0]["status"]) == ("open", "failed")
    assert found["why"] == "issue_refund: ConnectionError" and "hunter2" not in str(found)
    rejected = (await desk.decide(review, approve=False, reason="we send a voucher")).json()
    assert rejected["actions"][0]["status"] == "failed", "what happened stays told"
    assert len(tools.TRIES) == 1


async def test_a_use_that_takes_too_long_counts_as_unknown(desk: Desk) -> None:
    known = desk.service.usecases["agent"]
    hurried = replace(known, tools=tuple(replace(tool, timeout_s=0.2) for tool in known.tools))
    desk.service.usecases["agent"] = hurried  # type: ignore[index]
    review, job_id = await approved(desk, STUCK)
    await desk.service.jobs.run(job_id)
    found = await now(desk, review["id"])
    assert (found["status"], found["actions"][0]["status"]) == ("open", "unknown")


@pytest.mark.proves("CTL-1")
@pytest.mark.parametrize("subject", ["agent", "tool:issue_refund", "group:sales"])
async def test_the_kill_switch_holds_what_was_approved_and_lets_it_go_afterwards(desk: Desk, subject: str) -> None:
    review, job_id = await approved(desk)
    flip = desk.service.flags.flip
    await flip(subject, enabled=False, by="tests", because="a test")
    try:
        await desk.service.jobs.run(job_id)
        assert not tools.TRIES and (await now(desk, review["id"]))["actions"][0]["status"] == "approved"
    finally:
        await flip(subject, enabled=True, by="tests", because="the test is over")
    await desk.service.jobs.run(job_id)
    assert len(tools.TRIES) == 1


async def test_a_job_that_its_asker_cancels_goes_back_to_a_person(desk: Desk) -> None:
    review, job_id = await approved(desk)
    assert (await desk.client.delete(f"/v1/jobs/{job_id}", headers=desk.as_("sam.reyes"))).status_code == 200
    await desk.service.jobs.run(job_id)
    await desk.service.housekeeping.often()
    found = await now(desk, review["id"])
    assert (found["status"], found["actions"][0]["status"]) == ("open", "waits") and not tools.TRIES


async def test_a_job_that_was_given_up_in_the_middle_leaves_nothing_running(desk: Desk) -> None:
    review, job_id = await approved(desk)
    async with desk.service.database.work() as work:
        await work.sql("UPDATE jobs SET status = 'failed' WHERE id = :id", id=job_id)
        await work.sql("UPDATE review_actions SET status = 'running' WHERE review_id = :id", id=UUID(review["id"]))
    await desk.service.housekeeping.often()
    found = await now(desk, review["id"])
    assert (found["status"], found["actions"][0]["status"]) == ("open", "unknown")
    assert (await audited(desk, review["id"]))[-1] == "action.unknown"


async def test_who_may_no_longer_ask_has_nothing_done_for_them(desk: Desk) -> None:
    review, job_id = await approved(desk)
    desk.set("access", groups=("reviewers",))
    await desk.service.jobs.run(job_id)
    (action,) = (await now(desk, review["id"]))["actions"]
    assert (action["status"], action["error"]) == ("failed", "the person who asked may no longer use this use case")
    assert not tools.TRIES


@pytest.mark.proves("CTL-4")
async def test_what_runs_is_to_the_last_byte_what_was_approved_or_it_does_not_run(desk: Desk) -> None:
    review, job_id = await approved(desk)
    async with desk.service.database.work() as work:
        place = {"review_id": UUID(review["id"]), "ordinal": 0}
        stolen = {"order": "A-100", "usd": "400.00", "mail": "thief@example.org"}
        row = sealed.closed(work.seals, "review_actions", {**place, "arguments": stolen})
        await work.run(
            review_actions.update().where(review_actions.c.review_id == place["review_id"]),
            {"arguments": row["arguments"]},
        )
    await desk.service.jobs.run(job_id)
    found = await now(desk, review["id"])
    assert not tools.TRIES, "whoever wrote past the service had nothing done"
    (action,) = found["actions"]
    assert (found["status"], action["status"]) == ("open", "failed")
    assert action["error"] == "what is stored is not what was approved"
    assert (await audited(desk, review["id"]))[-1] == "action.failed"
    changed = {"0": {**stolen, "usd": "1"}}
    again = await desk.decide(review, reason="somebody changed it; I looked anew", arguments=changed)
    assert again.json()["status"] == "open" and not tools.TRIES
    await desk.run(await desk.decide(review, who="olga.petrov"))
    assert next(iter(tools.REFUNDS.values()))["usd"] == "1", "a new decision is about what is there now"


@pytest.mark.proves("CTL-4")
async def test_a_decision_names_what_was_shown_and_fails_on_anything_else(desk: Desk) -> None:
    review = await desk.review(await desk.ask(REFUND))
    shown = (await desk.client.get(f"/v1/admin/reviews/{review['id']}", headers=desk.as_("hana.lind"))).json()
    unseen = await desk.decide(review, seen="")
    assert unseen.status_code == 422 and "GET /v1/admin/reviews" in unseen.json()["detail"]
    assert unseen.json()["errors"][0]["field"] == "seen"
    stale = await desk.decide(review, seen="0" * 64)
    assert stale.status_code == 409 and not tools.TRIES
    decided = await desk.decide(review, seen=shown["digest"])
    assert decided.status_code == 200, decided.text
    await desk.run(decided)
    assert len(tools.TRIES) == 1
    back = await desk.client.post(
        f"/v1/admin/reviews/{review['id']}/reopen", json={"reason": "oh no"}, headers=desk.as_("hana.lind")
    )
    assert back.status_code == 409, "money that was paid is not paid back by a button"


@pytest.mark.proves("CTL-4")
@pytest.mark.parametrize("rule", ["never", "edits", "always"])
async def test_the_one_who_changed_the_arguments_has_nothing_done_whatever_the_contract_says(
    desk: Desk, rule: str
) -> None:
    desk.set("reviews", second_person=rule)
    review = await desk.review(await desk.ask(REFUND))
    changed = {"0": {"order": "A-100", "usd": "2.00", "mail": "desk@shop.example"}}
    first = await desk.decide(review, arguments=changed)
    assert (first.json()["status"], first.json()["job_id"]) == ("open", None)
    assert (await desk.decide(review)).status_code == 403
    second = await desk.decide(review, who="olga.petrov")
    assert second.status_code == 200, second.text
    await desk.run(second)
    assert next(iter(tools.REFUNDS.values()))["usd"] == "2.00"


@pytest.mark.proves("CTL-4")
@pytest.mark.parametrize("rule", ["never", "always"])
async def test_what_came_back_after_a_failure_is_cleared_by_nobody_who_wrote_it(desk: Desk, rule: str) -> None:
    desk.set("reviews", second_person=rule)
    review = await desk.review(await desk.ask(REFUND))
    failing = {"0": {"order": "A-400", "usd": "5", "mail": "desk@shop.example"}}
    assert (await desk.decide(review, arguments=failing)).json()["status"] == "open"
    await desk.run(await desk.decide(review, who="olga.petrov"))
    found = await now(desk, review["id"])
    assert (found["status"], found["authors"], found["put_forward_by"]) == ("open", ["hana.lind"], None)
    assert found["actions"][0]["arguments"]["order"] == "A-400", "and what she wrote is what waits"
    again = await desk.decide(review)
    if rule == "always":
        assert again.json()["status"] == "open", "two again: she may be one of them, but not the one who clears it"
        again = await desk.decide(review)
    assert again.status_code == 403 and "You wrote" in again.json()["detail"]
    cleared = await desk.decide(review, who="olga.petrov")
    assert (cleared.status_code, cleared.json()["status"]) == (200, "approved")


@pytest.mark.proves("OBS-2")
async def test_the_use_is_a_step_of_the_jobs_trace(desk: Desk, spans: Spans) -> None:
    review, job_id = await approved(desk)
    await desk.service.jobs.run(job_id)
    job, use = spans.named("job"), spans.named("execute_tool issue_refund")
    assert use.parent and use.parent.span_id == job.context.span_id
    assert use.attributes["gen_ai.tool.name"] == "issue_refund" and use.attributes["app.review_id"] == review["id"]
    assert "sam.reyes@example.org" not in str([span.to_json() for span in spans.finished])
