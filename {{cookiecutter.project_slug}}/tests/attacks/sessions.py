"""Attempts through conversations, turns, streams and keys of others, or of one's own from before."""

from uuid import uuid4

from tests.attacks.ground import ERIN, HANA, MAYA, OLGA, SAM, Ground, attack
from tests.attacks.leaks import _without_ids

THEME = "conversations and turns"


@attack(THEME, "another's conversation: read, deleted, listed")
async def anothers(ground: Ground) -> None:
    secret = await ground.secret()
    told = await ground.told(secret)
    for method in ("GET", "DELETE"):
        refused = [
            await ground.send(SAM, method, f"/v1/sessions/{session_id}") for session_id in (told["session_id"], uuid4())
        ]
        assert [each.status_code for each in refused] == [404, 404]
        assert len({_without_ids(each.text) for each in refused}) == 1
    listed = await ground.send(SAM, "GET", "/v1/sessions")
    assert told["session_id"] not in listed.text
    hers = await ground.client.get(f"/v1/sessions/{told['session_id']}", headers=dict(ERIN.headers))
    assert secret.word in hers.text


@attack(THEME, "another's conversation, continued")
async def continued(ground: Ground) -> None:
    secret = await ground.secret()
    told = await ground.told(secret)
    for usecase in ("vault", "board", "again"):
        refused = await ground.ask(SAM, "And what else?", session_id=told["session_id"], usecase=usecase)
        assert refused.status_code == 404
    body = {"model": "vault", "messages": [{"role": "user", "content": "And what else?"}]}
    body["x_session_id"] = body["session_id"] = told["session_id"]
    await ground.send(SAM, "POST", "/openai/v1/chat/completions", json=body)


@attack(THEME, "one's own conversation, after the right to what it quotes is gone")
async def history(ground: Ground) -> None:
    open_ = await ground.secret(owner=SAM, readers=("group:sales",))
    secret = await ground.secret(owner=SAM, readers=("group:sales",))
    told = await ground.told(secret, who=MAYA)
    assert secret.word in told["answer"]
    await ground.revoke(secret, ("user:sam.reyes",))
    await ground.go_on(MAYA, told["session_id"], open_)


@attack(THEME, "another's turn: its story, its page, its feedback, its passages")
async def turns(ground: Ground) -> None:
    secret = await ground.secret()
    told = await ground.told(secret)
    for who in (SAM, HANA):
        refused = [await ground.send(who, "GET", f"/v1/turns/{id}") for id in (told["turn_id"], uuid4())]
        assert [each.status_code for each in refused] == [404, 404]
        assert len({_without_ids(each.text) for each in refused}) == 1
        await ground.send(who, "GET", f"/console/turns/{told['turn_id']}")
        feedback = await ground.send(who, "POST", f"/v1/turns/{told['turn_id']}/feedback", json={"thumbs": "up"})
        assert feedback.status_code == 404
        passage = await ground.send(who, "GET", f"/v1/turns/{told['turn_id']}/passage?marker=1")
        assert passage.status_code == 404


@attack(THEME, "another's turn, by an operator who may look at all turns")
async def operator(ground: Ground) -> None:
    secret = await ground.secret()
    told = await ground.told(secret)
    story = await ground.send(OLGA, "GET", f"/v1/turns/{told['turn_id']}")
    assert story.status_code == 200, "that it happened is the operator's business, what it quotes is not"
    await ground.send(OLGA, "GET", f"/console/turns/{told['turn_id']}")
    await ground.send(OLGA, "GET", "/console/turns")


@attack(THEME, "words of another's answer, searched for by an operator who may look at all turns")
async def searched(ground: Ground) -> None:
    secret = await ground.secret()
    told = await ground.told(secret)
    # Not the whole word, which the page gives back; its beginning finds it where it may be found.
    for text in (secret.word[:-1], f"{secret.subject} {secret.word[:-2]}"):
        asked = {"text": text, "limit": "200"}
        found = await ground.send(OLGA, "GET", "/v1/admin/turns", params=asked)
        assert found.status_code == 200 and told["turn_id"] not in found.text
        page = await ground.send(OLGA, "GET", "/console/turns", params={"text": text})
        assert told["turn_id"] not in page.text
    by_question = await ground.send(OLGA, "GET", "/v1/admin/turns", params={"text": secret.subject})
    assert told["turn_id"] in by_question.text, "that it was asked is the operator's business"
    # And nobody else may search at all.
    assert (await ground.send(SAM, "GET", "/v1/admin/turns", params={"text": secret.subject})).status_code == 403


