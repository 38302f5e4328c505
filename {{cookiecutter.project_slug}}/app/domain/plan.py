"""Where a rollout stands, and the steps that it takes: off, unseen, beta, 1 to 100 per cent, everybody."""

from dataclasses import dataclass, replace
from typing import Any, cast, get_args

from app.domain.rollout import CLOSED, CURRENT, PERCENTAGES, UNSEEN, Stage
from app.errors import BadInput, quoted

PREFIX = "rollout."
STEPS = ("off", "shadow", "beta", *(f"percent:{share}" for share in PERCENTAGES), "general")
# Between the parts of a list: flagd's metadata holds words and numbers only.
_SEPARATOR = "\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a rollout's flag says. Without a `candidate` the use case itself opens.

    `passed` are the steps that were left for the next one, the oldest first: a breach leads back to the last of them.
    `halted` says what the last halt was for, until it is started again. `by_contract`: nobody has moved it yet.
    """

    stage: Stage = "general"
    percent: int = 0
    candidate: str = ""
    beta_groups: tuple[str, ...] = ()
    passed: tuple[str, ...] = ()
    halted: str = ""
    by_contract: bool = False

    @property
    def step(self) -> str:
        """Name the step, as in `percent:10`."""
        return f"percent:{self.percent}" if self.stage == "percent" else self.stage

    @property
    def good(self) -> str:
        """Name the last good step: where a breach leads back to."""
        return self.passed[-1] if self.passed else "off"

    @property
    def is_partial(self) -> bool:
        """Say whether some people get what others do not: only then is there something to compare."""
        return self.stage in ("beta", "percent")

    def at(self, step: str, *, passed: tuple[str, ...] = (), halted: str = "") -> "Plan":
        """Give the plan at another step."""
        stage, percent = stage_of(step)
        return replace(self, stage=stage, percent=percent, passed=passed, halted=halted, by_contract=False)

    def advanced(self) -> "Plan":
        """Give the plan one step on. Raises BadInput where there is none, or while it is halted."""
        if self.halted:
            raise BadInput(f"This rollout was halted: {self.halted} Start it again once the cause is gone.")
        following = [step for step in STEPS if _reach(step) > _reach(self.step) and self._has(step)]
        if not following:
            raise BadInput("This rollout is at its last stage: everybody is answered so.")
        return self.at(following[0], passed=(*self.passed, self.step))

    def returned(self, *, halted: str = "") -> "Plan":
        """Give the plan at its last good step; a halt holds wherever it goes. Raises BadInput where there is none."""
        if self.stage == "off":
            raise BadInput("This rollout is off already; there is no stage before that.")
        if self.stage == "general" and not (self.candidate or self.passed):
            raise BadInput("This was never rolled out: everybody has it. To turn it off, pause it.")
        return self.at(self.good, passed=self.passed[:-1], halted=halted or self.halted)

    def _has(self, step: str) -> bool:
        return step != "beta" or bool(self.beta_groups)


def stage_of(step: str) -> tuple[Stage, int]:
    """Take a step apart: its stage, and its per cent (0 where that means nothing). Raises BadInput."""
    stage, _, share = step.partition(":")
    if stage == "percent" and share.isascii() and share.isdigit() and 1 <= int(share) <= 100:
        return "percent", int(share)
    if stage in get_args(Stage) and stage != "percent" and not share:
        return cast(Stage, stage), 0
    raise BadInput(f"There is no stage {quoted(step)}; there are: {', '.join(STEPS)}.")


def _reach(step: str) -> tuple[int, int]:
    stage, percent = stage_of(step)
    return get_args(Stage).index(stage), percent


def key_of(usecase: str) -> str:
    """Give the key of the flag that holds a use case's rollout."""
    return PREFIX + usecase


def definition(usecase: str, plan: Plan) -> dict[str, Any]:
    """Give the flag in flagd's format: for whom which answer, and in its metadata the plan itself.

    A person keeps their place as the percentage grows (flagd's `fractional` counts from the first variant), and has
    another one for each candidate.
    """
    chosen = plan.candidate or CURRENT
    other = CURRENT if plan.candidate else CLOSED
    made: dict[str, Any] = {
        "state": "ENABLED",
        "variants": {name: name for name in dict.fromkeys((CLOSED, UNSEEN, CURRENT, chosen))},
        "defaultVariant": _for_all(plan, chosen, other),
        "metadata": _metadata(plan),
    }
    if plan.is_partial:
        made["targeting"] = _targeting(usecase, plan, chosen, other)
    return made


def _for_all(plan: Plan, chosen: str, other: str) -> str:
    if plan.stage == "shadow":
        return CURRENT if plan.candidate else UNSEEN
    return chosen if plan.stage == "general" else other


def _targeting(usecase: str, plan: Plan, chosen: str, other: str) -> dict[str, Any]:
    place = {"cat": [f"{usecase}/{plan.candidate}/", {"var": "targetingKey"}]}
    shares = {"fractional": [place, [chosen, plan.percent], [other, 100 - plan.percent]]}
    rest: Any = shares if plan.stage == "percent" else other
    if not plan.beta_groups:
        return shares
    is_tester = {"or": [{"in": [group, {"var": "groups"}]} for group in plan.beta_groups]}
    return {"if": [is_tester, chosen, rest]}


def _metadata(plan: Plan) -> dict[str, Any]:
    return {
        "stage": plan.stage,
        "percent": plan.percent,
        "candidate": plan.candidate,
        "beta_groups": _SEPARATOR.join(plan.beta_groups),
        "passed": _SEPARATOR.join(plan.passed),
        "halted": plan.halted,
        "by_contract": plan.by_contract,
    }


def plan_of(stored: dict[str, Any]) -> Plan | None:
    """Read the plan out of a flag; None where somebody else wrote the flag, and only its values count."""
    said = stored.get("metadata")
    if not isinstance(said, dict) or said.get("stage") not in get_args(Stage):
        return None
    return Plan(
        stage=said["stage"],
        percent=int(said.get("percent", 0)),
        candidate=str(said.get("candidate", "")),
        beta_groups=_parts(said.get("beta_groups", "")),
        passed=_parts(said.get("passed", "")),
        halted=str(said.get("halted", "")),
        by_contract=bool(said.get("by_contract", False)),
    )


def _parts(text: str) -> tuple[str, ...]:
    return tuple(text.split(_SEPARATOR)) if text else ()
