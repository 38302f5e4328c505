"""Attempts through documents that one sends: in another's place, for others' eyes, with names that are paths."""

from uuid import NAMESPACE_URL, UUID, uuid4, uuid5

from app.store.documents import document_id
from tests.attacks.ground import ERIN, PRIYA, SAM, Ground, Person, attack

THEME = "documents one sends"


@attack(THEME, "a document with the name and title of another's")
async def same_name(ground: Ground) -> None:
    secret = await ground.secret(filename="plan.md")
    title = f"Project {secret.subject}"
    mine = await ground.upload(SAM, "# Mine\n\nNothing here.\n", filename=secret.filename, title=title)
    assert mine != secret.id
    assert secret.word in (await ground.told(secret))["answer"], "the other's document stands as it was"
    await ground.sweep(SAM, secret)


@attack(THEME, "a document for readers that the sender is not among")
async def foreign_readers(ground: Ground) -> None:
    await ground.secret()
    for reader in (
        "group:executives",
        "user:erin.holt",
        "group:hr",
        "executives",
        "*",
        "group:*",
        "group:sales\x1fgroup:executives",
        "group:sales,group:executives",
        " group:executives",
        "GROUP:executives",
        "group:executives\n",
        "",
    ):
        refused = await ground.send(
            SAM,
            "POST",
            "/v1/documents",
            files={"file": ("x.md", b"# X\n\ntext\n")},
            data={"usecase": "vault", "readers": ["group:sales", reader]},
        )
        assert refused.status_code == 422 or (refused.status_code == 202 and reader == ""), (reader, refused.text)


@attack(THEME, "one's own document opened to a group one is not in")
async def widened(ground: Ground) -> None:
    await ground.secret()
    mine = await ground.upload(SAM, "# Mine\n\nNothing here.\n", filename="mine.md")
    refused = await ground.send(SAM, "PUT", f"/v1/documents/{mine}/access", json={"readers": ["group:executives"]})
    assert refused.status_code == 422


@attack(THEME, "the readers of another's document changed, and it deleted")
async def others(ground: Ground) -> None:
    secret = await ground.secret()
    url = f"/v1/documents/{secret.id}"
    for method, address, more in (
        ("PUT", f"{url}/access", {"json": {"readers": ["everyone"]}}),
        ("PUT", f"{url}/access", {"json": {"readers": ["user:sam.reyes"]}}),
        ("DELETE", url, {}),
        ("PATCH", url, {"json": {"readers": ["everyone"]}}),
        ("PUT", url, {"json": {"readers": ["everyone"]}}),
    ):
        refused = await ground.send(SAM, method, address, **more)
        assert refused.status_code in (404, 405), (method, refused.text)
    assert secret.word in (await ground.told(secret))["answer"]


@attack(THEME, "a document that one may read but did not send")
async def not_mine(ground: Ground) -> None:
    shared = await ground.secret(readers=("group:executives", "everyone"))
    refused = await ground.send(SAM, "DELETE", f"/v1/documents/{shared.id}")
    assert refused.status_code == 403
    refused = await ground.send(SAM, "PUT", f"/v1/documents/{shared.id}/access", json={"readers": ["user:sam.reyes"]})
    assert refused.status_code == 403


@attack(THEME, "a file name that is a path, or a page")
async def paths(ground: Ground) -> None:
    secret = await ground.secret(filename="plan.md")
    for name in (
        "../../../../etc/passwd.md",
        "/etc/passwd.md",
        "..\\..\\windows\\system32\\x.md",
        f"../{ERIN.id}/{secret.filename}",
        "file:///etc/passwd.md",
        "a\r\nX-Injected: yes.md",
        "<script>alert(1)</script>.md",
        "%2e%2e%2f%2e%2e%2fx.md",
        f"{secret.filename};rm -rf.md",
        "." * 300 + ".md",
    ):
        sent = await ground.send(
            SAM, "POST", "/v1/documents", files={"file": (name, b"# X\n\nNothing.\n")}, data={"usecase": "vault"}
        )
        assert sent.status_code in (202, 422), (name, sent.text)
        if sent.status_code == 202:
            await ground.run(SAM, sent.json()["job_id"])
    for found in (await ground.send(SAM, "GET", "/v1/documents?limit=500&usecase=vault")).json():
        assert "etc/passwd" not in found["path"] and ".." not in found["path"].split("/"), found["path"]
    assert secret.word in (await ground.told(secret))["answer"]


@attack(THEME, "a document that claims to replace another's")
async def supersedes(ground: Ground) -> None:
    secret = await ground.secret(filename="plan.md")
    body = f"---\nsupersedes: {secret.filename}\nreaders: [everyone]\n---\n# Newer\n\nThe price is nothing.\n"
    for more in ({}, {"supersedes": secret.filename, "owner": ERIN.id, "source": "upload", "path": secret.filename}):
        sent = await ground.send(
            SAM, "POST", "/v1/documents", files={"file": ("newer.md", body.encode())}, data={"usecase": "vault", **more}
        )
        if sent.status_code == 202:
            await ground.run(SAM, sent.json()["job_id"])
    assert secret.word in (await ground.told(secret))["answer"]
    await ground.sweep(SAM, secret)


@attack(THEME, "ids that can be worked out")
async def ids(ground: Ground) -> None:
    secret = await ground.secret()
    assert secret.id is not None
    guesses = [
        document_id("vault", "upload", secret.filename),
        document_id("vault", "upload", f"{ERIN.id}/{secret.filename}"),
        document_id("vault", "", secret.filename),
        uuid5(NAMESPACE_URL, secret.filename),
        UUID(int=secret.id.int + 1),
        UUID(int=secret.id.int - 1),
        secret.id,
    ]
    for guess in guesses:
        refused = await ground.send(SAM, "GET", f"/v1/documents/{guess}")
        assert refused.status_code == 404


@attack(THEME, "right after it was closed to everybody else")
async def closed(ground: Ground) -> None:
    secret = await ground.secret(owner=SAM, readers=("group:sales",))
    await ground.revoke(secret, ("user:sam.reyes",))
    await ground.sweep(Person("maya.okafor", ("sales",)), secret)
    await ground.sweep(PRIYA, secret)


@attack(THEME, "a file that is none, as a document of another use case, and of none")
async def elsewhere(ground: Ground) -> None:
    await ground.secret()
    for usecase in ("nothing", "../vault", "vault' OR '1'='1", "vault\x00", ""):
        refused = await ground.send(
            SAM, "POST", "/v1/documents", files={"file": ("x.md", b"# X\n")}, data={"usecase": usecase}
        )
        assert refused.status_code == 422, usecase
    refused = await ground.send(SAM, "POST", f"/v1/documents/{uuid4()}", files={"file": ("x.md", b"# X\n")})
    assert refused.status_code == 405
