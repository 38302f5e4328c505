"""The contract of a use case, as people write it in contract.toml."""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.domain.access import EVERYONE
from app.domain.identity import Permission, Principal
from app.domain.masking import Kind
from app.domain.review import Reviews
from app.domain.rollout import Candidate, Rollout

Share = Annotated[float, Field(ge=0, le=1)]
Money = Annotated[Decimal, Field(gt=0)]
Count = Annotated[int, Field(gt=0)]
Handling = Literal["mask", "allow", "refuse"]
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
    """Who may ask, what they may send, and what they may see: group names, or "everyone".

    A list here narrows what permissions of config/roles.toml allow, and never widens it. `fields` name who may send an
    input of `[input.fields]`, or one of its values; `max_chars` groups whose text may be longer than `input.max_chars`.
    """

    groups: tuple[str, ...] = Field(min_length=1)
    jobs: tuple[str, ...] = (EVERYONE,)
    documents: tuple[str, ...] = (EVERYONE,)
    fields: dict[str, tuple[str, ...]] = {}
    max_chars: dict[str, Count] = {}
    see_cost: tuple[str, ...] = (EVERYONE,)
    see_evidence: tuple[str, ...] = (EVERYONE,)
    see_others: tuple[str, ...] = (EVERYONE,)

    def admits(self, who: Principal) -> bool:
        """Say whether this person may ask at all."""
        return _is_in(who, self.groups)

    def takes_jobs(self, who: Principal) -> bool:
        """Say whether this person may queue turns here."""
        return self.admits(who) and who.may(Permission.SUBMIT_JOBS) and _is_in(who, self.jobs)

    def takes_documents(self, who: Principal) -> bool:
        """Say whether this person may send documents to this use case."""
        return self.admits(who) and who.may(Permission.WRITE_DOCUMENTS) and _is_in(who, self.documents)

    def takes_field(self, who: Principal, name: str, value: str) -> bool:
        """Say whether this person may send the field with this value; `region` and `region.north` may both be named."""
        groups = (self.fields.get(key) for key in (name, f"{name}.{value}"))
        return all(_is_in(who, named) for named in groups if named is not None)

    def most_chars(self, who: Principal, usual: int) -> int:
        """Give how long this person's text may be; the longest of their groups counts."""
        return max([usual, *(count for group, count in self.max_chars.items() if _is_in(who, (group,)))])

    def shows_cost(self, who: Principal) -> bool:
        """Say whether this person may see what turns cost that they may read."""
        return who.may(Permission.SEE_COST) and _is_in(who, self.see_cost)

    def shows_evidence(self, who: Principal) -> bool:
        """Say whether this person may see how the turns came about that they may read."""
        return who.may(Permission.SEE_EVIDENCE) and _is_in(who, self.see_evidence)

    def shows_others(self, who: Principal) -> bool:
        """Say whether this person may read other people's turns here."""
        return who.may(Permission.READ_ALL_TURNS) and _is_in(who, self.see_others)


def _is_in(who: Principal, groups: tuple[str, ...]) -> bool:
    return EVERYONE in groups or bool(set(groups) & set(who.groups))


class Input(_Part):
    """What may be sent: the text's length in characters, its languages, and the extra fields with their allowed values.

    With `languages`, a text that is certainly in another one is refused; one that is too short to tell is not.
    """

    max_chars: Count = 4000
    languages: tuple[Language, ...] = ()
    fields: dict[str, tuple[str, ...]] = {}


class Output(_Part):
    """What an answer may hold, beside what config/output.toml forbids everywhere.

    `words` (phrases too) and `patterns` (regular expressions) are forbidden; with patterns, streams show whole
    sentences. Links go to hosts that the asker may see already and to `hosts` ("known"), or anywhere ("any");
    `personal_data` likewise. `classifier`: a prompt of this use case that answers {"unsafe": true}; streams then wait.
    """

    max_chars: Count | None = None
    words: tuple[Annotated[str, Field(min_length=2)], ...] = ()
    patterns: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    hosts: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    links: Literal["known", "any"] = "known"
    images: bool = False
    personal_data: Literal["known", "any"] = "known"
    classifier: str = ""


