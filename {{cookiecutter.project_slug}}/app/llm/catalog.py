"""The models behind each role, of any vendor; how many calls each takes at once, and what their tokens cost."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from hashlib import sha256
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.domain.turn import Price as Source
from app.errors import CannotStart
from app.llm import listed

VendorName = Literal["openai", "anthropic", "openai_compatible"]
Provider = Literal["none", VendorName]
Thinking = Literal["off", "low", "medium", "high"]
VENDORS: tuple[VendorName, ...] = get_args(VendorName)
LOCAL_RUNGS = ("cached", "extractive", "rules", "person")
FILE = "config/models.toml"
MILLION = Decimal(1_000_000)
# Longer vectors have no index in PostgreSQL.
MOST_DIMENSIONS = 4000
# Names of models that hold a colon of their own: OpenAI's fine-tuned ones.
_OWN_COLON = "ft"
ModelName = Annotated[str, Field(min_length=1)]
Dollars = Annotated[Decimal, Field(ge=0)]
Count = Annotated[int, Field(gt=0)]


@dataclass(frozen=True, slots=True)
class ModelRef:
    """A model of a vendor, written `provider:name`."""

    provider: VendorName
    name: str

    def __str__(self) -> str:
        return f"{self.provider}:{self.name}"


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens of one call; of `input`, `cached` were read from the vendor's cache and `written` were put into it."""

    input: int
    output: int
    cached: int = 0
    written: int = 0


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Price(_Part):
    """US dollars per million tokens; input that the vendor had cached costs `cached_input_usd`, or as much as other."""

    input_usd: Dollars
    output_usd: Dollars
    cached_input_usd: Dollars | None = None

    def of(self, tokens: Tokens) -> Decimal:
        """Price one call in US dollars."""
        cached_usd = self.input_usd if self.cached_input_usd is None else self.cached_input_usd
        paid = self.input_usd * (tokens.input - tokens.cached) + cached_usd * tokens.cached
        return (paid + self.output_usd * tokens.output) / MILLION


class Limits(_Part):
    """Calls that one model takes at once, from all processes together; `models` names exceptions."""

    concurrent_calls: Count = 64
    models: dict[str, Count] = {}


class EmbeddingChoice(_Part):
    """The model that turns texts into vectors: `openai:<model>`, `openai_compatible:<model>`, or "" for none.

    `dimensions` asks the model for shorter vectors; the prefixes are what some models want before a question and
    before a passage; `base_url` is the address of a compatible endpoint, where it is not the one of the chat models.
    Texts go in batches of at most so many texts and (estimated) tokens; one text is cut at `text_tokens`. A change of
    model embeds at most `texts_per_s` chunks in a second, and begins by itself unless its estimate is above `most_usd`.
    A `trusted` model is one's own: it reads texts as they are; to any other personal data is masked.
    """

    model: Annotated[str, Field(pattern=r"^((openai|openai_compatible):.+)?$")] = ""
    dimensions: Annotated[int, Field(gt=0, le=MOST_DIMENSIONS)] | None = None
    query_prefix: str = ""
    document_prefix: str = ""
    base_url: Annotated[str, Field(pattern=r"^(https?://[^@\s]+)?$")] = ""
    batch_texts: Count = 128
    batch_tokens: Count = 50_000
    text_tokens: Count = 8_000
    texts_per_s: Count = 200
    most_usd: Dollars = Decimal(10)
    trusted: bool = False

    @property
    def name(self) -> str:
        """Name the space of its vectors, which changes with everything that changes them; "" without a model."""
        shorter = f"/{self.dimensions}" if self.dimensions else ""
        prefixes = f"{self.query_prefix}\n{self.document_prefix}"
        marked = f"#{sha256(prefixes.encode()).hexdigest()[:6]}" if prefixes.strip("\n") else ""
        return f"{self.model}{shorter}{marked}"


class RerankChoice(_Part):
    """The model that puts found passages into order: its name, or "" for none.

    `shape` is how its server wants the passages: `documents` (Cohere, Jina, Voyage, vLLM) or `texts` (TEI). An answer
    that is later than `timeout_ms` is not waited for. `usd_per_search` is its price where that is not by tokens. One
    that is `trusted` is one's own, and reads texts as they are.
    """

    model: str = ""
    shape: Literal["documents", "texts"] = "documents"
    timeout_ms: Count = 400
    usd_per_search: Dollars | None = None
    trusted: bool = False


