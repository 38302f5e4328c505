"""What goes to each vendor is what pydantic-ai sends for the same; what comes back is read to the last token."""

import asyncio
import json
import sys
import warnings
from functools import cache
from typing import Any

import httpx2
import pytest
from pydantic_ai.direct import model_request, model_request_stream
from pydantic_ai.exceptions import ModelHTTPError as TheirError
from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, TextPart, UserPromptPart
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.output import OutputObjectDefinition

from app.llm import sdk
from app.llm.catalog import VENDORS, ModelRef, Thinking, Tokens, VendorName
from app.llm.chat import Chat, Dialect, Reply, Wanted, Word
from app.llm.faults import ModelAPIError, ModelRateLimitError, UnexpectedModelBehavior
from app.llm.providers import Providers, Vendor

NAMES = {
    "openai": (
        "gpt-6-sol", "gpt-6-luna", "gpt-6-astra", "gpt-6.1-sol", "gpt-5.6-terra", "gpt-5.5", "gpt-5.5-pro", "gpt-5.4",
        "gpt-5.4-pro", "gpt-5.3", "gpt-5.3-chat-latest", "gpt-5.2-pro", "gpt-5.2-chat-latest", "gpt-5.1",
        "gpt-5.1-codex", "gpt-5.1-chat-latest", "gpt-5-chat-latest", "gpt-5-pro", "gpt-5-codex", "gpt-5", "gpt-5-mini",
        "gpt-4o", "gpt-4.1", "o1", "o3-mini", "o4-mini", "ft:gpt-4o:us:1",
    ),
    "openai_compatible": ("tiny-model", "llama:8b", "gpt-6-sol", "o3"),
    "anthropic": (
        "claude-sonnet-5-5", "claude-haiku-5-5", "claude-opus-5-5", "claude-opus-5", "claude-sonnet-5",
        "claude-fable-5-1", "claude-mythos-5-1", "claude-mythos-preview", "claude-opus-4-8", "claude-opus-4-7",
        "claude-opus-4-6", "claude-sonnet-4-6", "claude-opus-4-5", "claude-opus-4-1", "claude-sonnet-4-5",
        "claude-haiku-4-5", "claude-3-haiku-20240307",
    ),
}  # fmt: skip
MODELS = [ModelRef(vendor, name) for vendor, names in NAMES.items() for name in names]  # type: ignore[arg-type]
FULL: dict[str, Any] = {
    "type": "object",
    "title": "Ticket",
    "additionalProperties": False,
    "required": ["kind", "reason", "parts"],
    "properties": {
        "kind": {"type": "string", "enum": ["a", "b"], "description": "Which."},
        "reason": {"type": "string", "minLength": 1, "description": "Why."},
        "parts": {"type": "array", "minItems": 1, "items": {"type": "integer", "minimum": 1}},
    },
}
SCHEMAS: dict[str, dict[str, Any]] = {
    "full": FULL,
    "with something left open": {**FULL, "required": ["kind"]},
    "open": {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
    "nested": {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {
            "when": {"type": "string", "format": "date"},
            "where": {"anyOf": [{"$ref": "#/$defs/place"}, {"type": "null"}]},
        },
        "required": ["when", "where"],
        "$defs": {"place": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}},
    },
    "beyond": {
        "type": "object",
        "properties": {
            "site": {"type": "string", "format": "uri"},
            "code": {"type": "string", "pattern": "^(?=a)b"},
            "many": {"type": "array", "items": {"type": "string"}, "uniqueItems": True, "minItems": 3},
            "level": {"type": "number", "maximum": 1, "default": 0.5},
            "one": {"oneOf": [{"type": "string"}, {"type": "integer"}]},
        },
        "required": ["site", "code", "many", "level", "one"],
    },
}
CHATS = {
    "asked": Chat("Be short.", (Word("user", "How long is leave?"),)),
    "asked again": Chat("Be short.", (Word("user", "How?"), Word("assistant", "{}"), Word("user", "Not valid."))),
}