class Injection(_Part):
    """From which score on (0 to 1) a question counts as orders to the model, and is refused.

    `classifier`: a prompt of this use case (such as `guard.v1`) that answers {"injection": true}. It is asked of `role`
    where the score lies between `classifier_from` and `threshold`, within `classifier_ms`; when it gives no verdict in
    time, `on_fault` says whether the question passes or is refused.
    """

    threshold: Share = 0.7
    classifier: str = ""
    role: str = ""
    classifier_from: Share = 0.2
    classifier_ms: Count = 800
    on_fault: Literal["pass", "refuse"] = "pass"


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
    """Who answers a share of the turns as well, unseen, to be compared: another `role`, or one of `[[candidates]]`.

    It has a budget of its own in US dollars; left out, a tenth of cost.per_month_usd. `judge`: the role that says which
    of both answers is better; left out, nobody is asked.
    """

    role: str = ""
    candidate: str = ""
    share: Share = 0.0
    per_month_usd: Money | None = None
    judge: str = ""


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
    """What one person may do here, and what all people together may; left out: as config/limits.toml says."""

    per_user_per_minute: Count = 30
    concurrent_per_user: Count | None = None
    tokens_per_user_per_minute: Count | None = None
    per_minute: Count | None = None
    concurrent: Count | None = None
    tokens_per_minute: Count | None = None


class Quality(_Part):
    """The share of cases that must pass before a change may go out, and of right passages among the first five."""

    pass_rate: Share
    recall_at_5: Share = 0.0


class Retention(_Part):
    """How long turns are kept, in days."""

    turns_days: Count = 365


class Privacy(_Part):
    """What becomes of personal data before a text leaves for a model.

    `personal_data` is what happens with every kind, `kinds` names exceptions: `mask` it; `allow` it to be sent as is;
    or `refuse`: a turn that holds it asks no third party. `third_parties`: `refuse` asks none at all, and
    `refuse_without_model` none while no model looks for names. `own_models`: what models marked `trusted` in
    config/models.toml are sent, `mask` or `allow` (as it is). `name_fields` are fields that hold the name of a person.
    """

    personal_data: Handling = "mask"
    kinds: dict[Kind, Handling] = {}
    third_parties: Literal["allow", "refuse", "refuse_without_model"] = "allow"
    own_models: Literal["mask", "allow"] = "mask"
    name_fields: tuple[str, ...] = ()

    def of(self, kind: Kind) -> Handling:
        """Say what happens with a kind of personal data."""
        return self.kinds.get(kind, self.personal_data)


class Paused(_Part):
    """What people get while a switch is off for them: the `sentence`, or what needs `no_model` (cached, quoted, rules).

    The break-glass gives everybody the sentence.
    """

    answer: Literal["sentence", "no_model"] = "sentence"


class Sentences(_Part):
    """What people read when there is no answer."""

    no_evidence: str
    paused: str
    unsafe: str
    private: str = "This holds personal data that no outside service may be given, so it cannot be answered here."
    waiting: str = "A colleague will look at this before you get an answer."
    declined: str = "A colleague has looked at this and decided not to give an answer."


class Contract(_Part):
    """What the use case promises; read by people who do not program, enforced by the platform."""

    title: str = Field(min_length=1)
    workflow: str = Field(min_length=1)
    owners: Owners
    risk: Risk
    reviews: Reviews = Reviews()
    access: Access
    input: Input = Input()
    injection: Injection = Injection()
    output: Output = Output()
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
    candidates: tuple[Candidate, ...] = ()
    retention: Retention = Retention()
    privacy: Privacy = Privacy()
    paused: Paused = Paused()
    sentences: Sentences

    @property
    def shadow_usd(self) -> Decimal:
        """Give what shadows of this use case may cost in a month, in US dollars."""
        return self.shadow.per_month_usd or self.cost.per_month_usd / 10

    def fields_for(self, who: Principal) -> dict[str, list[str]]:
        """Give the extra inputs, with their values, that this person may send."""
        found = {
            name: [value for value in values if self.access.takes_field(who, name, value)]
            for name, values in self.input.fields.items()
        }
        return {name: values for name, values in found.items() if values}
