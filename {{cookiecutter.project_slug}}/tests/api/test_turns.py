"""Turns through the HTTP door."""

import httpx2
import pytest

URL = "/v1/usecases/handbook/turns"
LEAVE = {"question": "How many days of annual leave do employees have?"}
PAY = {"question": "How much is the chief executive paid?"}


async def test_a_turn_without_identity_is_refused(client: httpx2.AsyncClient) -> None:
    response = await client.post(URL, json=LEAVE)
    assert response.status_code == 401
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["www-authenticate"] == "Bearer"


async def test_a_question_is_answered_with_a_citation(client, as_) -> None:
    response = await client.post(URL, json=LEAVE, headers=as_("sam.reyes"))
    body = response.json()
    assert response.status_code == 200, body
    assert body["outcome"] == "answered_extractive"
    assert "25 days" in body["answer"]
    assert body["citations"][0]["title"] == "Annual leave"
    assert body["skipped"] == [{"rung": "standard", "reason": "no model is configured"}]


@pytest.mark.proves("SEC-4")
async def test_the_same_question_is_answered_for_those_who_may_read_and_refused_for_others(client, as_) -> None:
    allowed = (await client.post(URL, json=PAY, headers=as_("erin.holt"))).json()
    denied = (await client.post(URL, json=PAY, headers=as_("sam.reyes"))).json()
    assert "285,000" in allowed["answer"] and allowed["citations"]
    assert denied["outcome"] == "refused_no_evidence" and not denied["citations"]
    assert "285,000" not in str(denied)