def dialect(vendor: VendorName) -> Dialect:
    return Providers(Vendor(vendor, "k", "http://x")).way(vendor).dialect


def theirs(chat: Chat) -> list[ModelMessage]:
    return [
        ModelRequest(parts=[UserPromptPart(content=word.text)], instructions=chat.system)
        if word.role == "user"
        else ModelResponse(parts=[TextPart(word.text)])
        for word in chat.words
    ]


_seen: list[httpx2.Request] = []


async def sent(wanted: Wanted, chat: Chat, *, stream: bool) -> tuple[dict[str, Any], httpx2.Headers, str]:
    """Give what pydantic-ai sends for the same: body, headers and path."""
    settings: dict[str, Any] = {"max_tokens": wanted.max_tokens}
    if wanted.temperature is not None:
        settings["temperature"] = wanted.temperature
    if wanted.thinking is not None:
        settings["thinking"] = False if wanted.thinking == "off" else wanted.thinking
    if wanted.ref.provider != "openai_compatible":
        settings["cache"] = {"messages": False}
    if wanted.ref.provider == "openai":
        settings["openai_prompt_cache_key"] = wanted.cache_key
    model, parameters = _models().model(wanted.ref), ModelRequestParameters()
    if wanted.schema is not None and model.profile.get("supports_json_schema_output"):
        described = OutputObjectDefinition(name=wanted.name, json_schema=json.loads(json.dumps(wanted.schema)))
        parameters = ModelRequestParameters(output_mode="native", output_object=described)
    more: dict[str, Any] = {"model_settings": settings, "model_request_parameters": parameters}
    with warnings.catch_warnings(), pytest.raises(TheirError):
        warnings.simplefilter("ignore")
        if stream:
            async with model_request_stream(model, theirs(chat), **more):
                pass
        else:
            await model_request(model, theirs(chat), **more)
    return json.loads(_seen[-1].content), _seen[-1].headers, _seen[-1].url.path


@cache
def _models() -> sdk.Models:
    def answer(request: httpx2.Request) -> httpx2.Response:
        _seen.append(request)
        return httpx2.Response(400, json={})

    vendors = {vendor: Vendor(vendor, "k", "http://x") for vendor in VENDORS}
    models = sdk.Models(vendors, max_connections=1, connect_s=1)  # type: ignore[arg-type]
    models._client = httpx2.AsyncClient(transport=httpx2.MockTransport(answer))
    return models


def wanted(ref: ModelRef, thinking: Thinking | None = None, **more: Any) -> Wanted:
    return Wanted(ref, 100, "answer", thinking=thinking, cache_key="answer.v1", **more)


async def same(asked: Wanted, chat: Chat, *, stream: bool = False) -> None:
    ours = dialect(asked.ref.provider).body(chat, asked, stream=stream)
    assert ours == (await sent(asked, chat, stream=stream))[0]


@pytest.mark.parametrize("thinking", [None, "off", "low", "high"])
@pytest.mark.parametrize("ref", MODELS, ids=str)
async def test_how_a_model_is_to_think_is_said_as_it_understands_it(ref: ModelRef, thinking: Thinking | None) -> None:
    await same(wanted(ref, thinking), CHATS["asked"])


@pytest.mark.parametrize("thinking", ["off", "high", None])
@pytest.mark.parametrize("ref", MODELS, ids=str)
async def test_a_model_that_refuses_a_temperature_is_not_sent_one(ref: ModelRef, thinking: Thinking | None) -> None:
    await same(wanted(ref, thinking, temperature=0.2), CHATS["asked"])


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)
@pytest.mark.parametrize("ref", [MODELS[0], MODELS[-1], ModelRef("anthropic", "claude-haiku-5-5"), MODELS[28]], ids=str)
async def test_a_schema_is_enforced_as_far_as_the_vendor_can(ref: ModelRef, schema: dict[str, Any]) -> None:
    before = json.dumps(schema)
    await same(wanted(ref, schema=schema), CHATS["asked"])
    assert json.dumps(schema) == before, "the prompt's own schema stays as it is"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("chat", CHATS.values(), ids=CHATS)
