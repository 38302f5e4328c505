"""The pages of reviews: the queue, one review, and every form on them; by permission, with a reason, and a way back."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx2
import pytest

from app.console.reviews import timer
from app.domain.identity import Principal
from app.domain.outcome import Outcome
from app.domain.review import Reviews, Terms
from app.domain.turn import Turn
from app.store import audit, ledger, reviews
from app.wiring.service import Service
from tests.console.conftest import Ask, Seen
from tests.paging import whole

PATH = "/console/reviews"


async def audit_of(service: Service, subject: str) -> list[dict[str, object]]:
    async with service.database.work() as work:
        return await audit.history(work, subject=subject)


async def listed(client: httpx2.AsyncClient, headers: dict[str, str], asked: str = "") -> str:
    """Give all pages of the list."""
    return await whole(client, headers, PATH + asked)


@pytest.fixture
async def draft(service: Service) -> UUID:
    """A draft that hana.lind asked for; its turn is in the ledger, or nobody could tell who may read it."""
    asked = Turn(usecase=service.usecases["triage"], principal=Principal("hana.lind"), question="The invoice is wrong")
    await ledger.end(service.database, asked.with_(outcome=Outcome.ESCALATED_REVIEW), None)
    async with service.database.work() as work:
        return await reviews.open_(
            work,
            reviews.Opening(
                turn_id=asked.id,
                usecase="triage",
                asker="hana.lind",
                question="<i>The invoice</i> is wrong",
                why="a person decides",
                text="We look into it.",
                data={"category": "billing"},
                terms=Terms("advise", 1),
            ),
        )


async def test_a_reviewer_approves_an_edited_draft(
    client: httpx2.AsyncClient, seen: Seen, service: Service, draft: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = service.usecases["triage"]
    contract = known.contract.model_copy(update={"reviews": Reviews(second_person="never")})
    monkeypatch.setitem(service.usecases, "triage", replace(known, contract=contract))  # type: ignore[arg-type]
    form = {
        "decision": "approve",
        "text": "We are sorry.\r\nBye.",
        "data": '{"category": "refund"}',
        "reason": "kinder",
    }
    page = await listed(client, seen("olga.petrov"))
    assert f"/console/reviews/{draft}" in page and "&lt;i&gt;The invoice" in page
    response = await client.post(f"/console/reviews/{draft}", data=form, headers=seen("olga.petrov"))
    assert response.status_code == 303
    row = (await audit_of(service, str(draft)))[0]
    assert (row["action"], row["reason"], row["actor"]) == ("review.approved", "kinder", "olga.petrov")
    decided = await listed(client, seen("olga.petrov"), "?status=approved")
    assert "We are sorry.\nBye." in decided and "refund" in decided


async def test_an_edited_draft_is_put_forward_and_every_page_says_so(
    client: httpx2.AsyncClient, seen: Seen, service: Service, draft: UUID
) -> None:
    form = {"decision": "approve", "text": "We are sorry.", "reason": "kinder", "note": "We call you."}
    done = await client.post(f"{PATH}/{draft}", data=form, headers=seen("olga.petrov"))
    changed = (await client.get(done.headers["location"], headers=seen("olga.petrov"))).text
    assert "put forward, a second person decides" in changed, "what was just done"
    assert "put forward by <strong>olga.petrov</strong>" in await listed(client, seen("olga.petrov"))
    page = (await client.get(f"{PATH}/{draft}", headers=seen("olga.petrov"))).text
    assert "<strong>olga.petrov</strong> put this forward" in page and "“We call you.”" in page
    own = await client.post(f"{PATH}/{draft}", data={**form, "note": ""}, headers=seen("olga.petrov"))
    assert own.status_code == 403 and "You wrote" in own.text
    async with service.database.work() as work:
        assert (await reviews.get(work, draft))["status"] == "open"


async def test_a_reviewer_rejects_a_draft(client: httpx2.AsyncClient, seen: Seen, draft: UUID) -> None:
    form = {"decision": "reject", "reason": "wrong team"}
    await client.post(f"/console/reviews/{draft}", data=form, headers=seen("olga.petrov"))
    again = await client.post(f"/console/reviews/{draft}", data=form, headers=seen("olga.petrov"))
    assert again.status_code == 409
    assert "wrong team" in await listed(client, seen("olga.petrov"), "?status=rejected")


async def test_nobody_decides_on_what_they_asked_for(client: httpx2.AsyncClient, seen: Seen, draft: UUID) -> None:
    form = {"decision": "approve", "reason": "looks good to me"}
    page = await listed(client, seen("hana.lind"))
    assert f"/console/reviews/{draft}" not in page and "somebody else decides" in page
    response = await client.post(f"/console/reviews/{draft}", data=form, headers=seen("hana.lind"))
    assert response.status_code == 403


@pytest.mark.parametrize(
    "form",
    [
        {"decision": "approve", "reason": ""},
        {"decision": "approve", "reason": "ok", "data": "{"},
        {"decision": "approve", "reason": "ok", "data": "[1]"},
        {"reason": "ok"},
    ],
)
async def test_a_decision_that_makes_no_sense_leaves_the_draft_open(
    client: httpx2.AsyncClient, seen: Seen, draft: UUID, form: dict[str, str]
) -> None:
    response = await client.post(f"/console/reviews/{draft}", data=form, headers=seen("olga.petrov"))
    assert response.status_code == 422
    assert f"/console/reviews/{draft}" in await listed(client, seen("olga.petrov"))


async def test_a_decision_from_another_site_is_refused(client: httpx2.AsyncClient, seen: Seen, draft: UUID) -> None:
    headers = {**seen("olga.petrov"), "Origin": "http://evil.example"}
    form = {"decision": "approve", "reason": "ok"}
    assert (await client.post(f"/console/reviews/{draft}", data=form, headers=headers)).status_code == 403


async def test_one_review_shows_all_that_belongs_to_it_and_its_form_decides(
    client: httpx2.AsyncClient, seen: Seen, draft: UUID
) -> None:
    page = (await client.get(f"{PATH}/{draft}", headers=seen("olga.petrov"))).text
    for part in ("advice to approve", "We look into it.", "No check objected", "Nobody has done anything yet"):
        assert part in page, part
    (digest,) = re.findall(r'name="seen" value="([0-9a-f]{64})"', page)
    form = {"decision": "approve", "text": "We look into it.", "reason": "right", "seen": "0" * 64}
    stale = await client.post(f"{PATH}/{draft}", data=form, headers=seen("olga.petrov"))
    assert stale.status_code == 409 and "changed since" in stale.text
    decided = await client.post(f"{PATH}/{draft}", data={**form, "seen": digest}, headers=seen("olga.petrov"))
    assert (decided.status_code, decided.headers["location"]) == (303, f"{PATH}?changed={draft}")


@pytest.mark.proves("CTL-4")
async def test_what_was_sent_back_as_it_was_shown_counts_as_not_edited(
    client: httpx2.AsyncClient, seen: Seen, service: Service, draft: UUID
) -> None:
    form = {"decision": "approve", "text": "We look into it.\r\n", "data": '{"category": "billing"}', "reason": "right"}
    await client.post(f"{PATH}/{draft}", data=form, headers=seen("olga.petrov"))
    after = (await audit_of(service, str(draft)))[0]["after"]
    assert isinstance(after, dict) and after["edited"] == {"text": False, "data": False}


async def test_the_page_after_a_decision_says_before_and_after_and_its_button_takes_it_back(
    client: httpx2.AsyncClient, seen: Seen, draft: UUID
) -> None:
    decided = await client.post(
        f"{PATH}/{draft}", data={"decision": "reject", "reason": "wrong team"}, headers=seen("olga.petrov")
    )
    page = (await client.get(decided.headers["location"], headers=seen("olga.petrov"))).text
    assert "open</span> →" in page and "rejected" in page and f"{PATH}/{draft}/reopen" in page
    assert (await client.post(f"{PATH}/{draft}/reopen", data={}, headers=seen("olga.petrov"))).status_code == 422
    back = await client.post(f"{PATH}/{draft}/reopen", data={"reason": "undone"}, headers=seen("olga.petrov"))
    assert back.status_code == 303
    assert f'href="{PATH}/{draft}"' in await listed(client, seen("olga.petrov"))


async def test_a_reviewer_takes_a_review_and_gives_it_back(client: httpx2.AsyncClient, seen: Seen, draft: UUID) -> None:
    taken = await client.post(f"{PATH}/{draft}/take", headers=seen("olga.petrov"))
    assert (taken.status_code, taken.headers["location"]) == (303, f"{PATH}/{draft}")
    page = (await client.get(f"{PATH}/{draft}", headers=seen("olga.petrov"))).text
    assert "Give it back" in page and "review.taken" in page
    mine = (await client.get(f"{PATH}?mine=true", headers=seen("olga.petrov"))).text
    assert f'href="{PATH}/{draft}"' in mine
    assert (await client.post(f"{PATH}/{draft}/release", headers=seen("olga.petrov"))).status_code == 303
    assert "Take it" in (await client.get(f"{PATH}/{draft}", headers=seen("olga.petrov"))).text


async def test_who_may_hand_out_gives_a_review_to_somebody_and_takes_that_back(
    client: httpx2.AsyncClient, seen: Seen, draft: UUID
) -> None:
    form = {"assigned_to": "erin.holt", "priority": "2", "hours": "3", "reason": "she knows"}
    assert (await client.post(f"{PATH}/{draft}/assign", data=form, headers=seen("hana.lind"))).status_code == 403
    given = await client.post(f"{PATH}/{draft}/assign", data=form, headers=seen("olga.petrov"))
    assert given.status_code == 303, given.text
    page = (await client.get(given.headers["location"], headers=seen("olga.petrov"))).text
    assert "anybody, priority 1" in page and "erin.holt, priority 2" in page
    fields = dict(re.findall(r'<input type="hidden" name="(assigned_to|priority|due_at)" value="([^"]*)">', page))
    assert set(fields) == {"priority", "due_at"}, "nobody had it before"
    back = await client.post(f"{PATH}/{draft}/assign", data={**fields, "reason": "undone"}, headers=seen("olga.petrov"))
    assert back.status_code == 303
    assert "anybody who reviews" in (await client.get(f"{PATH}/{draft}", headers=seen("olga.petrov"))).text


async def test_who_asked_for_it_is_told_why_they_cannot_decide_and_sees_no_form(
    client: httpx2.AsyncClient, seen: Seen, draft: UUID
) -> None:
    page = (await client.get(f"{PATH}/{draft}", headers=seen("hana.lind"))).text
    assert "Nobody decides on what they asked for" in page and 'name="decision"' not in page


@pytest.mark.proves("SEC-3")
async def test_nobody_without_the_permission_sees_or_changes_a_review(
    client: httpx2.AsyncClient, seen: Seen, draft: UUID
) -> None:
    for path in (PATH, f"{PATH}/{draft}"):
        assert (await client.get(path, headers=seen("sam.reyes"))).status_code == 403
    for path in ("", "/take", "/release", "/assign", "/reopen"):
        form = {"decision": "approve", "reason": "me"} if not path else {"reason": "me"}
        response = await client.post(f"{PATH}/{draft}{path}", data=form, headers=seen("sam.reyes"))
        assert response.status_code == 403, path


async def test_a_complaint_of_an_asker_stands_in_the_queue_with_their_words(
    client: httpx2.AsyncClient, seen: Seen, ask: Ask
) -> None:
    turn_id = await ask("sam.reyes", "How many days of annual leave do employees have?")
    words = {"text": "<b>This is last year's number.</b>"}
    filed = await client.post(f"/v1/turns/{turn_id}/complaint", json=words, headers=seen("sam.reyes"))
    assert filed.status_code == 201, filed.text
    page = (await client.get(f"{PATH}/{filed.json()['review_id']}", headers=seen("olga.petrov"))).text
    assert "&lt;b&gt;This is last year" in page and "The answer stands" in page and "Withdraw the answer" in page
    assert "<summary>" in page and "score" in page, "with the passages behind the answer"
    listed = (await client.get(f"{PATH}?kind=complaint", headers=seen("olga.petrov"))).text
    assert filed.json()["review_id"] in listed


@pytest.mark.parametrize("query", ["status=maybe", "kind=compliant", "changed=x", "extra=1"])
async def test_a_filter_that_makes_no_sense_is_told_on_a_page(
    client: httpx2.AsyncClient, seen: Seen, query: str
) -> None:
    response = await client.get(f"{PATH}?{query}", headers=seen("olga.petrov"))
    assert response.status_code == 422 and response.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize(
    ("minutes", "told"),
    [
        (5, "5 min left"),
        (125, "2 h 5 min left"),
        (3 * 1440, "3 days left"),
        (0, "0 min late"),
        (-90, "1 h 30 min late"),
    ],
)
def test_the_timer_says_what_is_left_or_how_late_it_is(minutes: int, told: str) -> None:
    now = datetime(2026, 11, 17, 14, 0, tzinfo=UTC)
    assert timer(now + timedelta(minutes=minutes), now) == told
