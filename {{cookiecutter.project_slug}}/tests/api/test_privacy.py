"""Personal data through the HTTP door: what the vendor is sent, and that what comes back is what was said, exactly."""

import shutil
from dataclasses import replace
from uuid import UUID

import httpx2
import pytest

from app.domain.identity import Permission
from tests.api.asking import events
from tests.api.serving import changed, serving
from tests.conftest import CONFIG, make_settings

PLANTED = {
    "NAME": "Nkechi Obi",
    "EMAIL": "nkechi.obi@example.org",
    "PHONE": "+44 20 7946 0958",
    "ID": "078-05-1120",
    "IBAN": "DE89 3704 0044 0532 0130 00",
    "CARD": "4111 1111 1111 1111",
    "ADDRESS": "742 Evergreen Terrace, Springfield, OR 97403",
    "IP": "203.0.113.77",
    "BIRTHDATE": "12 March 1980",
    "SECRET": "sk-proj-Ab12Cd34Ef56Gh78Ij90",
}
STORY = (
    "My name is {NAME}, born {BIRTHDATE}, mail {EMAIL}, phone {PHONE}, SSN {ID}, account {IBAN}, card {CARD}, home"
    " {ADDRESS}, from {IP} with {SECRET}. How many days of annual leave do employees have?"
).format(**PLANTED)
MASKED = STORY
for kind, value in PLANTED.items():
    MASKED = MASKED.replace(value, f"<{kind}_1>")
SAID = "Noted: " + ", ".join(f"<{kind}_1>" for kind in PLANTED) + " [1]."
ANSWER = "Noted: " + ", ".join(PLANTED.values()) + " [1]."
FREE = {"latency.timeout_s": 30, "cost.per_user_day_usd": "1000", "cost.per_month_usd": "1000"}
CONTRACTS = {
    "handbook": FREE,
    "forms": {**FREE, "models.ladder": ("standard",), "routes": (), "privacy.name_fields": ("customer",)},
    "cached": {**FREE, "privacy.kinds": {"CARD": "refuse", "IP": "allow"}},
    "guarded": {**FREE, "models.ladder": ("standard",), "privacy.third_parties": "refuse_without_model"},
    "agent": FREE,
    "triage": {**FREE, "limits.per_user_per_minute": 1000},
}


@pytest.fixture(scope="module")
async def private(service, database_url, redis_url, vendor_server):
    """A service whose models are a third party's."""
    known = {"model_provider": "openai", "openai_api_key": "fake", "openai_base_url": f"{vendor_server.url}/v1"}
    async with serving(make_settings(database_url, redis_url, **known), CONTRACTS) as running:
        await running.calm()
        yield running


@pytest.fixture
async def http(private, as_):
    async with httpx2.AsyncClient(base_url=private.url, timeout=60, headers=as_("olga.petrov")) as opened:
        yield opened


async def ask(http, question, usecase="handbook", **more):
    response = await http.post(f"/v1/usecases/{usecase}/turns", json={"question": question, **more})
    assert response.status_code == 200, response.text
    return response.json()


def holds_nothing(vendor):
    sent = str(vendor.requests)
    return vendor.requests and not [value for value in PLANTED.values() if value in sent]


@pytest.mark.proves("SEC-5", "OBS-7")
async def test_every_kind_leaves_as_a_placeholder_and_comes_back_as_it_was(http, private, vendor):
    body = await ask(http, vendor.plan("all", f"say={SAID}") + STORY)
    assert body["answer"] == ANSWER and body["outcome"] == "answered_model"
    assert holds_nothing(vendor) and MASKED in str(vendor.requests)
    row = await private.story(body["turn_id"])
    assert row["question"].endswith(MASKED) and row["answer"] == SAID
    assert not [value for value in PLANTED.values() if value in str(row)]


