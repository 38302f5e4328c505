"""Attempts at the finer rules: denies, levels, regions, nesting, a directory that has removed somebody."""

from pathlib import Path

from tests.attacks.ground import ERIN, MAYA, PRIYA, SAM, Ground, Person, attack
from tests.attacks.places import directory

THEME = "denies, levels, regions, nesting"


@attack(THEME, "a document for everyone that denies one's group")
async def denied_group(ground: Ground) -> None:
    secret = await ground.secret(readers=("everyone",), denied=["group:sales"])
    await ground.sweep(SAM, secret)
    assert secret.word in (await ground.told(secret, who=PRIYA))["answer"]


@attack(THEME, "a document for one's group that denies oneself")
async def denied_person(ground: Ground) -> None:
    secret = await ground.secret(owner=SAM, readers=("group:sales",), denied=["user:maya.okafor"])
    await ground.sweep(MAYA, secret)
    assert secret.word in (await ground.told(secret))["answer"]


@attack(THEME, "a document for one's group that denies a group around it")
async def denied_outer(ground: Ground) -> None:
    # Sales is inside staff.
    secret = await ground.secret(readers=("everyone",), denied=["group:staff"])
    secret.closed_to = (SAM, PRIYA)
    for who in (SAM, PRIYA):
        await ground.sweep(who, secret)
    assert secret.word in (await ground.told(secret))["answer"]


@attack(THEME, "a document for a group inside one's own")
async def inner(ground: Ground) -> None:
    secret = await ground.secret(owner=SAM, readers=("group:sales",))
    await ground.sweep(Person("nils.outer", ("staff",)), secret)
    outer = await ground.secret(owner=Person("nils.outer", ("staff",)), readers=("group:staff",))
    assert outer.word in (await ground.told(outer, who=SAM))["answer"], "who is inside is in the group around it"


@attack(THEME, "a deny that comes later")
async def denied_later(ground: Ground) -> None:
    secret = await ground.secret(owner=SAM, readers=("group:sales",))
    told = await ground.told(secret, who=MAYA)
    assert secret.word in told["answer"]
    await ground.revoke(secret, ("group:sales",), denied=["user:maya.okafor"])
    await ground.sweep(MAYA, secret)
    open_ = await ground.secret(owner=SAM, readers=("group:sales",))
    await ground.go_on(MAYA, told["session_id"], open_)


@attack(THEME, "a document of a level above one's own")
async def level(ground: Ground) -> None:
    secret = await ground.secret(readers=("everyone",), classification="secret")
    secret.closed_to = (SAM, PRIYA)
    for who in (SAM, PRIYA):
        await ground.sweep(who, secret)
    assert secret.word in (await ground.told(secret))["answer"]


@attack(THEME, "a document for another region, or for any when one has none")
async def region(ground: Ground) -> None:
    secret = await ground.secret(readers=("everyone",), regions=["north"])
    secret.closed_to = (SAM, PRIYA)
    for who in (SAM, PRIYA):
        await ground.sweep(who, secret)
    assert secret.word in (await ground.told(secret))["answer"]


@attack(THEME, "a level, a region and members told by the token")
async def told_by_token(ground: Ground) -> None:
    high = await ground.secret(readers=("everyone",), classification="secret")
    north = await ground.secret(readers=("everyone",), regions=["north"])
    high.closed_to = north.closed_to = (SAM,)
    more = {"clearance": 9, "regions": ["north"], "members": ["executives"], "token_groups": ["executives"], "level": 9}
    headers = {"Authorization": f"Bearer {SAM.token(**more)}"}
    for secret in (high, north):
        body = {"question": secret.question}
        await ground.send(SAM, "POST", "/v1/usecases/vault/turns", headers=headers, json=body)
        assert (await ground.send(SAM, "GET", f"/v1/documents/{secret.id}", headers=headers)).status_code == 404


@attack(THEME, "a level or region that does not exist, or that one does not have")
async def made_up(ground: Ground) -> None:
    await ground.secret()
    for more in ({"classification": "top"}, {"classification": "secret' OR '1"}, {"regions": ["no rth"]}):
        data = {"usecase": "vault", "readers": ["group:sales"], **more}
        refused = await ground.send(SAM, "POST", "/v1/documents", files={"file": ("x.md", b"# X\n")}, data=data)
        assert refused.status_code == 422, refused.text


@attack(THEME, "a token that still says a group which the directory has taken away")
async def removed(ground: Ground) -> None:
    insider = Person("maya.okafor", ("sales", "insiders"))
    secret = await ground.secret(owner=Person("sam.reyes", ("sales", "insiders")), readers=("group:insiders",))
    await ground.service.directory.sync()
    told = await ground.told(secret, who=insider)
    assert secret.word in told["answer"]
    body = {"items": [{"question": secret.question}]}
    job = await ground.client.post("/v1/usecases/vault/jobs", json=body, headers=insider.headers)
    _listed(ground, "sam.reyes")
    await ground.service.directory.sync()
    try:
        secret.closed_to = (insider,)
        await ground.sweep(insider, secret)
        open_ = await ground.secret(owner=SAM, readers=("group:sales",))
        await ground.go_on(insider, told["session_id"], open_)
        await ground.run(insider, job.json()["job_id"])
        await ground.send(insider, "GET", f"/v1/jobs/{job.json()['job_id']}")
    finally:
        _listed(ground, "sam.reyes", "maya.okafor")
        await ground.service.directory.sync()


def _listed(ground: Ground, *insiders: str) -> None:
    Path(ground.service.settings.directory).write_text(directory(*insiders))


@attack(THEME, "the rule of a document, asked for by somebody who may read it")
async def who_else(ground: Ground) -> None:
    # Who else may read it, and who must not, is its owner's business.
    hidden = await ground.secret()
    shared = await ground.secret(readers=("group:executives", "everyone"), denied=["user:bram.visser"])
    told = await ground.send(SAM, "GET", f"/v1/documents/{shared.id}")
    assert told.status_code == 200
    assert "executives" not in told.text and "bram.visser" not in told.text
    assert hidden.word not in told.text and ERIN.groups