class ProviderChoice(_Part):
    """A provider that is `trusted` is one's own: what contracts say of third parties does not hold for it."""

    trusted: bool = False


class Catalog(_Part):
    """Roles per provider, limits, own prices, and how much each model thinks."""

    roles: dict[VendorName, dict[str, ModelName]]
    thinking: dict[str, Thinking] = {}
    providers: dict[VendorName, ProviderChoice] = {}
    limits: Limits = Limits()
    embeddings: EmbeddingChoice = EmbeddingChoice()
    rerank: RerankChoice = RerankChoice()
    prices: dict[str, Price] = {}

    @property
    def rungs(self) -> frozenset[str]:
        """Give every name that may stand on a ladder."""
        return frozenset(role for roles in self.roles.values() for role in roles) | frozenset(LOCAL_RUNGS)

    def is_own(self, ref: ModelRef) -> bool:
        """Say whether a model is one's own."""
        return ref.provider in self.providers and self.providers[ref.provider].trusted

    def model_for(self, provider: Provider, role: str, *, compatible_model: str = "") -> ModelRef | None:
        """Give the model behind a role in this provider's table; None where it has none."""
        if provider == "none":
            return None
        written = self.roles.get(provider, {}).get(role)
        if written is None and provider == "openai_compatible" and role in self.rungs:
            written = compatible_model
        return ref_of(written, at_home=provider) if written else None

    def calls_at_once(self, ref: ModelRef) -> int:
        """Give how many calls of this model may run at the same time."""
        known = self.limits.models
        return known.get(str(ref)) or known.get(ref.name) or self.limits.concurrent_calls

    def price(self, ref: ModelRef, tokens: Tokens) -> tuple[Decimal | None, Source]:
        """Price one call in US dollars and say by which list: your own prices first, then the public one.

        None is the cost of a model that neither list knows.
        """
        own = self.prices.get(str(ref)) or self.prices.get(ref.name)
        if own is not None:
            return own.of(tokens), "own"
        if ref.provider == "openai_compatible":
            return None, "unpriced"
        counts = {"input": tokens.input, "output": tokens.output, "cached": tokens.cached, "written": tokens.written}
        try:
            return listed.price(ref.provider, ref.name, **counts), "list"
        except (LookupError, ValueError):
            return None, "unpriced"

    def cost_usd(self, ref: ModelRef, *, input_tokens: int, output_tokens: int) -> Decimal | None:
        """Price a call of which nothing is cached, in US dollars; None where no list knows the model."""
        return self.price(ref, Tokens(input_tokens, output_tokens))[0]


def parse(raw: Mapping[str, Any]) -> Catalog:
    """Check what config/models.toml says; anything unusable stops the start with file, key and cure."""
    try:
        catalog = Catalog.model_validate(raw)
    except ValidationError as error:
        faults = [f"- {FILE}: {'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()]
        raise CannotStart("\n".join(faults)) from error
    found = [
        f"- {FILE}: roles.{provider}.{role}: {fault}"
        for provider, roles in catalog.roles.items()
        for role, written in roles.items()
        if (fault := _fault(provider, role, written))
    ]
    if found:
        raise CannotStart("\n".join(found))
    return catalog


def ref_of(written: str, *, at_home: VendorName) -> ModelRef:
    """Read `model`, or `vendor:model` for a model of another vendor than the table's."""
    vendor, colon, name = written.partition(":")
    for known in VENDORS:
        if colon and vendor == known:
            return ModelRef(known, name)
    return ModelRef(at_home, written)


def _fault(provider: VendorName, role: str, written: str) -> str:
    if role in LOCAL_RUNGS:
        return f"`{role}` is a rung without a model; rename the role"
    vendor, colon, name = written.partition(":")
    if colon and not name:
        return f"`{written}` names no model; write `{vendor}:<model>`"
    # Names of an endpoint of your own may hold any colon ("llama:8b"); those of the vendors do not.
    if colon and vendor not in (*VENDORS, _OWN_COLON) and provider != "openai_compatible":
        return f"there is no vendor `{vendor}`; write <model>, or one of {', '.join(f'{v}:<model>' for v in VENDORS)}"
    return ""
