"""One trace from the API through outbox, Celery and worker to the model's HTTP call, over real processes and OTLP."""

import tempfile
from pathlib import Path

import httpx2
import pytest

from app.settings import ROOT
from ops.drills.stack import Stack
from tests.api.asking import parsed
from tests.conftest import SECRET

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("trace")]


@pytest.fixture
def traced(vendor, collector):
    """The service with a model (the fake vendor's) and a collector of traces."""
    env = {
        "APP_USECASES_DIR": str(ROOT / "tests" / "samples"),
        "APP_SECRET_KEY": SECRET,
        "APP_MODEL_PROVIDER": "openai",
        "OPENAI_API_KEY": "sk-for-tests",
        "OPENAI_BASE_URL": f"{vendor.url}/v1",
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint,
    }
    with tempfile.TemporaryDirectory(prefix="traced-", ignore_cleanup_errors=True) as folder:
        stack = Stack(Path(folder), env, parts=("api", "worker-turns"))
        try:
            stack.start()
            yield stack
        finally:
            stack.stop()


@pytest.mark.proves("OBS-2", "OBS-1")
def test_a_job_is_one_trace_from_the_api_to_the_model_and_each_call_is_in_the_ledger(traced, vendor, collector, token):
    headers = {"Authorization": f"Bearer {token('olga.petrov')}"}
    with httpx2.Client(base_url=traced.url, headers=headers, timeout=60) as operator:
        items = {"items": [{"question": "The invoice is wrong"}]}
        accepted = operator.post("/v1/usecases/triage/jobs", json=items)
        trace_id = accepted.headers["traceparent"].split("-")[1]
        assert parsed(operator.get(f"{accepted.headers['location']}/events").text)[-1][0] == "succeeded"
        item = operator.get(accepted.headers["location"]).json()["items"][0]
        story = operator.get(f"/v1/turns/{item['turn_id']}").json()
    assert story["trace_id"] == trace_id
    assert len(vendor.requests) == len(story["calls"]) == 1
    call = story["calls"][0]
    assert call["provider"] == "openai" and call["input_tokens"] > 0 and float(call["cost_usd"]) > 0
    # Processes export on their own clocks: the API's span may arrive long after the worker's.
    expected = {"turn", "job", "POST /v1/usecases/{name}/jobs"}
    assert collector.wait(lambda: expected <= {span.name for span in collector.trace(trace_id)}, within_s=30)
    spans = {span.span_id: span for span in collector.trace(trace_id)}
    model = next(span for span in spans.values() if span.name.startswith("chat "))
    way = [model.name]
    while model.parent_id in spans:
        model = spans[model.parent_id]
        way.append(model.name)
    assert [name for name in way if name in ("turn.answer", "turn", "job")] == ["turn.answer", "turn", "job"]
    assert way[-1] == "POST /v1/usecases/{name}/jobs", way