@pytest.mark.proves("SEC-5")
async def test_a_stream_gives_it_back_however_the_vendor_cuts_its_tokens(http, vendor):
    body = {"question": vendor.plan("stream", f"say={SAID}") + STORY}
    told = await events(http, {}, body)
    assert "".join(data["text"] for name, data in told if name == "delta") == ANSWER
    assert told[-1][0] == "end" and told[-1][1]["answer"] == ANSWER and holds_nothing(vendor)


@pytest.mark.proves("SEC-5")
async def test_a_retry_sends_and_gives_the_same(http, vendor):
    body = await ask(http, vendor.plan("retry", "500", "cut", f"say={SAID}") + STORY)
    assert body["answer"] == ANSWER and len(vendor.requests) == 3 and holds_nothing(vendor)
    first, *others = (request["messages"] for request in vendor.requests)
    assert all(other == first for other in others)


@pytest.mark.proves("SEC-5")
async def test_a_session_keeps_its_placeholders_sealed_and_forgets_them_with_itself(http, private, vendor):
    vendor.will("say=Thank you, <NAME_1> at <EMAIL_1>. [1]", "say=<EMAIL_1>, not <EMAIL_2>. [1]")
    first = await ask(http, STORY)
    again = "Is it still the same mail, or new@example.org? And how many days of annual leave do I have?"
    second = await ask(http, again, session_id=first["session_id"])
    assert second["answer"] == f"{PLANTED['EMAIL']}, not new@example.org. [1]"
    prompt = str(vendor.requests[-1])
    assert "<EMAIL_2>" in prompt and "Thank you, <NAME_1> at <EMAIL_1>" in prompt and holds_nothing(vendor)
    async with private.service.database.work() as work:
        of = "SELECT masks FROM sessions WHERE id = :id"
        (kept,) = (await work.sql(of, id=UUID(first["session_id"]))).one()
        assert kept and (kept.startswith("sealed:") or private.service.database.seals.wrapping is None)
    said = (await http.get(f"/v1/sessions/{first['session_id']}")).json()["messages"]
    assert said[0]["text"].endswith(STORY) and said[1]["text"] == "Thank you, Nkechi Obi at nkechi.obi@example.org. [1]"
    assert (await http.delete(f"/v1/sessions/{first['session_id']}")).status_code == 204
    async with private.service.database.work() as work:
        assert (await work.sql(of, id=UUID(first["session_id"]))).first() is None


@pytest.mark.proves("SEC-5")
async def test_a_fifth_turn_calls_it_what_the_first_did(http, vendor):
    vendor.will(*["say=Fine. [1]"] * 4, "say=<EMAIL_1> and <EMAIL_4>. [1]")
    body = await ask(http, "Write to ann@example.org about my annual leave.")
    for number in range(2, 5):
        body = await ask(http, f"And n{number}@example.org, for annual leave?", session_id=body["session_id"])
    body = await ask(http, "So ann@example.org is in? And the annual leave?", session_id=body["session_id"])
    assert body["answer"] == "ann@example.org and n4@example.org. [1]"
    assert "So <EMAIL_1> is in?" in str(vendor.requests[-1])


@pytest.mark.proves("SEC-5")
async def test_a_queued_item_gets_its_data_back_in_text_and_structure(http, private, vendor):
    said = 'say={"topic": "leave", "days": 3, "note": "<NAME_1>, <IBAN_1>"}'
    items = {"items": [{"question": vendor.plan("job", said) + STORY}]}
    accepted = await http.post("/v1/usecases/forms/jobs", json=items)
    await private.service.jobs.run(UUID(accepted.json()["job_id"]))
    (item,) = (await http.get(accepted.headers["location"])).json()["items"]
    assert item["data"]["note"] == f"{PLANTED['NAME']}, {PLANTED['IBAN']}" and PLANTED["IBAN"] in item["answer"]
    assert holds_nothing(vendor)


