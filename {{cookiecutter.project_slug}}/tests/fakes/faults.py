"""What can go wrong at a vendor, and when: plans that are used up in order, by name or for all, and chance."""

import random
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

# How long what hangs does so, in seconds, where the plan names no time.
HANG_S = 60.0
PLAIN = (
    "ok", "malformed", "malformed_event", "cut", "trails_off", "wrong_schema", "refusal", "content_filter", "length",
    "empty", "no_evidence", "echo",
)  # fmt: skip
# With `=`: "hang=2" lasts two seconds, "say=Hello" says so, 'tool=find:{"word": "leave"}' calls a tool.
WITH_ARGUMENT = ("hang", "stall", "slow_first_token", "drip", "leak", "alien", "say", "tool")
# "500*" is never used up.
EVER = "*"
# What chance picks from, unless it is told. Waits are far shorter or far longer than any time limit: which of the two
# ends a call is then no matter of luck.
USUAL = (
    "429", "429:retry-after=1", "429:retry-after=date+1", "500", "503", "400", "401", "hang", "stall", "cut",
    "trails_off", "malformed", "malformed_event", "wrong_schema", "refusal", "content_filter", "length", "empty",
    "no_evidence", "leak=30", "alien=30", "slow_first_token=30", "drip=0.01",
)  # fmt: skip


class UnknownFault(ValueError):
    """A plan holds a word that this vendor does not know; the message says which it knows."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One entry of a plan: what goes wrong with one call, `ok` when nothing does."""

    kind: str = "ok"
    argument: str = ""

    @property
    def seconds(self) -> float:
        """Give the argument as seconds; what hangs without one does so for a minute."""
        usual = {"hang": HANG_S, "stall": HANG_S, "slow_first_token": 2.0, "drip": 0.3}
        return float(self.argument) if self.argument else usual.get(self.kind, 0.0)

    @property
    def status(self) -> int:
        """Give the HTTP status of a refusal, 0 for everything else."""
        return int(self.kind) if self.kind.isdigit() else 0


WELL = Fault()


def parse(entry: str) -> Fault:
    """Read one entry of a plan. Raises UnknownFault."""
    kind, _, argument = entry.partition("=")
    kind = kind.partition(":")[0].removesuffix(EVER)
    if not (kind in PLAIN or kind in WITH_ARGUMENT or (kind.isdigit() and 400 <= int(kind) <= 599)):
        known = ", ".join([*PLAIN, *(f"{name}=..." for name in WITH_ARGUMENT), "400 to 599", "429:retry-after=1"])
        raise UnknownFault(f"{entry!r} is not among {known}")
    return Fault(kind, argument)


def checked(plan: Sequence[str]) -> list[str]:
    """Give the plan when every entry is known. Raises UnknownFault."""
    for entry in plan:
        parse(entry)
    return list(plan)


@dataclass(slots=True)
class Chance:
    """Random faults: the same seed gives the nth call of a name the same fault, in whatever order calls arrive."""

    share: float = 0.0
    seed: int = 0
    faults: tuple[str, ...] = USUAL
    _nth: dict[str, int] = field(default_factory=dict)

    def next(self, name: str) -> str:
        """Give what happens to the next call of this name."""
        nth = self._nth[name] = self._nth.get(name, 0) + 1
        draw = random.Random(f"{self.seed} {name} {nth}")
        return draw.choice(self.faults) if draw.random() < self.share else "ok"


@dataclass(slots=True)
class Plans:
    """What was planned: for calls whose prompt holds `[[plan:NAME]]` (`NAME@model`: of one model), and for others."""

    general: deque[str] = field(default_factory=deque)
    named: dict[str, deque[str]] = field(default_factory=dict)
    chance: Chance = field(default_factory=Chance)

    def next(self, name: str, model: str) -> Fault:
        """Use up the next entry for a call; without a plan chance decides, and without chance all is well."""
        plan = (self.named.get(f"{name}@{model}") or self.named.get(name)) if name else self.general
        if plan:
            is_lasting = EVER in plan[0].partition("=")[0]
            return parse(plan[0] if is_lasting else plan.popleft())
        return parse(self.chance.next(name)) if self.chance.share else WELL

    def name(self, plans: Mapping[str, Sequence[str]]) -> None:
        """Set plans by name, in place of older ones of these names. Raises UnknownFault."""
        self.named.update({name: deque(checked(plan)) for name, plan in plans.items()})

    def left(self) -> dict[str, Any]:
        """Give what is not used up yet."""
        return {name: list(plan) for name, plan in self.named.items() if plan}
