"""Attempts through queued work, and through what waits for a person."""

from typing import Any
from uuid import UUID, uuid4

from tests.attacks.ground import ERIN, HANA, MAYA, OLGA, SAM, Ground, Person, Secret, attack
from tests.attacks.leaks import _without_ids

THEME = "jobs and reviews"


async def _queued(ground: Ground, who: Person, secret: Secret, **more: Any) -> str:
    body = {"items": [{"question": secret.question, **more}]}
    response = await ground.client.post(f"/v1/usecases/{secret.usecase}/jobs", json=body, headers=dict(who.headers))
    assert response.status_code == 202, response.text
    return str(response.json()["job_id"])


@attack(THEME, "another's job: read, followed, cancelled")
async def anothers(ground: Ground) -> None:
    secret = await ground.secret()
    job_id = await _queued(ground, ERIN, secret)
    await ground.service.jobs.run(_id(job_id))
    assert secret.word in (await ground.client.get(f"/v1/jobs/{job_id}", headers=dict(ERIN.headers))).text
    for who in (SAM, OLGA):
        for method, tail in (("GET", ""), ("GET", "/events"), ("DELETE", ""), ("GET", "/items"), ("GET", "/result")):
            refused = [await ground.send(who, method, f"/v1/jobs/{id}{tail}") for id in (job_id, uuid4())]
            assert {each.status_code for each in refused} == {404}
            assert len({_without_ids(each.text) for each in refused}) == 1
    assert job_id not in (await ground.send(SAM, "GET", "/v1/jobs")).text


def _id(text: str) -> Any:
    return UUID(text)


@attack(THEME, "one's own job about what one may not read")
async def own(ground: Ground) -> None:
    secret = await ground.secret()
    job_id = await _queued(ground, SAM, secret)
    await ground.run(SAM, job_id)
    done = await ground.send(SAM, "GET", f"/v1/jobs/{job_id}")
    assert done.json()["status"] == "succeeded"
    await ground.send(SAM, "GET", f"/v1/jobs/{job_id}/events")


@attack(THEME, "a job in another's name")
async def in_anothers_name(ground: Ground) -> None:
    secret = await ground.secret()
    for more in ({"user_id": "erin.holt"}, {"groups": ["executives"]}, {"as": "erin.holt"}, {"readers": ["everyone"]}):
        body: dict[str, Any] = {"items": [{"question": secret.question, **more}]}
        refused = await ground.send(SAM, "POST", "/v1/usecases/vault/jobs", json=body)
        assert refused.status_code == 422
        refused = await ground.send(
            SAM, "POST", "/v1/usecases/vault/jobs", json={"items": [{"question": secret.question}], **more}
        )
        assert refused.status_code == 422


@attack(THEME, "a job that was queued while one might still read")
async def outlives(ground: Ground) -> None:
    secret = await ground.secret(owner=SAM, readers=("group:sales",))
    job_id = await _queued(ground, MAYA, secret)
    await ground.revoke(secret, ("user:sam.reyes",))
    await ground.run(MAYA, job_id)
    await ground.send(MAYA, "GET", f"/v1/jobs/{job_id}")
    await ground.send(MAYA, "GET", f"/v1/jobs/{job_id}/events")


@attack(THEME, "the result of a job that one has not looked at before the right was gone")
async def unread(ground: Ground) -> None:
    secret = await ground.secret(owner=SAM, readers=("group:sales",))
    job_id = await _queued(ground, MAYA, secret)
    await ground.service.jobs.run(_id(job_id))
    await ground.revoke(secret, ("user:sam.reyes",))
    await ground.send(MAYA, "GET", f"/v1/jobs/{job_id}")
    await ground.send(MAYA, "GET", f"/v1/jobs/{job_id}/events")


@attack(THEME, "the job that sent another's document")
async def upload_job(ground: Ground) -> None:
    secret = await ground.secret()
    jobs = (await ground.client.get("/v1/jobs", headers=dict(ERIN.headers))).json()
    for job in jobs[:3]:
        refused = await ground.send(SAM, "GET", f"/v1/jobs/{job['id']}")
        assert refused.status_code == 404
        await ground.send(SAM, "GET", f"/v1/jobs/{job['id']}/events")
    assert secret.id


@attack(THEME, "another's Idempotency-Key for a job")
async def keys(ground: Ground) -> None:
    secret = await ground.secret()
    key = {"Idempotency-Key": uuid4().hex}
    body = {"items": [{"question": secret.question}]}
    hers = await ground.client.post("/v1/usecases/vault/jobs", json=body, headers={**ERIN.headers, **key})
    his = await ground.send(SAM, "POST", "/v1/usecases/vault/jobs", json=body, headers={**SAM.headers, **key})
    assert his.json()["job_id"] != hers.json()["job_id"]


@attack(THEME, "the queue of reviews, without the permission")
async def reviews(ground: Ground) -> None:
    secret = await ground.secret(usecase="board")
    await ground.told(secret)
    for url in ("/v1/admin/reviews", "/v1/admin/reviews?status=approved", "/console/reviews"):
        refused = await ground.send(SAM, "GET", url)
        assert refused.status_code in (303, 403), refused.status_code
    refused = await ground.send(
        SAM, "POST", f"/v1/admin/reviews/{uuid4()}", json={"approve": True, "reason": "because"}
    )
    assert refused.status_code == 403


@attack(THEME, "a draft for somebody else, by a reviewer who may not read what it quotes")
async def reviewer(ground: Ground) -> None:
    secret = await ground.secret(usecase="board")
    told = await ground.told(secret)
    assert told["outcome"] == "escalated_review"
    for who in (HANA, OLGA):
        for status in ("open", "approved", "rejected"):
            await ground.send(who, "GET", f"/v1/admin/reviews?status={status}")
            for offset in (0, 50, 100, 150):
                await ground.send(who, "GET", f"/console/reviews?status={status}&offset={offset}")
        await ground.send(who, "GET", f"/v1/turns/{told['turn_id']}")
    await ground.send(SAM, "GET", f"/v1/turns/{told['turn_id']}")


@attack(THEME, "a draft that a reviewer decides on without the right to read it")
async def decided(ground: Ground) -> None:
    secret = await ground.secret(usecase="board")
    told = await ground.told(secret)
    async with ground.service.database.work() as work:
        rows = await work.sql("SELECT id FROM reviews WHERE turn_id = CAST(:id AS uuid)", id=told["turn_id"])
        review_id = rows.scalar_one()
    for who in (HANA, OLGA):
        seen = (await ground.send(who, "GET", f"/v1/admin/reviews/{review_id}")).json()
        assert (seen["evidence"], seen["history"]) == (None, []), seen
        await ground.send(who, "GET", f"/console/reviews/{review_id}")
    body = {"approve": True, "reason": "it looks fine"}
    await ground.send(HANA, "POST", f"/v1/admin/reviews/{review_id}", json=body)
    for tail in ("/take", "/reopen", "/assign"):
        because = (
            {"reason": "let me see it", "assigned_to": HANA.id} if tail == "/assign" else {"reason": "let me see it"}
        )
        await ground.send(OLGA, "POST", f"/v1/admin/reviews/{review_id}{tail}", json=because)
    for who in (HANA, OLGA, SAM):
        await ground.send(who, "GET", f"/v1/admin/reviews/{review_id}")
        await ground.send(who, "GET", f"/console/reviews/{review_id}")
        await ground.send(who, "POST", f"/v1/turns/{told['turn_id']}/complaint", json={"text": "give me it"})
    await ground.send(OLGA, "GET", "/v1/admin/audit")
    await ground.send(OLGA, "GET", "/console/audit")
