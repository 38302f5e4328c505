"""What is said to a model and what it answers, the same for every vendor; a dialect puts it on the wire and back."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from app.llm.catalog import ModelRef, Thinking, Tokens

if TYPE_CHECKING:
    from pydantic_ai.messages import ModelResponse

Finish = Literal["stop", "length", "content_filter", "tools"]
Fields = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Word:
    """One thing said in the conversation."""

    role: Literal["user", "assistant"]
    text: str


@dataclass(frozen=True, slots=True)
class Chat:
    """A conversation with a model; `system` is its stable part, which vendors keep for the next call."""

    system: str
    words: tuple[Word, ...]

    def then(self, *words: Word) -> "Chat":
        """Give the conversation with more said in it."""
        return Chat(self.system, (*self.words, *words))


@dataclass(frozen=True, slots=True)
class Wanted:
    """How a model is to answer. `schema` is the form of its answer, under a `name`; `cache_key` groups like calls."""

    ref: ModelRef
    max_tokens: int
    name: str
    temperature: float | None = None
    thinking: Thinking | None = None
    schema: Mapping[str, Any] | None = None
    cache_key: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model answered; `finish` is None where it broke off, `response` what an agent's loop goes on with."""

    text: str
    finish: Finish | None
    tokens: Tokens
    response: "ModelResponse | None" = None


class Hearing(Protocol):
    """Takes in a streamed answer, event by event."""

    def take(self, event: Fields) -> str | None:
        """Give the text that came with an event: "" for other signs of life, None for none. Raises ModelAPIError."""
        ...

    def reply(self) -> Reply:
        """Give the whole answer. Raises ModelAPIError when it is not complete."""
        ...


class Dialect(Protocol):
    """How a kind of vendor writes chats and answers as JSON."""

    path: str
    """Where chats are posted, below the vendor's address."""

    def headers(self, api_key: str) -> dict[str, str]:
        """Give the headers that name us to the vendor."""
        ...

    def body(self, chat: Chat, wanted: Wanted, *, stream: bool) -> Fields:
        """Give the request."""
        ...

    def read(self, body: Any) -> Reply:
        """Read a whole answer. Raises UnexpectedModelBehavior."""
        ...

    def hear(self) -> Hearing:
        """Begin to take in a streamed answer."""
        ...


def count(found: Any, *path: str) -> int:
    """Give the number at a path of an answer, 0 where there is none: vendors leave out what they do not count."""
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, int) else 0