@pytest.mark.parametrize("vendor", NAMES)
async def test_a_conversation_is_written_as_pydantic_ai_writes_it(vendor: VendorName, chat: Chat, stream: bool) -> None:
    ref = ModelRef(vendor, NAMES[vendor][0])
    await same(wanted(ref, "off"), chat, stream=stream)


@pytest.mark.parametrize("vendor", NAMES)
async def test_the_key_goes_to_the_same_place_by_the_same_headers(vendor: VendorName) -> None:
    way = Providers(Vendor(vendor, "k", "http://x")).way(vendor)
    _, headers, path = await sent(wanted(ModelRef(vendor, NAMES[vendor][0])), CHATS["asked"], stream=False)
    assert way.target.url.path == path
    assert {name: headers[name] for name in way.target.headers if name != "User-Agent"} == {
        name: value for name, value in way.target.headers.items() if name != "User-Agent"
    }


def message(text: Any = "Hi.", finish: Any = "stop", **more: Any) -> dict[str, Any]:
    usage = {"prompt_tokens": 9, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 4}}
    return {"choices": [{"message": {"content": text, **more}, "finish_reason": finish}], "usage": usage}


@pytest.mark.parametrize(
    ("body", "text", "finish"),
    [
        (message(), "Hi.", "stop"),
        (message(finish=None), "Hi.", "stop"),
        (message(None, "length"), "", "length"),
        (message("", "content_filter"), "", "content_filter"),
        (message(None, "stop", refusal="I will not."), "", "content_filter"),
        (message(None, "tool_calls", tool_calls=[{}]), "", "tools"),
    ],
)
def test_a_completion_is_read(body: dict[str, Any], text: str, finish: str) -> None:
    reply = dialect("openai").read(body)
    assert (reply.text, reply.finish, reply.tokens) == (text, finish, Tokens(9, 2, cached=4))


@pytest.mark.parametrize(
    "body",
    [
        {}, [], None, "text", {"choices": []}, {"choices": None}, {"choices": [{}]}, {"choices": [{"message": None}]},
        message(7), message(finish="odd"), {"choices": [{"message": "text"}]},
    ],
)  # fmt: skip
def test_what_is_no_completion_is_said_so(body: Any) -> None:
    for vendor in ("openai", "openai_compatible"):
        with pytest.raises(UnexpectedModelBehavior):
            dialect(vendor).read(body)  # type: ignore[arg-type]


def test_an_answer_without_a_count_has_none() -> None:
    for usage in (None, {}, {"prompt_tokens": None}, {"prompt_tokens_details": None}):
        assert dialect("openai").read({**message(), "usage": usage}).tokens == Tokens(0, 0)


def test_anthropics_input_is_counted_with_what_its_cache_gave_and_took() -> None:
    usage = {"input_tokens": 5, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 7, "output_tokens": 3}
    blocks = [
        {"type": "thinking", "thinking": "Hm."},
        {"type": "text", "text": "One, "},
        {"type": "text", "text": "two."},
    ]
    reply = dialect("anthropic").read({"content": blocks, "stop_reason": "end_turn", "usage": usage})
    assert reply == Reply("One, two.", "stop", Tokens(112, 3, cached=100, written=7))


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("stop_sequence", "stop"), ("max_tokens", "length"), ("refusal", "content_filter"),
        ("model_context_window_exceeded", "length"), ("pause_turn", None), (None, None),
    ],
)  # fmt: skip
def test_anthropics_reasons_are_known(reason: str | None, finish: str | None) -> None:
    assert dialect("anthropic").read({"content": [], "stop_reason": reason}).finish == finish


