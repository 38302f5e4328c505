"""One call of one model: bounded in time, traced, retried, and written to the turn's tape whatever happens."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from time import perf_counter
from typing import TYPE_CHECKING

from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from app.domain.turn import Call, Tape, Usage
from app.llm.catalog import Catalog
from app.llm.preview import Preview
from app.llm.prompts import Prompt
from app.llm.providers import Providers
from app.llm.resilience import AnswerCut, CallLimits, EmptyAnswer, attempts, describe, now_s, was_billed

if TYPE_CHECKING:
    from pydantic_ai.messages import ModelMessage, ModelResponse
    from pydantic_ai.models import ModelRequestParameters, StreamedResponse
    from pydantic_ai.settings import ModelSettings

_tracer = trace.get_tracer(__name__)


@dataclass(frozen=True, slots=True)
class Errand:
    """A call to make: which model, for which rung, with which prompt, finished by when (event loop's clock)."""

    rung: str
    model: str
    prompt: Prompt
    max_tokens: int
    until_s: float


class Caller:
    """Calls the configured vendor."""

    def __init__(self, catalog: Catalog, providers: Providers, limits: CallLimits) -> None:
        self._catalog = catalog
        self._providers = providers
        self._limits = limits

    async def call(
        self, errand: Errand, messages: "Sequence[ModelMessage]", *, tape: Tape, preview: Preview | None = None
    ) -> "ModelResponse":
        """Give the model's answer; repeats passing failures until `errand.until_s`, but nothing already shown."""

        def may_repeat() -> bool:
            return preview is None or not (preview.has_shown or preview.fault)

        async for attempt in attempts(errand.until_s, limits=self._limits, may_repeat=may_repeat):
            with attempt, self._recorded(errand, tape, attempt=attempt.num) as response:
                response.append(await self._once(errand, messages, preview=preview))
        return response[0]

    async def _once(
        self, errand: Errand, messages: "Sequence[ModelMessage]", *, preview: Preview | None
    ) -> "ModelResponse":
        from pydantic_ai.direct import model_request, model_request_stream

        model, settings = self._providers.model(errand.model), self._settings(errand)
        parameters = self._parameters(errand)
        async with asyncio.timeout_at(min(errand.until_s, now_s() + self._limits.model_timeout_s)):
            if preview is None:
                return await model_request(
                    model, messages, model_settings=settings, model_request_parameters=parameters
                )
            preview.tear()  # a failed attempt may have left text waiting
            stream = model_request_stream(model, messages, model_settings=settings, model_request_parameters=parameters)
            async with asyncio.timeout(self._limits.first_token_s) as first_token, stream as streamed:
                async for text in _texts(streamed):
                    first_token.reschedule(None)
                    await preview.feed(text)
                return streamed.get()

    def _settings(self, errand: Errand) -> "ModelSettings":
        settings: ModelSettings = {"max_retries": 0, "max_tokens": errand.max_tokens}
        thinking = self._catalog.thinking.get(errand.model)
        if thinking is not None:
            settings["thinking"] = False if thinking == "off" else thinking
        profile = self._providers.model(errand.model).profile
        refuses = profile.get("anthropic_disallows_sampling_settings") or (
            profile.get("openai_supports_reasoning") and thinking != "off"
        )
        if errand.prompt.settings.temperature is not None and not refuses:
            settings["temperature"] = errand.prompt.settings.temperature
        return settings

    def _parameters(self, errand: Errand) -> "ModelRequestParameters":
        from pydantic_ai.models import ModelRequestParameters
        from pydantic_ai.output import OutputObjectDefinition

        schema = errand.prompt.output_schema
        model = self._providers.model(errand.model)
        if schema is None or not model.profile.get("supports_json_schema_output"):
            return ModelRequestParameters()
        described = OutputObjectDefinition(name=errand.prompt.name, json_schema=dict(schema))
        return ModelRequestParameters(output_mode="native", output_object=described)

    @contextmanager
    def _recorded(self, errand: Errand, tape: Tape, *, attempt: int) -> "Iterator[list[ModelResponse]]":
        """Yield a place for the response; on the way out there is a span and a ledger row, failed calls included."""
        held: list[ModelResponse] = []
        started = perf_counter()
        failure: BaseException | None = None
        with self._span(errand) as span:
            try:
                yield held
                _refuse_partial(held[0])
            except BaseException as error:
                failure = error
                raise
            finally:
                usage = self._usage(errand, held[0] if held else None, failure=failure)
                row = Call(
                    rung=errand.rung,
                    provider=self._providers.vendor.provider,
                    model=errand.model,
                    revision=errand.prompt.revision,
                    latency_ms=(perf_counter() - started) * 1000,
                    usage=usage,
                    error=describe(failure) if failure else "",
                    attempt=attempt,
                )
                tape.calls.append(row)
                _mark(span, row, failure=failure)

    @contextmanager
    def _span(self, errand: Errand) -> Iterator[Span]:
        attributes = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": self._providers.vendor.provider,
            "gen_ai.request.model": errand.model,
            "gen_ai.request.max_tokens": errand.max_tokens,
            "app.rung": errand.rung,
            "app.prompt": errand.prompt.key,
            "app.prompt.revision": errand.prompt.revision,
        }
        # The exception's text may quote the prompt, so the span gets the error's type only.
        with _tracer.start_as_current_span(
            f"chat {errand.model}",
            kind=SpanKind.CLIENT,
            attributes=attributes,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            yield span

    def _usage(self, errand: Errand, response: "ModelResponse | None", *, failure: BaseException | None) -> Usage:
        if response is None:
            return Usage(cost_usd=None if failure and was_billed(failure) else Decimal(0))
        counted = response.usage
        if not (counted.input_tokens or counted.output_tokens):
            return Usage(cost_usd=None)
        cost = self._catalog.cost_usd(
            self._providers.vendor.provider,
            errand.model,
            input_tokens=counted.input_tokens,
            output_tokens=counted.output_tokens,
        )
        return Usage(input_tokens=counted.input_tokens, output_tokens=counted.output_tokens, cost_usd=cost)


async def _texts(streamed: "StreamedResponse") -> AsyncIterator[str]:
    from pydantic_ai.messages import PartDeltaEvent, PartStartEvent, TextPart, TextPartDelta

    async for event in streamed:
        if isinstance(event, PartStartEvent) and isinstance(event.part, TextPart) and event.part.content:
            yield event.part.content
        elif isinstance(event, PartDeltaEvent) and isinstance(event.delta, TextPartDelta):
            yield event.delta.content_delta


def _refuse_partial(response: "ModelResponse") -> None:
    if response.finish_reason == "length":
        raise AnswerCut("the answer was cut at the token limit")
    if response.finish_reason == "content_filter":
        raise AnswerCut("the vendor's filter stopped the answer")
    if response.finish_reason is None:
        raise AnswerCut("the answer broke off")
    if not (response.text or "").strip():
        raise EmptyAnswer("the answer was empty")


def _mark(span: Span, row: Call, *, failure: BaseException | None) -> None:
    span.set_attribute("gen_ai.usage.input_tokens", row.usage.input_tokens)
    span.set_attribute("gen_ai.usage.output_tokens", row.usage.output_tokens)
    span.set_attribute("app.attempt", row.attempt)
    if row.usage.cost_usd is not None:
        span.set_attribute("app.cost_usd", float(row.usage.cost_usd))
    if failure is not None:
        span.set_attribute("error.type", type(failure).__name__)
        span.set_status(Status(StatusCode.ERROR, row.error))
