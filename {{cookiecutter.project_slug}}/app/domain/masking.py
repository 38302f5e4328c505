"""Placeholders: what stands for personal data, the one grammar of them, and the map that puts the data back."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, Self, get_args

Kind = Literal["NAME", "EMAIL", "PHONE", "ID", "IBAN", "CARD", "ADDRESS", "IP", "BIRTHDATE", "SECRET"]
KINDS: tuple[Kind, ...] = get_args(Kind)
# A text that looks like a placeholder and is none: it is replaced like personal data, so that it comes back as it was.
LOOKALIKE = "TEXT"
PLACEHOLDER = re.compile(r"<[A-Z]+_\d+>")
# What may still grow into a placeholder; held back while an answer streams.
UNFINISHED = re.compile(r"<[A-Z]*(?:_\d*)?$")


@dataclass(frozen=True, slots=True)
class Found:
    """A piece of personal data in a text: from `start` up to `end`, of a kind."""

    start: int
    end: int
    kind: str


class Recogniser(Protocol):
    """Finds personal data; one that `is_slow` must not run on the event loop."""

    @property
    def is_slow(self) -> bool:
        """Say whether it takes more than a few milliseconds for a kilobyte."""
        ...

    def find(self, text: str) -> Iterable[Found]:
        """Give what it finds, in any order; pieces may overlap."""
        ...


@dataclass(frozen=True, slots=True)
class Rules:
    """Who looks for personal data, what kinds are let through, and which kinds no third party may be sent at all.

    `third_parties` and `own_unmasked` are the contract's: whether models of others may be asked, and whether a model of
    one's own is sent the text as it is.
    """

    recognisers: tuple[Recogniser, ...] = ()
    allowed: frozenset[str] = frozenset()
    refused: frozenset[str] = frozenset()
    third_parties: bool = True
    own_unmasked: bool = False

    @property
    def is_slow(self) -> bool:
        """Say whether looking belongs into a thread."""
        return any(each.is_slow for each in self.recognisers)


@dataclass(slots=True)
class Met:
    """The kinds of personal data that a turn has met, and the map its session had before; its maps share one."""

    kinds: set[str] = field(default_factory=set)
    before: Mapping[str, str] = field(default_factory=dict)


class Masks(dict[str, str]):
    """Placeholder -> original, with the rules by which it grows and the kinds that this turn has met."""

    __slots__ = ("met", "rules")

    def __init__(
        self, known: Mapping[str, str] | Iterable[tuple[str, str]] = (), *, rules: Rules, met: Met | None = None
    ) -> None:
        super().__init__(known)
        self.rules, self.met = rules, met or Met()

    def copy(self) -> Self:
        """Give a map of its own that grows by the same rules."""
        return type(self)(self, rules=self.rules, met=self.met)

    @property
    def refused(self) -> frozenset[str]:
        """Give the kinds that this turn has met and no third party may be sent."""
        return self.rules.refused & self.met.kinds


def unmask(text: str, masks: Mapping[str, str]) -> str:
    """Put the originals back; a placeholder nobody gave out stays as it is."""
    return PLACEHOLDER.sub(lambda match: masks.get(match.group(), match.group()), text) if masks else text


def unmasked(value: Any, masks: Mapping[str, str]) -> Any:
    """Put the originals back into every text of structured data, its keys too."""
    if isinstance(value, str):
        return unmask(value, masks)
    if isinstance(value, Mapping):
        return {unmask(key, masks): unmasked(part, masks) for key, part in value.items()}
    return [unmasked(part, masks) for part in value] if isinstance(value, list | tuple) else value


def lasting(masks: Mapping[str, str], texts: Iterable[str]) -> dict[str, str] | None:
    """Give the map that a session keeps: what it had, and what was said now; None where that is the same."""
    before = masks.met.before if isinstance(masks, Masks) else masks
    kept = {**before, **mentioned(texts, masks)}
    return None if len(kept) == len(before) else kept


def with_unknown(text: str, masks: Mapping[str, str]) -> dict[str, str]:
    """Add the placeholders of a text whose values nobody knows any more, with none: they are not given out again."""
    return dict.fromkeys(PLACEHOLDER.findall(text), "") | dict(masks)


def without_unknown(masks: Mapping[str, str]) -> dict[str, str]:
    """Leave out what `with_unknown` added."""
    return {name: value for name, value in masks.items() if value}


def mentioned(texts: Iterable[str], masks: Mapping[str, str]) -> dict[str, str]:
    """Give the part of the map that these texts need."""
    names = {name for text in texts for name in PLACEHOLDER.findall(text)}
    return {name: masks[name] for name in sorted(names) if name in masks}
