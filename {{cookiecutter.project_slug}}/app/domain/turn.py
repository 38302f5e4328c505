"""One turn: a question on its way to an answer. Immutable; each step gives back a turn that knows more."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from secrets import token_hex
from typing import Any, Literal, Self
from uuid import UUID, uuid4

from app.domain.identity import Principal
from app.domain.outcome import Outcome
from app.domain.quota import Quota
from app.domain.usecase import UseCase
from app.errors import AppError

Channel = Literal["api", "openai", "job", "evaluation", "shadow"]
Purpose = Literal["answer", "reask", "route", "screen", "agent", "embed", "rerank"]
# The calls that made the answer itself; the others found what it stands on, or decided whether and by whom.
ANSWERING: tuple[Purpose, ...] = ("answer", "reask", "agent")
# Where a call's cost comes from: your own price, the public list, nothing to pay, or nobody knows.
Price = Literal["own", "list", "free", "unpriced"]

MARK_BYTES = 4


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a document that the asker may read.

    `anchor` names the place for good: the same words at the same place have it again after the document was read anew.
    """

    chunk_id: int
    document_id: UUID
    title: str
    uri: str
    text: str
    score: float
    heading: str = ""
    page: int | None = None
    effective_on: date | None = None
    visible_by: tuple[str, ...] = ()
    suspicious: bool = False
    anchor: str = ""


@dataclass(frozen=True, slots=True)
class Considered:
    """A passage that a search looked at: its score per stage (`words`, `vector`, `fused`, `rerank`), and its fate.

    `kept` passages went on to the answer; `because` says in a few words why one did not, or what was done with it.
    """

    chunk_id: int
    document_id: UUID
    scores: Mapping[str, float]
    kept: bool
    because: str = ""


@dataclass(frozen=True, slots=True)
class Retrieval:
    """One search as it was done: for whom it filtered, how it went about it, and what became of each passage.

    `filter` holds the claims that were applied, never those of others; `plan` is exact, index, index+exact (the
    index gave too few), words (no vector) or none (nothing visible); `visible_chunks` is how many the asker may read.
    `without_vectors` says why the words alone were searched, and is empty otherwise.
    """

    subject: str
    filter: Mapping[str, Any]
    plan: str
    space: str
    visible_chunks: int
    considered: tuple[Considered, ...] = ()
    ms: float = 0.0
    without_vectors: str = ""


@dataclass(frozen=True, slots=True)
class Citation:
    """A pointer from the answer, `[marker]`, to the passage that supports it."""

    marker: int
    document_id: UUID
    title: str
    uri: str
    quote: str
    heading: str = ""
    page: int | None = None
    anchor: str = ""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens used; `cost_usd` is None where no price is known, which is not the same as free.

    `cached_tokens` are those of the input that the vendor had read before, and charges less for.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: Decimal | None = Decimal(0)
    cached_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a model, as the ledger keeps it; `wait_ms` was spent in the queue before the model's door."""

    rung: str
    provider: str
    model: str
    revision: str
    latency_ms: float
    usage: Usage
    error: str = ""
    attempt: int = 1
    purpose: Purpose = "answer"
    price: Price = "free"
    wait_ms: float = 0.0
    first_token_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """The decision to try another role first, and the US dollars that it saved (None where no price is known)."""

    to: str
    because: str
    saved_usd: Decimal | None = None


@dataclass(frozen=True, slots=True)
class ToolUse:
    """One use of a tool; `outcome` is ran, failed, refused, or waits (for a person's approval)."""

    tool: str
    arguments: Mapping[str, Any]
    outcome: Literal["ran", "failed", "refused", "waits"]
    ms: float = 0.0
    error: str = ""


@dataclass(frozen=True, slots=True)
class Skip:
    """A rung of the ladder that did not answer, and why."""

    rung: str
    reason: str


@dataclass(frozen=True, slots=True)
class Draft:
    """What a rung or workflow proposes; not yet checked. `confidence` is 0 to 1, None where nobody measured it.

    `age_s` is the age of an answer that was given before; `actions` are uses of tools that wait for a person.
    """

    text: str
    rung: str
    outcome: Outcome
    model: str = ""
    revision: str = ""
    data: Mapping[str, Any] | None = None
    citations: tuple[Citation, ...] = ()
    confidence: float | None = None
    age_s: float | None = None
    actions: tuple[ToolUse, ...] = ()


@dataclass(frozen=True, slots=True)
class Remembered:
    """An answer that was given before, with the passages it stands on; all of it masked."""

    draft: Draft
    passages: tuple[Passage, ...]
    turn_id: UUID
    said_at: datetime
    cost_usd: Decimal | None


