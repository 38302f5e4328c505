"""Every call leaves a span, and none of them holds content."""

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from app.llm import calls
from tests.fakes.fixtures import RunningVendor
from tests.llm.conftest import Build
from tests.llm.turns import answer_prompt, turn


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(calls, "_tracer", provider.get_tracer("test"))
    return exporter


@pytest.mark.proves("OBS-2", "OBS-7")
async def test_a_call_is_a_span_with_tokens_and_without_content(
    build: Build, vendor: RunningVendor, spans: InMemorySpanExporter
) -> None:
    vendor.will("500")
    asked = turn("standard", "extractive")
    draft = await build().answer(asked, answer_prompt())
    failed, good = spans.get_finished_spans()
    assert failed.name == good.name == f"chat {draft.model}"
    assert good.kind is trace.SpanKind.CLIENT
    assert good.attributes is not None
    assert good.attributes["gen_ai.request.model"] == draft.model
    assert good.attributes["gen_ai.usage.output_tokens"] == asked.tape.calls[1].usage.output_tokens
    assert good.attributes["app.prompt.revision"] == draft.revision
    assert failed.status.status_code is trace.StatusCode.ERROR
    assert failed.attributes is not None
    assert failed.attributes["error.type"] == "ModelServerError"
    for span in (failed, good):
        assert not span.events
        assert "annual leave" not in str(span.attributes)
