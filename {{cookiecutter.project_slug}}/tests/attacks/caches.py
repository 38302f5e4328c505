"""Attempts to be given answers that were made for others."""

import asyncio

from tests.attacks.ground import ERIN, MAYA, SAM, Ground, attack

THEME = "answers given again"


@attack(THEME, "the very question of somebody who may read more")
async def exact(ground: Ground) -> None:
    secret = await ground.secret(usecase="again")
    assert secret.word in (await ground.told(secret))["answer"]
    again = await ground.told(secret)
    assert again["outcome"] == "answered_cached", "the answer is kept for her"
    for question in (secret.question, secret.question.lower(), f" {secret.question} ", secret.question.rstrip("?")):
        await ground.ask(SAM, question, usecase="again")


@attack(THEME, "a question that means the same as another's")
async def semantic(ground: Ground) -> None:
    secret = await ground.secret(usecase="twin")
    assert secret.word in (await ground.told(secret))["answer"]
    same = f"Of project {secret.subject}, what was the agreed price?"
    hers = await ground.client.post(
        "/v1/usecases/twin/turns", json={"question": same}, headers=dict(secret.owner.headers)
    )
    assert hers.json()["outcome"] == "answered_cached", "other words for the same find the answer, for her"
    for question in (same, secret.question, f"Which price has project {secret.subject} agreed?"):
        await ground.ask(SAM, question, usecase="twin")


@attack(THEME, "one's own answer, after the right is gone")
async def revoked(ground: Ground) -> None:
    secret = await ground.secret(usecase="again", owner=SAM, readers=("group:sales",))
    for _ in range(2):
        assert secret.word in (await ground.told(secret, who=MAYA))["answer"]
    await ground.revoke(secret, ("user:sam.reyes",))
    await ground.ask(MAYA, secret.question, usecase="again")


@attack(THEME, "an answer that means the same, after the right is gone")
async def revoked_semantic(ground: Ground) -> None:
    secret = await ground.secret(usecase="twin", owner=SAM, readers=("group:sales",))
    assert secret.word in (await ground.told(secret, who=MAYA))["answer"]
    await ground.revoke(secret, ("user:sam.reyes",))
    await ground.ask(MAYA, f"Of project {secret.subject}, what was the agreed price?", usecase="twin")
    await ground.ask(MAYA, secret.question, usecase="twin")


@attack(THEME, "an old answer, while no model answers")
async def stale(ground: Ground) -> None:
    secret = await ground.secret(usecase="again")
    await ground.told(secret)
    mark = ground.vendor.plan(f"down{secret.subject}", "500*")
    await ground.ask(SAM, secret.question, usecase="again")
    await ground.ask(SAM, f"{secret.question} {mark}", usecase="again")


@attack(THEME, "an old answer while no model answers, after the right is gone")
async def stale_revoked(ground: Ground) -> None:
    secret = await ground.secret(usecase="again", owner=SAM, readers=("group:sales",))
    await ground.told(secret, who=MAYA)
    await ground.revoke(secret, ("user:sam.reyes",))
    ground.vendor.will(*["500"] * 6)
    await ground.ask(MAYA, secret.question, usecase="again")
    ground.vendor.state.plan.clear()


@attack(THEME, "a question at the same moment as somebody who may read more")
async def at_once(ground: Ground) -> None:
    secret = await ground.secret(usecase="again")
    hers = ground.client.post(
        "/v1/usecases/again/turns", json={"question": secret.question}, headers=dict(ERIN.headers)
    )
    seen = len(ground.vendor.requests)
    body = {"question": secret.question}
    his = ground.client.post("/v1/usecases/again/turns", json=body, headers=dict(SAM.headers))
    first, second = await asyncio.gather(hers, his)
    assert secret.word in first.text
    ground.tries += 1
    ground.look(SAM, second.content, "asked at once")
    assert len(ground.vendor.requests) >= seen


@attack(THEME, "the outcome of a question, to learn whether another asked it")
async def outcome(ground: Ground) -> None:
    asked, unasked = await ground.secret(usecase="again"), await ground.secret(usecase="again")
    await ground.told(asked)
    told = [(await ground.ask(SAM, each.question, usecase="again")).json() for each in (asked, unasked)]
    assert told[0]["outcome"] == told[1]["outcome"] != "answered_cached"
