"""A rollout: by which stages a use case opens, or a candidate takes over from what answers now, and what guards it."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Stage = Literal["off", "shadow", "beta", "percent", "general"]
PERCENTAGES = (1, 10, 25, 50, 100)
# What a rollout's flag says of a person: not let in, answered but not shown, answered as the contract says; or the
# name of the candidate that answers.
CLOSED, UNSEEN, CURRENT = "closed", "unseen", "current"
_Increase = Annotated[float, Field(ge=0, le=1)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Candidate(_Part):
    """Another prompt version, another role (model), or both, that may answer instead of what the contract names."""

    name: str = Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")
    role: str = ""
    prompt_version: Annotated[int, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _differs(self) -> Self:
        if self.name in (CLOSED, UNSEEN, CURRENT):
            raise ValueError(f"a candidate cannot be called {self.name!r}: the platform uses this name itself")
        if not self.role and self.prompt_version is None:
            raise ValueError("name a `role` or a `prompt_version`: a candidate without either changes nothing")
        return self


class Guard(_Part):
    """How much worse than the current one a candidate may be before it is halted, each as a share of its turns.

    `errors`: failed, or answered by a lower rung. `slow`: longer than `slow_ms` (0: the contract's latency.p95_ms).
    `cost`: of the current one's average cost of a turn, where 0.5 is half as dear again. `refusals`: refused for want
    of evidence. `check_failures`: objected to by a check. `thumbs_down`: of the turns that somebody rated; 1 turns
    a comparison off. `alpha` is the chance that a candidate which is no worse is halted within the first `most_turns`
    of each step, in all steps together, if turns do not resemble each other; those of one person do. So of one person
    the latest `most_each` count, and a halt takes `least_people`: it must stand without the others, one fewer than
    that, who weigh most on it. A step may be left after `least_turns` turns of the candidate by as many people. It is
    judged by the latest `most_turns` of them, for as long as it lasts.
    """

    errors: _Increase = 0.02
    slow: _Increase = 0.05
    slow_ms: Annotated[int, Field(ge=0)] = 0
    cost: Annotated[float, Field(ge=0)] = 0.5
    refusals: _Increase = 0.1
    check_failures: _Increase = 0.05
    thumbs_down: _Increase = 0.1
    alpha: Annotated[float, Field(gt=0, le=0.5)] = 0.05
    least_turns: Annotated[int, Field(gt=0)] = 30
    most_turns: Annotated[int, Field(gt=0)] = 1000
    least_people: Annotated[int, Field(gt=0)] = 3
    most_each: Annotated[int, Field(gt=0)] = 10

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.least_turns > self.most_turns:
            raise ValueError(f"least_turns, {self.least_turns}, is more than most_turns, {self.most_turns}")
        return self


class Rollout(_Part):
    """Where the use case starts: whom it is open to before anybody moves it with `app rollout`.

    `off`: nobody. `shadow`: nobody, but whoever asks is answered unseen. `beta`: the `beta_groups`. `percent`: those,
    and `percent` of all who have access. `general`: all who have access. From then on the flag `rollout.<use case>`
    is the truth.
    """

    stage: Stage = "general"
    percent: Annotated[int, Field(ge=1, le=100)] = 1
    beta_groups: tuple[str, ...] = ()
    guard: Guard = Guard()

    @model_validator(mode="after")
    def _somebody(self) -> Self:
        if self.stage == "beta" and not self.beta_groups:
            raise ValueError('stage = "beta" needs beta_groups: the groups that it is open to')
        return self