@attack(THEME, "the story of one's own turn, after the right is gone")
async def own_story(ground: Ground) -> None:
    secret = await ground.secret(owner=SAM, readers=("group:sales",))
    told = await ground.told(secret, who=MAYA)
    await ground.revoke(secret, ("user:sam.reyes",))
    story = (await ground.client.get(f"/v1/turns/{told['turn_id']}", headers=dict(MAYA.headers))).json()
    # What she was told she was told; what points to the document is gone.
    ground.tries += 1
    for part in ("passages", "citations", "retrieval"):
        ground.look(MAYA, str(story.get(part)), f"{part} of the story")
    said = (await ground.client.get(f"/v1/sessions/{told['session_id']}", headers=dict(MAYA.headers))).json()
    ground.look(MAYA, str([message["citations"] for message in said["messages"]]), "the conversation's citations")


@attack(THEME, "another's Idempotency-Key")
async def keys(ground: Ground) -> None:
    secret = await ground.secret()
    key = {"Idempotency-Key": uuid4().hex}
    body = {"question": secret.question}
    hers = await ground.client.post("/v1/usecases/vault/turns", json=body, headers={**ERIN.headers, **key})
    assert secret.word in hers.text
    his = await ground.send(SAM, "POST", "/v1/usecases/vault/turns", json=body, headers={**SAM.headers, **key})
    assert his.headers.get("Idempotency-Replayed") is None
    stream = {**SAM.headers, **key, "Accept": "text/event-stream"}
    await ground.send(SAM, "POST", "/v1/usecases/vault/turns", json=body, headers=stream)
    chat = {"model": "vault", "messages": [{"role": "user", "content": secret.question}]}
    await ground.send(SAM, "POST", "/openai/v1/chat/completions", json=chat, headers={**SAM.headers, **key})


@attack(THEME, "the stream of a question")
async def streams(ground: Ground) -> None:
    secret = await ground.secret()
    headers = {**SAM.headers, "Accept": "text/event-stream", "Last-Event-ID": "0"}
    for usecase in ("vault", "librarian", "again", "board"):
        await ground.secret(usecase=usecase)
        await ground.send(
            SAM, "POST", f"/v1/usecases/{usecase}/turns", json={"question": secret.question}, headers=headers
        )


@attack(THEME, "the pages of the console by hand")
async def console(ground: Ground) -> None:
    secret = await ground.secret()
    told = await ground.told(secret)
    for path in ("", "/turns", "/reviews", "/jobs", "/audit", "/switches", f"/turns/{told['turn_id']}"):
        for who in (SAM, MAYA):
            await ground.send(who, "GET", f"/console{path}")
            await ground.send(who, "GET", f"/console{path}", headers={"Cookie": f"identity={who.token()}"})


@attack(THEME, "others' data by the doors to one's own")
async def exports(ground: Ground) -> None:
    secret = await ground.secret()
    await ground.told(secret)
    for url in (
        "/v1/me",
        "/v1/me/export",
        "/v1/me/export?user_id=erin.holt",
        "/v1/users/erin.holt/export",
        "/v1/me?as=erin.holt",
        "/v1/sessions?user_id=erin.holt",
        "/v1/jobs?user_id=erin.holt",
        "/v1/documents?owner=erin.holt&limit=500",
    ):
        found = await ground.send(SAM, "GET", url)
        assert found.status_code in (200, 404), url
        is_open = found.status_code == 404 or url.startswith("/v1/documents")
        assert is_open or "erin.holt" not in found.text, url
    erased = await ground.send(SAM, "DELETE", "/v1/me?user_id=erin.holt")
    assert erased.status_code == 422, "whoever erases names themselves first"
    erased = await ground.send(
        SAM, "DELETE", "/v1/me?user_id=erin.holt", headers={**SAM.headers, "X-Confirm": "erin.holt"}
    )
    assert erased.status_code == 422, "nobody erases somebody else"
    assert secret.word in (await ground.told(secret))["answer"]
