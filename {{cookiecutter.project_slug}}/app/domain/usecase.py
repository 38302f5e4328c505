"""A use case: its contract, as people write it in contract.toml, and the code it brings along."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field

from app.domain.identity import EVERYONE, Principal

if TYPE_CHECKING:
    from app.domain.turn import Draft, Finding, Passage, Turn

Share = Annotated[float, Field(ge=0, le=1)]
Money = Annotated[Decimal, Field(gt=0)]
Count = Annotated[int, Field(gt=0)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Owners(_Part):
    """The people behind the use case; "service" means the person of the same role in config/service.toml."""

    workflow: str = Field(min_length=1)
    prompt: str = Field(min_length=1)
    cost: str = Field(min_length=1)
    on_call: str = Field(min_length=1)
    escalation: str = Field(min_length=1)


class Risk(_Part):
    """`auto` answers alone; `advise` keeps every answer until a person has decided."""

    mode: Literal["auto", "advise"]
    classification: Literal["public", "internal", "confidential"]


class Access(_Part):
    """Who may ask: group names, or "everyone"."""

    groups: tuple[str, ...] = Field(min_length=1)

    def admits(self, who: Principal) -> bool:
        """Say whether this person belongs to one of the groups."""
        return EVERYONE in self.groups or bool(set(self.groups) & set(who.groups))


class Input(_Part):
    """What may be sent: the text's length in characters, and the extra fields with their allowed values."""

    max_chars: Count = 4000
    fields: dict[str, tuple[str, ...]] = {}


class Latency(_Part):
    """How fast it must be: p95 in milliseconds, the hard limit in seconds."""

    p95_ms: Count
    timeout_s: Annotated[float, Field(gt=0, le=600)]
    stream: bool = True


class Availability(_Part):
    """The share of turns that must be answered, refused on purpose or escalated: everything but `failed_*`."""

    slo: Annotated[float, Field(gt=0.5, lt=1)] = 0.999


class Traffic(_Part):
    """What is expected."""

    expected_per_day: Count
    peak_per_minute: Count


class Models(_Part):
    """The ladder, best rung first: model roles of config/models.toml, then `extractive` or `rules`."""

    ladder: tuple[str, ...] = Field(min_length=1)
    max_input_tokens: Count = 6000
    max_output_tokens: Count = 700


class Cost(_Part):
    """Budgets in US dollars; `alert_share` is the part of the month's budget at which the owner is warned."""

    per_turn_usd: Money
    per_user_day_usd: Money
    per_month_usd: Money
    alert_share: Share = 0.8


class Value(_Part):
    """What one good answer is worth, in US dollars, by the workflow owner's own estimate."""

    per_answer_usd: Decimal = Decimal(0)


class PromptChoice(_Part):
    """Which prompt file answers: prompts/<name>.v<version>.md."""

    name: str
    version: Count


class Retrieval(_Part):
    """Whether passages are looked up, how many, and the best score a passage needs for an answer to stand on it."""

    enabled: bool = True
    passages: Count = 6
    min_score: Share = 0.0


class Limits(_Part):
    """Requests that one person may send in a minute."""

    per_user_per_minute: Count = 30


class Quality(_Part):
    """The share of evaluation cases that must pass before a change may go out."""

    pass_rate: Share


class Rollout(_Part):
    """Whether the use case is open to those who have access: `off` refuses everybody."""

    stage: Literal["off", "general"] = "general"


class Retention(_Part):
    """How long turns are kept, in days."""

    turns_days: Count = 365


class Sentences(_Part):
    """What people read when there is no answer."""

    no_evidence: str
    paused: str
    unsafe: str
    waiting: str = "A colleague will look at this before you get an answer."


class Contract(_Part):
    """What the use case promises; read by people who do not program, enforced by the platform."""

    title: str = Field(min_length=1)
    workflow: str = Field(min_length=1)
    owners: Owners
    risk: Risk
    access: Access
    input: Input = Input()
    latency: Latency
    availability: Availability = Availability()
    traffic: Traffic
    models: Models
    cost: Cost
    value: Value = Value()
    prompt: PromptChoice
    retrieval: Retrieval = Retrieval()
    limits: Limits = Limits()
    quality: Quality
    rollout: Rollout = Rollout()
    retention: Retention = Retention()
    sentences: Sentences


class Kit(Protocol):
    """What the platform lends to a workflow; every call through it is metered, traced and recorded."""

    async def search(self, question: str) -> "tuple[Passage, ...]":
        """Find passages the asker may read."""
        ...

    async def ask(self, turn: "Turn", *, prompt: str | None = None) -> "Draft":
        """Go down the ladder with the contract's prompt, or with another prompt of this use case."""
        ...


Workflow = Callable[["Turn", Kit], Awaitable["Draft"]]
Check = Callable[["Turn", "Draft"], "Finding | None"]
Rules = Callable[["Turn"], "Draft | None"]


@dataclass(frozen=True, slots=True)
class Source:
    """A folder of documents; `readers_file` (TOML) says who may read each."""

    name: str
    folder: Path
    readers_file: Path


@dataclass(frozen=True, slots=True)
class UseCase:
    """A contract with everything its folder brings."""

    name: str
    folder: Path
    contract: Contract
    checks: tuple[Check, ...] = ()
    sources: tuple[Source, ...] = ()
    workflow: Workflow | None = None
    rules: Rules | None = None
    prompts: Mapping[str, Any] = field(default_factory=dict)
