"""One request to a vendor, whole or streamed: what is sent, and how long each part of the answer may take."""

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

from app.llm.catalog import Catalog
from app.llm.errand import Errand
from app.llm.preview import Preview
from app.llm.providers import Providers
from app.llm.resilience import CallLimits, now_s

if TYPE_CHECKING:
    from pydantic_ai.messages import ModelMessage, ModelResponse
    from pydantic_ai.models import ModelRequestParameters
    from pydantic_ai.settings import ModelSettings


class Exchange:
    """Speaks with the vendors."""

    def __init__(self, catalog: Catalog, providers: Providers, limits: CallLimits) -> None:
        self._catalog = catalog
        self._providers = providers
        self._limits = limits

    async def ask(
        self,
        errand: Errand,
        messages: "Sequence[ModelMessage]",
        *,
        preview: Preview | None,
        on_first: Callable[[], None],
    ) -> "ModelResponse":
        """Give the answer; with a preview it is streamed, and `on_first` is called at its first token.

        Raises TimeoutError when the whole, the first token or the next piece takes too long.
        """
        from pydantic_ai.direct import model_request, model_request_stream

        model, settings = self._providers.model(errand.ref), self._settings(errand)
        parameters = errand.parameters or self._parameters(errand)
        async with asyncio.timeout_at(min(errand.until_s, now_s() + self._limits.model_timeout_s)):
            if preview is None:
                return await model_request(
                    model, messages, model_settings=settings, model_request_parameters=parameters
                )
            preview.tear()  # a failed attempt may have left text waiting
            stream = model_request_stream(model, messages, model_settings=settings, model_request_parameters=parameters)
            async with asyncio.timeout(self._limits.first_token_s) as silence, stream as streamed:
                is_first = True
                async for event in streamed:
                    text = _said(event)
                    if text is None:
                        continue
                    if is_first:
                        on_first()
                        is_first = False
                    # While the listener is slow, it is not the vendor that is silent.
                    silence.reschedule(None)
                    await preview.feed(text)
                    silence.reschedule(now_s() + self._limits.idle_s)
                return streamed.get()

    def _settings(self, errand: Errand) -> "ModelSettings":
        # The clients do not retry; saying so again would have a copy of the client made for each call.
        settings: ModelSettings = {"max_tokens": errand.max_tokens}
        thinking = self._catalog.thinking.get(errand.ref.name)
        if thinking is not None:
            settings["thinking"] = False if thinking == "off" else thinking
        profile = self._providers.model(errand.ref).profile
        refuses = profile.get("anthropic_disallows_sampling_settings") or (
            profile.get("openai_supports_reasoning") and thinking != "off"
        )
        if errand.prompt.settings.temperature is not None and not refuses:
            settings["temperature"] = errand.prompt.settings.temperature
        if errand.ref.provider != "openai_compatible":
            # The instructions are the same in every turn; only an agent's messages are read again, step by step.
            settings["cache"] = {"messages": errand.purpose == "agent"}
        if errand.ref.provider == "openai":
            # OpenAI sends calls of one key to the machine that has read their beginning before.
            cast("dict[str, Any]", settings)["openai_prompt_cache_key"] = errand.prompt.key
        return settings

    def _parameters(self, errand: Errand) -> "ModelRequestParameters":
        from pydantic_ai.models import ModelRequestParameters
        from pydantic_ai.output import OutputObjectDefinition

        schema = errand.prompt.output_schema
        model = self._providers.model(errand.ref)
        if schema is None or not model.profile.get("supports_json_schema_output"):
            return ModelRequestParameters()
        described = OutputObjectDefinition(name=errand.prompt.name, json_schema=dict(schema))
        return ModelRequestParameters(output_mode="native", output_object=described)


def _said(event: object) -> str | None:
    """Give the text that came with an event: "" for other signs of life (a thought, a tool), None for none."""
    from pydantic_ai.messages import PartDeltaEvent, PartStartEvent, TextPart, TextPartDelta

    if isinstance(event, PartStartEvent):
        if isinstance(event.part, TextPart):
            return event.part.content or None
        return ""
    if isinstance(event, PartDeltaEvent):
        return event.delta.content_delta if isinstance(event.delta, TextPartDelta) else ""
    return None
