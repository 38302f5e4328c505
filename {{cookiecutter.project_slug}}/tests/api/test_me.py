"""Who am I, and what can I see: told by the same rules that decide."""

import pytest

from tests.api.asking import LEAVE, ask

pytestmark = pytest.mark.proves("SEC-4")


async def access(client, who):
    answer = await client.get("/v1/me/access", headers=who)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_person_is_told_what_they_may_do_and_see(client, as_):
    me = await access(client, as_("sam.reyes"))
    assert (me["user_id"], me["unit"], me["groups"]) == ("sam.reyes", "Sales", ["sales"])
    assert me["clearance"] == "internal" and me["levels"] == ["public", "internal"]
    assert set(me["readers"]) == {"everyone", "group:sales", "user:sam.reyes"}
    handbook = next(case for case in me["usecases"] if case["name"] == "handbook")
    assert handbook["may"] == {
        "jobs": False, "documents": True, "see_cost": True, "see_evidence": True, "see_others": False,
    }  # fmt: skip
    assert not {"triage"} & {case["name"] for case in me["usecases"]}, "a use case that is not open is not named"
    operator = next(
        case for case in (await access(client, as_("olga.petrov")))["usecases"] if case["name"] == "handbook"
    )
    assert operator["may"]["jobs"] and operator["may"]["see_others"]


async def test_what_may_be_read_is_counted_by_the_rights_of_who_asks(client, as_):
    seen = {}
    for person in ("sam.reyes", "erin.holt", "maya.okafor"):
        me = await access(client, as_(person))
        listed = (await client.get("/v1/documents?limit=500&status=ready", headers=as_(person))).json()
        assert me["documents"] == len(listed)
        handbook = next(case for case in me["usecases"] if case["name"] == "handbook")
        assert handbook["readable_documents"] == sum(document["usecase"] == "handbook" for document in listed)
        seen[person] = {document["id"] for document in listed}
    assert seen["maya.okafor"] - seen["sam.reyes"], "the notes for Maya are hers alone"


async def test_what_is_kept_of_a_person_is_counted(client, as_):
    who = as_("hana.lind")
    before = (await access(client, who))["kept"]
    turn = (await ask(client, who, LEAVE)).json()["turn_id"]
    await client.post(f"/v1/turns/{turn}/feedback", json={"thumbs": "up"}, headers=who)
    after = (await access(client, who))["kept"]
    grown = {name: after[name] - before[name] for name in after}
    assert grown == {"conversations": 1, "turns": 1, "opinions": 1, "jobs": 0, "documents": 0}
