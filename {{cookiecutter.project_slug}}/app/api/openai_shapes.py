"""The JSON of the OpenAI-compatible door: what its clients send and read. Fields beginning with `x_` are ours."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.api.shapes import CitationOut, Hidden, Text

Long = Annotated[Text, Field(max_length=100_000)]


class _Asked(BaseModel):
    # Clients send more with every release; what may not be ignored is refused by name.
    model_config = ConfigDict(extra="allow")


class PartIn(_Asked):
    """A part of a message; only text is accepted."""

    type: Text
    text: Long | None = None


class MessageIn(_Asked):
    """One message; those of the roles `system` and `developer` are not passed on."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: Long | Annotated[list[PartIn], Field(max_length=200)] | None = None
    tool_calls: list[Any] | None = None


class StreamOptions(_Asked):
    """What a stream tells besides."""

    include_usage: bool | None = None


class ChatIn(_Asked):
    """A conversation whose last message is the question; `model` is the name of a use case.

    Sampling and length (`temperature`, `top_p`, `seed`, `stop`, `max_tokens` and the like) are accepted without effect:
    prompts and their settings belong to the use case.
    """

    model: Text
    messages: list[MessageIn] = Field(min_length=1, max_length=500)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: int | None = None
    tools: list[Any] | None = None
    tool_choice: Any = None
    functions: list[Any] | None = None
    function_call: Any = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    response_format: dict[str, Any] | None = None
    modalities: list[Any] | None = None
    audio: Any = None
    web_search_options: Any = None
    x_fields: dict[Text, Text] | None = Field(None, max_length=20, description="the inputs that the contract lists")


class ReplyOut(BaseModel):
    """What the assistant says."""

    role: Literal["assistant"] = "assistant"
    content: str
    refusal: str | None = None


class ChoiceOut(BaseModel):
    """The one answer."""

    index: int = 0
    message: ReplyOut
    finish_reason: Literal["stop", "content_filter"]
    logprobs: None = None


class PromptDetailsOut(BaseModel):
    """Of the input tokens, those that the vendor had read before."""

    cached_tokens: int


class TokensOut(BaseModel):
    """Tokens of every call that the turn made."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptDetailsOut


class CompletionOut(BaseModel):
    """A finished turn as a chat completion."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[ChoiceOut]
    usage: TokensOut | None = Field(description="null when you may not see it")
    x_turn_id: str
    x_outcome: str
    x_rung: str
    x_model: str
    x_age_s: float | None
    x_cost_usd: str | None
    x_hidden: list[Hidden] = []
    x_citations: list[CitationOut]


class ModelOut(BaseModel):
    """A use case that you may use, as a model."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str
    x_title: str
    x_workflow: str
    x_paused: bool
    x_fields: dict[str, list[str]]


class ModelsOut(BaseModel):
    """The use cases that you may use."""

    object: Literal["list"] = "list"
    data: list[ModelOut]