@pytest.mark.proves("SEC-5")
async def test_structured_answers_come_back_whole_and_field_by_field(http, vendor):
    said = 'say={"topic": "leave", "days": 3, "note": "for <EMAIL_1>"}'
    url, body = "/v1/usecases/forms/turns", {"question": vendor.plan("form", said, said) + STORY}
    assert (await http.post(url, json=body)).json()["data"]["note"] == f"for {PLANTED['EMAIL']}"
    told = await events(http, {}, body, url=url)
    shown = [data for name, data in told if name == "partial"]
    assert f"for {PLANTED['EMAIL']}" in str(shown[-1]) and "<EMAIL" not in str(told) and holds_nothing(vendor)


@pytest.mark.proves("SEC-5")
async def test_names_that_the_service_knows_and_those_given_in_fields_are_masked_without_a_cue(http, vendor):
    said = 'say={"topic": "leave", "days": 3, "note": "<NAME_1> and <NAME_2>"}'
    asked = vendor.plan("known", said) + "Zebulon Quux wants leave like Hana Lind has, says Petrov."
    body = await ask(http, asked, "forms", fields={"customer": "Zebulon Quux"})
    assert {"Zebulon Quux", "Hana Lind"} == set(body["data"]["note"].split(" and "))
    assert not [name for name in ("Zebulon", "Hana", "Lind", "Petrov") if name in str(vendor.requests)]
    odd = await http.post("/v1/usecases/forms/turns", json={"question": "Leave?", "fields": {"customer": "x" * 101}})
    assert odd.status_code == 422


@pytest.mark.proves("SEC-5")
async def test_what_looks_like_a_placeholder_is_told_apart_from_one(http, vendor):
    asked = vendor.plan("alike", "say=<EMAIL_1> is yours, <TEXT_1> was typed. [1]")
    body = await ask(http, asked + "What is <EMAIL_1>, if mine is me@example.org, and how many days of leave?")
    assert body["answer"] == "me@example.org is yours, <EMAIL_1> was typed. [1]"
    assert "What is <TEXT_1>, if mine is <EMAIL_1>" in str(vendor.requests)


@pytest.mark.proves("SEC-5")
async def test_a_kind_that_is_refused_goes_to_no_third_party_and_the_next_rung_answers(http, private, vendor):
    plain = await ask(
        http, vendor.plan("mine", "say=Yes. [1]") + "From 203.0.113.77: how many days of leave?", "cached"
    )
    assert plain["rung"] == "standard" and "203.0.113.77" in str(vendor.requests)
    sent = len(vendor.requests)
    body = await ask(http, f"How many days of annual leave a year for {PLANTED['CARD']}?", "cached")
    assert body["rung"] == "extractive" and len(vendor.requests) == sent
    assert next(skip["reason"] for skip in body["skipped"]) == "it may not be given to a third party: it holds CARD"


@pytest.mark.proves("SEC-5")
async def test_without_a_model_for_names_a_contract_may_refuse_third_parties_and_says_why(http, private, vendor):
    body = await ask(http, "How many days of annual leave do employees have?", "guarded")
    assert body["outcome"] == "refused_privacy" and not vendor.requests
    assert body["answer"] == private.service.usecases["guarded"].contract.sentences.private
    row = await private.story(body["turn_id"])
    assert "privacy.third_parties" in row["reason"]
    ready = (await http.get("/health/ready")).json()
    assert any("unknown names pass" in note for note in ready["notes"])


@pytest.mark.proves("SEC-5")
async def test_tools_get_the_data_and_the_model_only_ever_its_placeholders(http, vendor, as_):
    name = vendor.plan(
        "tools", 'tool=look_up_order:{"order": "A-100"}', "say=It goes to <EMAIL_1>, as to <EMAIL_2>."
    )  # fmt: skip
    body = {"question": f"{name}Where is A-100? Write to desk@example.net."}
    reply = await http.post("/v1/usecases/agent/turns", json=body, headers=as_("sam.reyes"))
    assert reply.json()["answer"] == "It goes to desk@example.net, as to sam.reyes@example.org."
    assert "sam.reyes@example.org" not in str(vendor.requests) and "desk@example.net" not in str(vendor.requests)