@dataclass(frozen=True, slots=True)
class Ticket:
    """The place of this turn's answer in the cache; who `leads` makes the answer that others wait for.

    `scope` and `vector` are there for a use case whose cache is semantic: all of the key but the question, and the
    question.
    """

    key: str
    token: str
    leads: bool
    scope: str = ""
    vector: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found wrong with a draft."""

    check: str
    detail: str


@dataclass(frozen=True, slots=True)
class Message:
    """One thing said in a session."""

    role: Literal["user", "assistant"]
    text: str


@dataclass(frozen=True, slots=True)
class StepTime:
    """How long a step took, in milliseconds."""

    step: str
    ms: float


@dataclass(slots=True)
class Tape:
    """What happened while the turn ran; it only grows, so that a failing step still leaves its trace.

    `raw` is what a model said that could not be used: a reviewer sees it. `told` is what tools and searches of a
    workflow gave the model, masked; it is not recorded. `flags` are those that the workflow asked. `saved_usd` is
    what a cached answer would have cost again.
    """

    calls: list[Call] = field(default_factory=list)
    steps: list[StepTime] = field(default_factory=list)
    skipped: list[Skip] = field(default_factory=list)
    tools: list[ToolUse] = field(default_factory=list)
    retrievals: list[Retrieval] = field(default_factory=list)
    route: Route | None = None
    raw: str = ""
    told: list[str] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)
    saved_usd: Decimal = Decimal(0)
    quotas: list[Quota] = field(default_factory=list)

    @property
    def usage(self) -> Usage:
        """Add up the calls; one unpriced call makes the sum unpriced."""
        costs = [call.usage.cost_usd for call in self.calls]
        known = [cost for cost in costs if cost is not None]
        return Usage(
            input_tokens=sum(call.usage.input_tokens for call in self.calls),
            output_tokens=sum(call.usage.output_tokens for call in self.calls),
            cost_usd=sum(known, Decimal(0)) if len(known) == len(costs) else None,
            cached_tokens=sum(call.usage.cached_tokens for call in self.calls),
        )


@dataclass(frozen=True, slots=True)
class JobItem:
    """The place of this turn in a job; `lease` proves that this worker still holds the job."""

    job_id: UUID
    ordinal: int
    lease: UUID


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """The caller's promise that two requests are one."""

    key: str
    request_hash: str


# A piece of text; or, for structured answers, all fields that are complete so far.
Delta = str | Mapping[str, Any]
Listener = Callable[[Delta], Awaitable[None]]


def _mark() -> str:
    return token_hex(MARK_BYTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A question on its way to an answer. `deadline_s` is on the event loop's clock."""

    usecase: UseCase
    principal: Principal
    question: str
    id: UUID = field(default_factory=uuid4)
    fields: Mapping[str, str] = field(default_factory=dict)
    session_id: UUID | None = None
    channel: Channel = "api"
    # Where it was asked from; empty for what no limit of an address stands before.
    address: str = ""
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    deadline_s: float = 0.0
    history: tuple[Message, ...] = ()
    idempotency: IdempotencyKey | None = None
    job_item: JobItem | None = None
    shadow_of: UUID | None = None
    listener: Listener | None = None
    tape: Tape = field(default_factory=Tape)
    trace_id: str = ""
    # Marks off the data in this turn's prompts; nobody who wrote the data can know it.
    mark: str = field(default_factory=_mark)
    # Stands in the system prompt, and must never come out; empty for none.
    canary: str = ""
    # Which arm of a rollout answers: the candidate's name, `current`, `unseen`, or nothing while none is under way.
    arm: str = ""
    # Why no model may be asked for this turn; what needs none may answer it.
    paused: str = ""

    screened: str = ""
    masks: Mapping[str, str] = field(default_factory=dict)
    ticket: Ticket | None = None
    stale: Remembered | None = None
    passages: tuple[Passage, ...] = ()
    draft: Draft | None = None
    findings: tuple[Finding, ...] = ()
    answer: str = ""
    outcome: Outcome | None = None
    reason: str = ""
    error: AppError | None = None
    latency_ms: float = 0.0

    @property
    def is_interactive(self) -> bool:
        """Say whether somebody sits and waits: such turns go before queued ones."""
        return self.channel in ("api", "openai")

    def with_(self, **changes: Any) -> Self:
        """Give a turn that knows more."""
        return replace(self, **changes)


class StopTurn(Exception):
    """Ends a turn early with a named outcome; `answer` is what the asker reads, `error` what the door raises.

    `turn` is the turn as the step that stops it knows it by then, where that is more than the step was given.
    """

    def __init__(
        self,
        outcome: Outcome,
        *,
        answer: str = "",
        reason: str = "",
        error: AppError | None = None,
        findings: tuple[Finding, ...] = (),
        turn: Turn | None = None,
    ) -> None:
        super().__init__(outcome.value)
        self.findings, self.turn = findings, turn
        self.outcome = outcome
        self.answer = answer
        self.reason = reason or (error.detail if error else "")
        self.error = error
