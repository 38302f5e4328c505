"""The JSON that goes in and out, as OpenAPI describes it."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from app.api.evidence import EvidenceOut, SearchOut


def _storable(text: str) -> str:
    if "\x00" in text:
        raise ValueError("the character U+0000 is not allowed")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise ValueError("half of a surrogate pair is not allowed") from error
    return text


Text = Annotated[str, AfterValidator(_storable)]


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Ask(_In):
    """A question; `fields` are the extra inputs that the use case's contract lists."""

    question: Annotated[Text, Field(min_length=1, max_length=100_000)]
    fields: dict[Text, Text] = Field({}, max_length=20)
    session_id: UUID | None = Field(None, description="continue this conversation; leave out to start one")


class Item(_In):
    """One item of a job."""

    question: Annotated[Text, Field(min_length=1, max_length=100_000)]
    fields: dict[Text, Text] = Field({}, max_length=20)


class JobIn(_In):
    """Work to be queued: one turn per item."""

    items: list[Item] = Field(min_length=1, max_length=1000)


class FeedbackIn(_In):
    """What the asker thinks of an answer."""

    thumbs: Literal["up", "down"]
    correction: Annotated[Text, Field(max_length=4000)] = ""


Names = list[Annotated[Text, Field(pattern=r"^(everyone|(group|user):[\w.@-]{1,100})$")]]
Attribute = Annotated[Text, Field(pattern=r"^[\w.-]{0,50}$")]


class AccessIn(_In):
    """Who may read a document: `readers` are "everyone", "group:<name>" or "user:<id>"; the rest narrows it.

    `denied` names may not, whatever else they are; `classification` is a level of config/roles.toml; with `regions`
    only people of one of them may. `reason` is kept in the audit.
    """

    readers: Names = Field(min_length=1, max_length=50)
    denied: Names = Field([], max_length=50)
    classification: Attribute = ""
    regions: list[Attribute] = Field([], max_length=50)
    reason: Text = Field("", max_length=500)


class CitationOut(BaseModel):
    """A pointer from `[marker]` in the answer to the passage behind it."""

    marker: int
    document_id: UUID
    title: str
    uri: str
    heading: str = ""
    page: int | None = None
    quote: str = ""
    anchor: str = ""


class UsageOut(BaseModel):
    """Tokens and US dollars; `cost_usd` is null where no price is known."""

    input_tokens: int
    output_tokens: int
    cached_tokens: int = 0
    cost_usd: Decimal | None


class SkipOut(BaseModel):
    """A rung of the ladder that gave no answer, and why."""

    rung: str
    reason: str


# Parts of a turn that the one who looks may not see; empty or null they stand in the JSON all the same.
Hidden = Literal["cost", "evidence"]


class TurnOut(BaseModel):
    """A finished turn; `hidden` names what you may not see of it.

    A `degraded` one was answered by a lower rung of the ladder: a model failed, or is turned off.
    """

    turn_id: UUID
    session_id: UUID | None
    usecase: str
    outcome: str
    answer: str
    data: dict[str, Any] | None
    citations: list[CitationOut]
    rung: str
    model: str
    revision: str
    confidence: float | None
    degraded: bool = False
    skipped: list[SkipOut]
    age_s: float | None = None
    route: str = ""
    usage: UsageOut | None = Field(description="null when you may not see it")
    latency_ms: float
    trace_id: str
    hidden: list[Hidden] = []


class StepOut(BaseModel):
    """How long a step took."""

    step: str
    ms: float


class CallOut(BaseModel):
    """One call of a model."""

    rung: str
    provider: str
    model: str
    revision: str
    attempt: int
    latency_ms: float
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: Decimal | None
    error: str
    purpose: str
    price: str
    cached_tokens: int | None
    wait_ms: float
    first_token_ms: float | None


class RouteOut(BaseModel):
    """Why another role than the ladder's first was tried, and what that saved."""

    to: str
    because: str
    saved_usd: Decimal | None


class ToolUseOut(BaseModel):
    """One use of a tool."""

    tool: str
    arguments: dict[str, Any]
    outcome: str
    ms: float
    error: str


class FateOut(BaseModel):
    """What became of a use of a tool that waited for a person."""

    tool: str
    status: str
    error: str


