"""What goes to OpenAI is what the SDK itself would send, and what comes back is read by the SDK."""

from typing import Any

import pytest
from openai import AsyncOpenAI
from pydantic_ai.direct import model_request, model_request_stream
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, UserPromptPart
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.output import OutputObjectDefinition
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.tools import ToolDefinition

from app.llm.direct import DirectOpenAI
from tests.fakes.fixtures import RunningVendor

SCHEMA = {"type": "object", "properties": {"answer": {"type": "string"}}, "required": ["answer"]}
PLAIN = ModelRequestParameters()
STRUCTURED = ModelRequestParameters(
    output_mode="native", output_object=OutputObjectDefinition(name="answer", json_schema=SCHEMA)
)
TOOLS = ModelRequestParameters(function_tools=[ToolDefinition(name="look", parameters_json_schema=SCHEMA)])
SETTINGS: dict[str, Any] = {
    "max_tokens": 50,
    "temperature": 0.0,
    "thinking": False,
    "openai_prompt_cache_key": "answer.v1",
}


def model(kind: type[AsyncOpenAI], vendor: RunningVendor) -> OpenAIChatModel:
    sdk = kind(api_key="secret-key", base_url=f"{vendor.url}/v1", max_retries=0)
    return OpenAIChatModel("gpt-6-sol", provider=OpenAIProvider(openai_client=sdk))


def messages() -> list[ModelMessage]:
    return [ModelRequest(parts=[UserPromptPart(content="How long is leave?")], instructions="Be short.")]


async def asked(
    kind: type[AsyncOpenAI], vendor: RunningVendor, parameters: ModelRequestParameters, *, streamed: bool
) -> ModelResponse:
    settings: Any = SETTINGS
    if not streamed:
        return await model_request(
            model(kind, vendor), messages(), model_settings=settings, model_request_parameters=parameters
        )
    async with model_request_stream(
        model(kind, vendor), messages(), model_settings=settings, model_request_parameters=parameters
    ) as stream:
        async for _ in stream:
            pass
        return stream.get()


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("parameters", [PLAIN, STRUCTURED, TOOLS], ids=["plain", "structured", "tools"])
async def test_the_request_and_the_answer_are_those_of_the_sdk(
    vendor: RunningVendor, parameters: ModelRequestParameters, streamed: bool
) -> None:
    one, other = [await asked(kind, vendor, parameters, streamed=streamed) for kind in (DirectOpenAI, AsyncOpenAI)]
    assert vendor.requests[-2] == {**vendor.requests[-1], "stream": streamed}
    assert (one.text, one.usage, one.finish_reason) == (other.text, other.usage, other.finish_reason)


async def test_a_refusal_is_still_an_error_with_its_status(vendor: RunningVendor) -> None:
    vendor.will("429:retry-after=7")
    with pytest.raises(ModelHTTPError) as caught:
        await asked(DirectOpenAI, vendor, PLAIN, streamed=False)
    assert caught.value.status_code == 429
