"""What a policy forbids an answer to hold: words, patterns, pictures and links that carry data to strangers."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from app.domain.contract import Output
from app.domain.turn import Finding
from app.errors import CannotStart

FILE = "config/output.toml"
_PICTURE = re.compile(r"!\[[^\]\n]{0,300}\]\s?[(\[]|<img\b|<(?:iframe|object|embed|script|link|svg)\b", re.IGNORECASE)
# With or without a scheme where a page would follow it; what follows "//" in a path of ours is no host.
_LINK = re.compile(
    r"(?:\b(?:https?|ftp|wss?)://|(?<=\]\()//|(?<=[\"'=])//)(?:[^\s/@]{0,80}@)?([^\s/:?#)\]>\"'<]{1,253})",
    re.IGNORECASE,
)
_SCRIPT = re.compile(r"\b(?:javascript|vbscript|data):(?=[^\s]{3})", re.IGNORECASE)
_WORD_START = re.compile(r"(?<!\w)\w")
Known = Callable[[], Iterable[str]]


@dataclass(frozen=True, slots=True)
class Policy:
    """What is forbidden in every answer of the service; a contract adds its own under [output]."""

    words: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()

    @classmethod
    def parse(cls, written: Mapping[str, Any]) -> "Policy":
        """Read config/output.toml. Raises CannotStart with every fault."""
        found = dict(written)
        lists = {key: found.pop(key, []) for key in ("words", "patterns", "hosts")}
        faults = [f"there is no key {key!r}; there are: {', '.join(lists)}" for key in found]
        for key, value in lists.items():
            if not (isinstance(value, list) and all(isinstance(each, str) and each.strip() for each in value)):
                faults.append(f"{key}: must be a list of texts that are not empty")
            elif key == "patterns":
                faults += [f"patterns: {fault}" for each in value if (fault := pattern_fault(each))]
        if faults:
            raise CannotStart("\n".join(f"- {FILE}: {fault}" for fault in faults))
        return cls(**{key: tuple(value) for key, value in lists.items()})

    def of(self, output: Output) -> "Rules":
        """Give the rules of one use case."""
        return _rules(self, output)


def pattern_fault(pattern: str) -> str:
    """Say what is wrong with a regular expression; empty when nothing is."""
    try:
        re.compile(pattern)
    except re.error as error:
        return f"{pattern!r} is no regular expression: {error}"
    return ""


@dataclass(frozen=True, slots=True)
class Rules:
    """The policy and a contract's own, ready to be asked; `starts` are the beginnings of all forbidden words."""

    words: re.Pattern[str] | None
    patterns: tuple[re.Pattern[str], ...]
    hosts: frozenset[str]
    images: bool
    links: bool
    starts: frozenset[str]
    longest: int

    def finding(self, text: str, known: Known) -> Finding | None:
        """Give what the policy says against a text; never in the text's own words."""
        if found := self.words_in(text):
            return found
        for place, pattern in enumerate(self.patterns, start=1):
            if pattern.search(text):
                return Finding("unsafe", f"the answer fits pattern {place} that the policy forbids")
        if _SCRIPT.search(text) or (not self.images and _PICTURE.search(text)):
            return Finding("unsafe", "the answer holds a picture or script, which would load as it is read")
        if not self.links and self._strange(text, known):
            return Finding("unsafe", "the answer holds a link to a host that stands in nothing the asker may see")
        return None

    def words_in(self, text: str) -> Finding | None:
        """Give what is wrong with a text that holds forbidden words."""
        if self.words and self.words.search(text):
            return Finding("unsafe", "the answer holds words that the policy forbids")
        return None

    def held(self, text: str, start: int, end: int) -> int:
        """Give where a text must stop that may be growing into forbidden words."""
        if not self.starts:
            return end
        for match in _WORD_START.finditer(text, max(start, end - self.longest), end):
            if match.group().lower() in self.starts and _plain(text[match.start() : end]) in self.starts:
                return match.start()
        return end

    def _strange(self, text: str, known: Known) -> bool:
        hosts = {host.lower().rstrip(".") for host in _LINK.findall(text)}
        strange = {host for host in hosts if not any(host == one or host.endswith(f".{one}") for one in self.hosts)}
        return bool(strange) and any(
            not any(re.search(rf"(?<![\w.-]){re.escape(host)}(?![\w-])", each.lower()) for each in known())
            for host in strange
        )


@lru_cache(maxsize=256)
def _rules(policy: Policy, output: Output) -> Rules:
    phrases = sorted({_plain(word) for word in (*policy.words, *output.words)})
    one_of = "|".join(re.escape(phrase).replace(r"\ ", r"\s+") for phrase in phrases)
    return Rules(
        words=re.compile(rf"(?<!\w)(?:{one_of})(?!\w)", re.IGNORECASE) if phrases else None,
        patterns=tuple(re.compile(each, re.IGNORECASE) for each in (*policy.patterns, *output.patterns)),
        hosts=frozenset(host.lower() for host in (*policy.hosts, *output.hosts)),
        images=output.images,
        links=output.links == "any",
        starts=frozenset(phrase[:length] for phrase in phrases for length in range(1, len(phrase) + 1)),
        longest=max(map(len, phrases), default=0) + 8,
    )


def _plain(text: str) -> str:
    return re.sub(r"\s+", " ", text.strip()).lower() + (" " if text[-1:].isspace() else "")
