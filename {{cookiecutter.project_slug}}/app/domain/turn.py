"""One turn: a question on its way to an answer. Immutable; each step gives back a turn that knows more."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Literal, Self
from uuid import UUID, uuid4

from app.domain.identity import Principal
from app.domain.outcome import Outcome
from app.domain.usecase import UseCase
from app.errors import AppError

Channel = Literal["api", "job", "evaluation"]


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a document that the asker may read."""

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


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens used; `cost_usd` is None where no price is known, which is not the same as free."""

    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: Decimal | None = Decimal(0)


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a model, as the ledger keeps it; `started_s` counts from the start of the turn."""

    rung: str
    provider: str
    model: str
    revision: str
    latency_ms: float
    usage: Usage
    error: str = ""
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class Skip:
    """A rung of the ladder that did not answer, and why."""

    rung: str
    reason: str


@dataclass(frozen=True, slots=True)
class Draft:
    """What a rung or workflow proposes; not yet checked. `confidence` is 0 to 1, None where nobody measured it."""

    text: str
    rung: str
    outcome: Outcome
    model: str = ""
    revision: str = ""
    data: Mapping[str, Any] | None = None
    citations: tuple[Citation, ...] = ()
    confidence: float | None = None
    skipped: tuple[Skip, ...] = ()


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
    """What happened while the turn ran; it only grows, so that a failing step still leaves its trace."""

    calls: list[Call] = field(default_factory=list)
    steps: list[StepTime] = field(default_factory=list)

    @property
    def usage(self) -> Usage:
        """Add up the calls; one unpriced call makes the sum unpriced."""
        costs = [call.usage.cost_usd for call in self.calls]
        known = [cost for cost in costs if cost is not None]
        return Usage(
            input_tokens=sum(call.usage.input_tokens for call in self.calls),
            output_tokens=sum(call.usage.output_tokens for call in self.calls),
            cost_usd=sum(known, Decimal(0)) if len(known) == len(costs) else None,
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


Listener = Callable[[str], Awaitable[None]]


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
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    deadline_s: float = 0.0
    history: tuple[Message, ...] = ()
    idempotency: IdempotencyKey | None = None
    job_item: JobItem | None = None
    listener: Listener | None = None
    tape: Tape = field(default_factory=Tape)
    trace_id: str = ""

    screened: str = ""
    masks: Mapping[str, str] = field(default_factory=dict)
    passages: tuple[Passage, ...] = ()
    draft: Draft | None = None
    findings: tuple[Finding, ...] = ()
    answer: str = ""
    outcome: Outcome | None = None
    reason: str = ""
    error: AppError | None = None
    latency_ms: float = 0.0

    def with_(self, **changes: Any) -> Self:
        """Give a turn that knows more."""
        return replace(self, **changes)


class StopTurn(Exception):
    """Ends a turn early with a named outcome; `answer` is what the asker reads, `error` what the door raises."""

    def __init__(self, outcome: Outcome, *, answer: str = "", reason: str = "", error: AppError | None = None) -> None:
        super().__init__(outcome.value)
        self.outcome = outcome
        self.answer = answer
        self.reason = reason or (error.detail if error else "")
        self.error = error
