"""Planted personal data and secrets go through every door of a running service; nothing that it tells holds them."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from app.settings import ROOT
from ops.drills.stack import Stack
from ops.prove import planted
from tests.api.asking import parsed
from tests.conftest import SECRET
from tests.fakes.collector import Collector
from tests.planted import planted_in, planted_in_logs

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("trace")]
ASKED = {"question": planted.SENTENCE}
Told = list[httpx2.Response]


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="planted-", ignore_cleanup_errors=True) as name:
        yield Path(name)


@pytest.fixture
def watched(vendor: object, collector: Collector, folder: Path) -> Iterator[Stack]:
    """The service with a model, a collector of its traces, and every line of its logs kept."""
    env = {
        "APP_USECASES_DIR": str(ROOT / "tests" / "samples"),
        "APP_SECRET_KEY": SECRET,
        "APP_MODEL_PROVIDER": "openai",
        "OPENAI_API_KEY": planted.KEY,
        "OPENAI_BASE_URL": f"{vendor.url}/v1",  # type: ignore[attr-defined]
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint,
        "APP_LOG_LEVEL": "DEBUG",
    }
    stack = Stack(folder, env, parts=("api", "worker-turns", "worker-documents"))
    try:
        stack.start()
        yield stack
    finally:
        stack.stop()


@pytest.mark.proves("OBS-7", "SEC-7")
def test_nothing_planted_stands_in_logs_traces_metrics_or_errors(
    watched: Stack, vendor: object, collector: Collector, folder: Path, token: object
) -> None:
    bearer = {"Authorization": f"Bearer {token('olga.petrov')}"}  # type: ignore[operator]
    with httpx2.Client(base_url=watched.url, timeout=60) as door:
        asked(door, bearer, vendor)
        queued(door, bearer)
        refused = [*wrong(door, bearer), *pages(door, watched.url)]
        assert all(400 <= answer.status_code < 500 for answer in refused), [a.status_code for a in refused]
        metrics = door.get("/metrics").text
    for answer in refused:
        assert not planted_in(answer.text), f"{answer.request.method} {answer.request.url}: {answer.text}"
    assert not planted_in(metrics)
    wanted = {"turn", "job", "POST /v1/documents", "POST /console/why"}
    assert collector.wait(lambda: wanted <= {span.name for span in collector.spans}, within_s=60)
    watched.stop()
    assert not (found := planted_in_logs(folder)), found
    sent = b"".join(collector.raw).decode(errors="replace")
    assert not (found := planted_in(sent)), found


def asked(door: httpx2.Client, bearer: dict[str, str], vendor: object) -> None:
    """Ask by every door, with a vendor that fails first: what went wrong is logged."""
    vendor.will("500", "ok")  # type: ignore[attr-defined]
    turn = door.post("/v1/usecases/handbook/turns", json=ASKED, headers=bearer)
    assert turn.status_code == 200, turn.text
    stream = door.post("/v1/usecases/handbook/turns", json=ASKED, headers=bearer | {"Accept": "text/event-stream"})
    assert parsed(stream.text)[-1][0] == "end", stream.text
    chat = {"model": "handbook", "messages": [{"role": "user", "content": planted.SENTENCE}]}
    assert door.post("/openai/v1/chat/completions", json=chat, headers=bearer).status_code == 200
    opinion = {"thumbs": "down", "correction": planted.SENTENCE}
    assert door.post(f"/v1/turns/{turn.json()['turn_id']}/feedback", json=opinion, headers=bearer).status_code == 204
    assert door.get(f"/v1/sessions/{turn.json()['session_id']}", headers=bearer).status_code == 200


def queued(door: httpx2.Client, bearer: dict[str, str]) -> None:
    """Queue a turn and send two files, of which one cannot be read."""
    jobs = [door.post("/v1/usecases/handbook/jobs", json={"items": [ASKED]}, headers=bearer)]
    for name, content in ((f"{planted.FILE} {planted.NAME}.md", planted.SENTENCE), (f"{planted.FILE}.pdf", "no PDF")):
        file = {"file": (name, content.encode(), "text/markdown")}
        jobs.append(door.post("/v1/documents", data={"usecase": "handbook"}, files=file, headers=bearer))
    for job in jobs:
        assert job.status_code == 202, job.text
        assert parsed(door.get(f"{job.headers['location']}/events", headers=bearer).text)[-1][0] in (
            "succeeded",
            "failed",
        )


def wrong(door: httpx2.Client, bearer: dict[str, str]) -> Told:
    """Give refusals of every kind, each with something planted in what is refused."""
    url = "/v1/usecases/handbook/turns"
    return [
        door.post(url, json={**ASKED, planted.EMAIL: planted.KEY}, headers=bearer),
        door.post(url, json={"question": [planted.SENTENCE]}, headers=bearer),
        door.post(url, content=planted.SENTENCE, headers=bearer | {"Content-Type": "application/json"}),
        door.post(url, json=ASKED, headers=bearer | {"Idempotency-Key": planted.PHONE}),
        door.post("/v1/usecases/cached/turns", json={**ASKED, "fields": {"region": planted.EMAIL}}, headers=bearer),
        door.post(url, json=ASKED, headers={"Authorization": f"Bearer {planted.TOKEN}", "X-Request-Id": planted.EMAIL}),
        door.get(f"/v1/usecases/{planted.EMAIL}/sources", headers=bearer),
        door.get(f"/v1/jobs/{planted.CARD}", headers=bearer),
        door.get(f"/nowhere/{planted.NAME}?q={planted.IBAN}", headers=bearer),
        door.post("/openai/v1/chat/completions", json={"model": planted.EMAIL, "messages": []}, headers=bearer),
        door.post("/v1/documents", data={"usecase": planted.EMAIL}, files={"file": b"a"}, headers=bearer),
    ]


def pages(door: httpx2.Client, origin: str) -> Told:
    """Sign in, and fill in forms wrongly."""
    who = {"Origin": origin}
    signed = door.post("/console/sign-in", data={"person": "olga.petrov", "next": "/"}, headers=who)
    assert signed.status_code == 303, signed.text
    question = {"question": planted.SENTENCE, "usecase": "handbook", "person": "sam.reyes", "reason": planted.SENTENCE}
    assert door.post("/console/why", data=question, headers=who).status_code == 200
    return [
        door.post("/console/sign-in", data={"person": planted.EMAIL, "next": f"//{planted.EMAIL}"}, headers=who),
        door.post("/console/switches", data={"subject": planted.EMAIL, "to": "off", "reason": "a"}, headers=who),
        door.get(f"/console/turns/{planted.EMAIL}"),
    ]
