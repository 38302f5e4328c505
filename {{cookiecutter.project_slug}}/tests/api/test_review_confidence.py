"""The confidence of a model's answer, through the door: what is less sure than the contract asks waits for a person."""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from app.domain.review import Reviews
from app.domain.usecase import UseCase
from app.llm.prompts import parse
from app.settings import ROOT
from tests.api.asking import ask, events
from tests.api.serving import Served
from tests.fakes.fixtures import RunningVendor

SAM, HANA = "sam.reyes", "hana.lind"
LEAVE = "How many days of annual leave do employees have?"
INVENTED = "Everybody may take 99 days off, and a sabbatical on the moon. [1]"


@dataclass
class Strict:
    """The handbook with a model that says what a test wants, and a contract that asks for confidence."""

    served: Served
    vendor: RunningVendor
    http: httpx2.AsyncClient
    as_: Callable[[str], dict[str, str]]

    def change(self, name: str, *, confidence_below: float, **more: Any) -> None:
        """Have a use case ask for so much confidence."""
        known: UseCase = self.served.service.usecases[name]
        contract = known.contract.model_copy(update={"reviews": Reviews(confidence_below=confidence_below)})
        self.served.service.usecases[name] = replace(known, contract=contract, **more)  # type: ignore[index]

    def asked(self, says: str = "ok") -> dict[str, Any]:
        """Give a question to which the model says this."""
        return {"question": f"{LEAVE} {self.vendor.plan(uuid4().hex, says)}"}

    async def ask(self, says: str = "ok", usecase: str = "handbook") -> dict[str, Any]:
        """Ask, and give the answer."""
        body: dict[str, Any] = (await ask(self.http, self.as_(SAM), self.asked(says), usecase=usecase)).json()
        return body

    async def review(self, turn_id: str) -> dict[str, Any]:
        """Give the review of a turn."""
        rows = (await self.http.get("/v1/admin/reviews?limit=500", headers=self.as_(HANA))).json()
        (id_,) = [row["id"] for row in rows if row["turn_id"] == turn_id]
        found: dict[str, Any] = (await self.http.get(f"/v1/admin/reviews/{id_}", headers=self.as_(HANA))).json()
        return found


@pytest.fixture
async def strict(served: Served, vendor: RunningVendor, as_: Callable[[str], dict[str, str]]) -> AsyncIterator[Strict]:
    """The use cases, which have their own contracts again afterwards."""
    known: Mapping[str, UseCase] = dict(served.service.usecases)
    async with httpx2.AsyncClient(base_url=served.url, timeout=60) as http:
        yield Strict(served, vendor, http, as_)
    served.service.usecases.update(known)  # type: ignore[attr-defined]


@pytest.mark.proves("CTL-4", "REL-2", "OBS-1")
async def test_a_models_answer_waits_unless_its_words_stand_in_what_it_cites_and_both_are_recorded(
    strict: Strict,
) -> None:
    strict.change("handbook", confidence_below=0.6)
    good = await strict.ask()
    assert (good["outcome"], good["rung"], good["confidence"]) == ("answered_model", "standard", 1.0)
    assert (await strict.served.story(good["turn_id"]))["confidence"] == 1.0

    bad = await strict.ask(f"say={INVENTED}")
    assert bad["outcome"] == "escalated_review" and "99" not in bad["answer"]
    story = await strict.served.story(bad["turn_id"])
    assert (story["confidence"], story["rung"]) == (0.0, "standard")
    assert story["reason"] == "low confidence: 0.00, below 0.6 of the contract"
    review = await strict.review(bad["turn_id"])
    assert (review["kind"], review["draft"], review["evidence"]["confidence"]) == ("confidence", INVENTED, 0.0)
    assert review["why"] == story["reason"]
    uncited = await strict.ask("say=It is as the handbook says.")
    assert uncited["outcome"] == "escalated_review", "what cites nothing stands on nothing"


async def test_nothing_streams_only_where_an_answer_may_wait_for_its_confidence(strict: Strict) -> None:
    async def deltas(says: str) -> list[str]:
        url = "/v1/usecases/handbook/turns"
        told = await events(strict.http, strict.as_(SAM), strict.asked(says), url=url)
        return [str(data) for name, data in told if name == "delta"]

    assert await deltas(f"say={INVENTED}"), "a contract that asks for none lets it stream"
    strict.change("handbook", confidence_below=0.6)
    assert await deltas(f"say={INVENTED}") == []


@pytest.mark.proves("CTL-4")
async def test_a_structured_answer_is_as_sure_as_its_field_says(strict: Strict) -> None:
    form = (ROOT / "tests/samples/forms/prompts/form.v1.md").read_text()
    form = form.replace("days, note]", "days, note, confidence]").replace(
        "    note:", "    confidence: {type: number, minimum: 0, maximum: 1}\n    note:"
    )
    prompts = {**strict.served.service.usecases["forms"].prompts, "form.v1": parse("form.v1.md", form)}
    strict.change("forms", confidence_below=0.6, prompts=prompts)
    for said, outcome in (("0.59", "escalated_review"), ("0.6", "answered_model")):
        filled = '{"topic": "leave", "days": 2, "note": "fine", "confidence": ' + said + "}"
        body = await strict.ask(f"say={filled}", "forms")
        assert body["outcome"] == outcome
        assert (await strict.served.story(body["turn_id"]))["confidence"] == float(said)


async def test_an_answer_whose_confidence_nobody_measured_waits_too(strict: Strict) -> None:
    strict.change("forms", confidence_below=0.1)
    body = await strict.ask('say={"topic": "leave", "days": 2, "note": "fine"}', "forms")
    assert body["outcome"] == "escalated_review"
    review = await strict.review(body["turn_id"])
    assert (review["kind"], review["why"]) == (
        "confidence", "nobody measured the answer's confidence, and the contract asks for 0.1",
    )  # fmt: skip