class OpinionOut(BaseModel):
    """What became of a turn before a person; `answer` and `data` are what they approved, null until then."""

    id: UUID
    kind: str
    status: str
    created_at: datetime
    due_at: datetime
    decided_at: datetime | None
    answer: str | None
    data: dict[str, Any] | None
    note: str | None = Field(description="what the reviewer tells the person who asked")
    complaint: str | None


class FoundOut(BaseModel):
    """A turn as a search finds it, with its model calls; all of it is at /v1/turns/{id}.

    `hidden` names what you may not see of it: those parts are empty or null.
    """

    id: UUID
    started_at: datetime
    usecase: str
    channel: str
    user_id: str
    session_id: UUID | None
    job_id: UUID | None
    outcome: str
    reason: str
    question: str
    answer: str
    data: dict[str, Any] | None
    rung: str
    model: str
    revision: str
    confidence: float | None
    latency_ms: float
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: Decimal | None
    tools: list[ToolUseOut]
    error: str
    trace_id: str
    calls: list[CallOut]
    hidden: list[Hidden] = []


class StoryOut(FoundOut):
    """What happened in a turn, as the ledger keeps it: masked text, pointers, versions, cost."""

    steps: list[StepOut]
    passages: list[EvidenceOut]
    retrieval: list[SearchOut]
    no_longer_readable: int | None = Field(description="documents behind this turn; null unless it is your own")
    citations: list[CitationOut]
    skipped: list[SkipOut]
    actions: list[FateOut]
    reviews: list[OpinionOut]
    route: RouteOut | None
    saved_usd: Decimal | None
    age_s: float | None
    shadow_of: UUID | None
    arm: str | None = Field(None, description="which arm of a rollout answered; empty or null while none was under way")
    findings: list[dict[str, str]]


class JobAccepted(BaseModel):
    """A job that will be done; follow it at `Location`."""

    job_id: UUID


class ItemOut(BaseModel):
    """The result of one item; `review` says what a reviewer made of it, if one was asked."""

    ordinal: int
    turn_id: UUID | None
    outcome: str
    answer: str
    data: dict[str, Any] | None
    review: str | None


class JobOut(BaseModel):
    """Where a job stands: `done` of `total`."""

    id: UUID
    kind: str
    usecase: str
    status: Literal["queued", "running", "cancelling", "succeeded", "failed", "cancelled"]
    total: int
    done: int
    error: str
    attempts: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    result: dict[str, Any] | None


class JobWithItems(JobOut):
    """A job with its finished items."""

    items: list[ItemOut]


class DocumentOut(BaseModel):
    """A document that you may read; `readers` are those of your names that allow it, all of them if it is yours.

    `detail` says why a failed one holds no text, and what was left out of a ready one.
    """

    id: UUID
    usecase: str
    source: str
    path: str
    title: str
    media_type: str
    effective_on: date | None
    superseded: bool
    readers: list[str]
    denied: list[str]
    classification: str
    regions: list[str]
    owner: str
    status: Literal["ready", "failed"]
    detail: str
    updated_at: datetime


class SourceOut(BaseModel):
    """A source of documents; `every_s` null: it is read when somebody asks, `ended_at` null: never yet."""

    name: str
    kind: str
    every_s: float | None
    begun_at: datetime | None
    ended_at: datetime | None
    reading: bool


class UseCaseOut(BaseModel):
    """A use case that you may use: how long your text may be, and which inputs you may send besides.

    `paused` for you; `paused_until` is when that ends by itself, null where nobody has said so.
    """

    name: str
    title: str
    workflow: str
    stream: bool
    mode: Literal["auto", "advise"]
    max_chars: int
    fields: dict[str, list[str]]
    paused: bool
    paused_until: datetime | None = None


class MeOut(BaseModel):
    """Who you are here, and what you may do."""

    user_id: str
    name: str
    groups: list[str]
    permissions: list[str]
    readers: list[str]


class HealthOut(BaseModel):
    """Whether the process can do its work, and each dependency."""

    ready: bool
    checks: dict[str, str] = Field(description='what is wrong with each dependency; "ok" when nothing is')
    notes: list[str] = []