@pytest.mark.parametrize("body", [{}, [], None, "text", {"content": None}, {"content": ["text"]}, {"content": [{}]}])
def test_what_is_no_message_is_said_so(body: Any) -> None:
    with pytest.raises(UnexpectedModelBehavior):
        dialect("anthropic").read(body)


def heard(vendor: VendorName, *events: dict[str, Any]) -> tuple[list[str | None], Reply]:
    hearing = dialect(vendor).hear()
    return [hearing.take(event) for event in events], hearing.reply()


def chunk(delta: dict[str, Any] | None = None, finish: str | None = None, **more: Any) -> dict[str, Any]:
    return {"choices": [{"delta": delta, "finish_reason": finish}], **more}


def test_a_streamed_completion_is_put_together() -> None:
    texts, reply = heard(
        "openai",
        chunk({"role": "assistant", "content": ""}),
        chunk({"reasoning_content": "Hm."}),
        chunk({"content": "One, "}),
        chunk({"content": "two."}),
        chunk(None),
        chunk({}, "stop"),
        {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 2}},
    )
    assert texts == [None, "", "One, ", "two.", None, None, None]
    assert reply == Reply("One, two.", "stop", Tokens(9, 2))


def test_a_streamed_refusal_is_no_answer() -> None:
    _, reply = heard("openai", chunk({"refusal": "I will"}), chunk({"refusal": " not."}), chunk({}, "stop"))
    assert (reply.text, reply.finish) == ("", "content_filter")


def test_a_stream_that_just_ends_is_no_finished_answer() -> None:
    with pytest.raises(ModelAPIError):
        heard("openai", chunk({"content": "Half an"}))
    assert heard("anthropic", {"type": "content_block_start", "content_block": {"type": "text", "text": "Ha"}})[1] == (
        Reply("Ha", None, Tokens(0, 0))
    )


@pytest.mark.parametrize(
    ("vendor", "error", "status"),
    [
        ("openai", {"code": "rate_limit_exceeded"}, 429),
        ("openai", {"type": "server_error", "code": None}, 500),
        ("openai_compatible", {"code": 503}, 503),
        ("openai_compatible", "text", None),
        ("openai", {"message": "odd"}, None),
        ("anthropic", {"type": "overloaded_error"}, 529),
        ("anthropic", {"type": "odd"}, None),
    ],
)
def test_an_error_in_the_stream_has_the_status_it_would_have_had_before(
    vendor: VendorName, error: Any, status: int | None
) -> None:
    with pytest.raises(ModelAPIError) as caught:
        heard(vendor, {"type": "error", "error": error})
    assert getattr(caught.value, "status_code", None) == status
    assert caught.value.in_stream
    assert isinstance(caught.value, ModelRateLimitError) is (status == 429)


def test_a_streamed_message_is_put_together_and_its_counts_replace_each_other() -> None:
    usage = {"input_tokens": 5, "cache_read_input_tokens": 100, "output_tokens": 1}
    texts, reply = heard(
        "anthropic",
        {"type": "message_start", "message": {"usage": usage}},
        {"type": "ping"},
        {"type": "content_block_start", "content_block": {"type": "thinking"}},
        {"type": "content_block_delta", "delta": {"type": "thinking_delta", "thinking": "Hm."}},
        {"type": "content_block_start", "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "One."}},
        {"type": "content_block_stop"},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 7}},
        {"type": "message_stop"},
    )
    assert texts == [None, None, "", "", None, "One.", None, None, None]
    assert reply == Reply("One.", "stop", Tokens(105, 7, cached=100))


async def test_reading_answers_takes_no_import_of_a_vendors_package() -> None:
    code = (
        "import sys, app.llm.gateway;"
        "sys.exit(bool({'openai', 'anthropic', 'pydantic_ai', 'stamina'} & set(sys.modules)))"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code)
    assert await process.wait() == 0
