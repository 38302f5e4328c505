"""The contract of a use case, as people write it in contract.toml."""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.domain.access import EVERYONE
from app.domain.identity import Principal

Share = Annotated[float, Field(ge=0, le=1)]
Money = Annotated[Decimal, Field(gt=0)]
Count = Annotated[int, Field(gt=0)]
# The text search configurations that PostgreSQL brings; `simple` cuts no endings.
Language = Literal[
    "simple", "arabic", "armenian", "basque", "catalan", "danish", "dutch", "english", "finnish", "french", "german",
    "greek", "hindi", "hungarian", "indonesian", "irish", "italian", "lithuanian", "nepali", "norwegian", "portuguese",
    "romanian", "russian", "serbian", "spanish", "swedish", "tamil", "turkish", "yiddish",
]  # fmt: skip


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
    """The ladder, best rung first: roles of config/models.toml, then `cached`, `extractive`, `rules`, `person`."""

    ladder: tuple[str, ...] = Field(min_length=1)
    max_input_tokens: Count = 6000
    max_output_tokens: Count = 700


class RouteRule(_Part):
    """Turns for which all that is stated here holds try the role `to` before the ladder's first rung.

    `words`: the question holds one of them. `classifier`: a prompt of this use case (such as `simple.v1`) that answers
    {"simple": true}; it is asked last, of the role `to`.
    """

    to: str = Field(min_length=1)
    because: str = Field(min_length=1)
    max_chars: Count | None = None
    words: tuple[str, ...] = ()
    fields: dict[str, tuple[str, ...]] = {}
    groups: tuple[str, ...] = ()
    classifier: str = ""


class Cache(_Part):
    """How long an answer is given again at once (`fresh_s`), and as the rung `cached` (`stale_s`); 0 turns it off.

    `semantic` also finds answers to questions that mean the same: it needs an embedding model, and the cosine
    `threshold` that `app cache` measured on the evaluation set.
    """

    fresh_s: Annotated[int, Field(ge=0)] = 0
    stale_s: Annotated[int, Field(ge=0)] = 0
    semantic: bool = False
    threshold: Annotated[float, Field(gt=0, le=1)] | None = None


class Agent(_Part):
    """Bounds of a workflow that lets a model use tools: model calls, tokens and US dollars of one turn."""

    max_steps: Count = 6
    max_tokens: Count = 20_000


class Shadow(_Part):
    """Another role that answers a share of the turns as well, unseen, to compare both in the ledger."""

    role: str = ""
    share: Share = 0.0


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
    """Whether passages are looked up, how many, in how many tokens, and the score that each needs.

    `language` is that of documents that are too short to tell theirs, or in none that is known.
    """

    enabled: bool = True
    passages: Count = 6
    max_tokens: Count = 3000
    min_score: Share = 0.0
    language: Language = "english"


class Limits(_Part):
    """Requests that one person may send in a minute."""

    per_user_per_minute: Count = 30


class Quality(_Part):
    """The share of cases that must pass before a change may go out, and of right passages among the first five."""

    pass_rate: Share
    recall_at_5: Share = 0.0


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
    routes: tuple[RouteRule, ...] = ()
    cache: Cache = Cache()
    agent: Agent = Agent()
    shadow: Shadow = Shadow()
    cost: Cost
    value: Value = Value()
    prompt: PromptChoice
    retrieval: Retrieval = Retrieval()
    limits: Limits = Limits()
    quality: Quality
    rollout: Rollout = Rollout()
    retention: Retention = Retention()
    sentences: Sentences