@pytest.mark.proves("SEC-5")
async def test_a_reviewer_sees_placeholders_unless_permitted_and_the_asker_gets_the_data(
    http, private, vendor, as_, monkeypatch
):
    said = 'say={"category": "billing", "priority": "high", "summary": "<NAME_1> wrote"}'
    items = {"items": [{"question": vendor.plan("review", said) + STORY}]}
    accepted = await http.post("/v1/usecases/triage/jobs", json=items)
    await private.service.jobs.run(UUID(accepted.json()["job_id"]))
    turn_id = (await http.get(accepted.headers["location"])).json()["items"][0]["turn_id"]

    async def seen():
        found = (await http.get("/v1/admin/reviews", headers=as_("hana.lind"))).json()
        return next(each for each in found if each["turn_id"] == turn_id)

    review = await seen()
    assert MASKED in review["question"] and PLANTED["NAME"] not in str(review) and "masks" not in review
    by_group = private.service.roles.by_group
    monkeypatch.setitem(by_group, "reviewers", by_group["reviewers"] | {Permission.SEE_PERSONAL_DATA})
    usecases = private.service.usecases
    contract = changed(usecases["triage"].contract, {"reviews.second_person": "never"})
    monkeypatch.setitem(usecases, "triage", replace(usecases["triage"], contract=contract))
    assert STORY in (await seen())["question"]
    decision = {"approve": True, "reason": "fine", "text": "For <NAME_1>."}
    decided = await http.post(f"/v1/admin/reviews/{review['id']}", json=decision, headers=as_("hana.lind"))
    assert decided.status_code == 200, decided.text
    (item,) = (await http.get(accepted.headers["location"])).json()["items"]
    assert item["answer"] == f"For {PLANTED['NAME']}." and holds_nothing(vendor)


async def test_a_complaint_says_its_words_where_nobody_knows_any_more_what_a_placeholder_stood_for(
    http, private, vendor, as_, monkeypatch
):
    async def nothing(*_):
        return {}

    sam = as_("sam.reyes")
    asked = {"question": vendor.plan("forgotten", "say=Noted, <NAME_1>. [1]") + STORY}
    turn = (await http.post("/v1/usecases/handbook/turns", json=asked, headers=sam)).json()
    monkeypatch.setattr("app.work.review_desk.review_evidence.known_to", nothing)
    complaint = {"text": "The NAME is wrong, my name is Ada Okoro."}
    filed = await http.post(f"/v1/turns/{turn['turn_id']}/complaint", json=complaint, headers=sam)
    seen = (await http.get(f"/v1/admin/reviews/{filed.json()['review_id']}", headers=as_("hana.lind"))).json()
    assert seen["complaint"] == "The NAME is wrong, my name is <NAME_2>."


@pytest.mark.proves("SEC-5")
async def test_what_a_reviewer_types_is_read_in_clear_by_the_asker_and_masked_for_those_who_may_not_see_it(
    http, private, vendor, as_, monkeypatch
):
    sam, hana = as_("sam.reyes"), as_("hana.lind")
    usecases = private.service.usecases
    contract = changed(usecases["handbook"].contract, {"reviews.second_person": "never"})
    monkeypatch.setitem(usecases, "handbook", replace(usecases["handbook"], contract=contract))
    asked = {"question": vendor.plan("typed", "say=Noted, <NAME_1>. [1]") + STORY}
    turn = (await http.post("/v1/usecases/handbook/turns", json=asked, headers=sam)).json()
    complaint = {"text": "It says nothing."}
    filed = await http.post(f"/v1/turns/{turn['turn_id']}/complaint", json=complaint, headers=sam)
    url = f"/v1/admin/reviews/{filed.json()['review_id']}"
    by_group = private.service.roles.by_group
    plain = by_group["reviewers"]
    monkeypatch.setitem(by_group, "reviewers", plain | {Permission.SEE_PERSONAL_DATA})
    form = (await http.get(url, headers=hana)).json()["draft"]
    assert form == f"Noted, {PLANTED['NAME']}. [1]", "the form is filled in with the real name"
    text = form.replace("Noted", "Well") + " Or ask tina@example.net. [1]"
    typed = {"text": text, "note": f"Sorry, {PLANTED['NAME']}!", "reason": f"{PLANTED['NAME']} of tina@example.net"}
    decided = await http.post(url, json={"approve": True, **typed}, headers=hana)
    assert (decided.status_code, decided.json()["final"]) == (200, text), decided.text

    monkeypatch.setitem(by_group, "reviewers", plain)
    seen = (await http.get(url, headers=hana)).json()
    assert (seen["final"], seen["note"], seen["reason"]) == (
        "Well, <NAME_1>. [1] Or ask <EMAIL_2>. [1]", "Sorry, <NAME_1>!", "<NAME_1> of <EMAIL_2>",
    )  # fmt: skip
    async with private.service.database.work() as work:
        told = (await work.sql("SELECT data FROM events WHERE kind = 'review.decided' ORDER BY seq")).all()[-1].data
    reader = (await http.get(f"/v1/turns/{turn['turn_id']}")).json()
    for each in (seen, reader, told):
        assert "tina" not in str(each) and not [value for value in PLANTED.values() if value in str(each)]
    own = (await http.get(f"/v1/turns/{turn['turn_id']}", headers=sam)).json()
    assert own["answer"] == text and own["reviews"][0]["note"] == typed["note"]
    said = (await http.get(f"/v1/sessions/{turn['session_id']}", headers=sam)).json()["messages"]
    assert said[-1]["text"] == text


@pytest.mark.proves("SEC-5", "OBS-7")
async def test_what_a_model_makes_up_by_itself_is_masked_in_the_ledger(http, private, vendor, monkeypatch):
    usecases = private.service.usecases
    contract = changed(usecases["handbook"].contract, {"output.personal_data": "any"})
    monkeypatch.setitem(usecases, "handbook", replace(usecases["handbook"], contract=contract))
    body = await ask(http, vendor.plan("made", "say=Ask bob.made@example.com. [1]") + "Who knows about leave days?")
    assert body["answer"] == "Ask bob.made@example.com. [1]"
    assert (await private.story(body["turn_id"]))["answer"] == "Ask <EMAIL_1>. [1]"


@pytest.mark.proves("SEC-5")
async def test_a_model_of_ones_own_reads_it_as_it_is_where_the_contract_allows_it(
    service, database_url, redis_url, vendor, vendor_server, as_, tmp_path
):
    config = tmp_path / "config"
    shutil.copytree(CONFIG, config)
    with (config / "models.toml").open("a") as models:
        models.write("\n[providers.openai]\ntrusted = true\n")
    known = {"model_provider": "openai", "openai_api_key": "fake", "openai_base_url": f"{vendor_server.url}/v1"}
    contracts = {
        "handbook": {**FREE, "privacy.own_models": "allow"},
        "cached": {**FREE, "privacy.third_parties": "refuse"},
    }
    settings = make_settings(database_url, redis_url, config_dir=config, **known)
    async with (
        serving(settings, contracts) as own,
        httpx2.AsyncClient(base_url=own.url, timeout=60, headers=as_("olga.petrov")) as http,
    ):
        await own.calm()
        body = await ask(http, vendor.plan("own", f"say={ANSWER}") + STORY)
        assert body["answer"] == ANSWER and STORY in str(vendor.requests)
        row = await own.story(body["turn_id"])
        assert row["answer"] == SAID and row["question"].endswith(MASKED)
        told = await events(http, {}, {"question": vendor.plan("own2", f"say={ANSWER}") + STORY})
        assert "".join(data["text"] for name, data in told if name == "delta") == ANSWER
        asked = vendor.plan("own3", "say=Yes, <EMAIL_1>. [1]") + "I am me@example.org: how many days of leave?"
        body = await ask(http, asked, "cached")
        assert body["rung"] == "standard" and "me@example.org" not in str(vendor.requests)
