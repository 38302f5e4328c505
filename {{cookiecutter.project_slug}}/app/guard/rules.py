"""A rule: what a kind of personal data looks like, what proves it, and which words before it give it away."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from app.domain.masking import Found

# How far before a number the word may stand that says what it is.
CUE_CHARS = 40
# A shorter word counts only where no letter follows it.
_WHOLE_CHARS = 4
_SEPARATORS = str.maketrans("", "", " -./\u00a0\u2011\u2013")
# Numbers, with what joins their parts; letters between them as in account numbers.
_NUMBERS = re.compile(r"\d\w*(?:[ ./()+:-]{1,3}[^\W\d_]{0,3}[ ]?\d\w*)*")
_DIGITS = re.compile(r"\d")
_LEFT, _RIGHT = 10, 6
Proof = Callable[[str], bool]


def always(value: str) -> bool:
    """Take the shape alone for proof."""
    return True


class Look:
    """A text that is looked through, with what all rules want to know of it; each is found out at most once."""

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def low(self) -> str:
        """Give the text in small letters; it may have another length."""
        return self.text.lower()

    @cached_property
    def windows(self) -> Sequence[tuple[int, int, int]]:
        """Give the places with digits (start, end, how many), letters that may belong to them included."""
        text, found = self.text, []
        for match in _NUMBERS.finditer(text):
            start, end = max(0, match.start() - _LEFT), min(len(text), match.end() + _RIGHT)
            while end < len(text) and text[end].isalnum():
                end += 1
            found.append((start, end, len(_DIGITS.findall(match.group()))))
        return found

    def has(self, words: Sequence[str]) -> bool:
        """Say whether one of these stands anywhere in the text."""
        return any(word in self.low for word in words)


@dataclass(frozen=True, slots=True)
class Rule:
    """One form of personal data.

    `proof` sees the value without separators, in capitals. With a `cue` (one of these in the words just before) the
    shape is enough; without one the proof must hold, and a rule that is not `alone` finds nothing. A rule with `digits`
    looks only where so many stand together; without one of `words` (if any) a text is not searched.
    """

    kind: str
    label: str
    pattern: re.Pattern[str]
    proof: Proof = always
    cue: tuple[str, ...] = ()
    alone: bool = True
    digits: int = 0
    words: tuple[str, ...] = ()
    group: int = 0

    def find(self, look: Look) -> Iterator[Found]:
        """Give every place of the text where this holds."""
        words = self.words or (() if self.alone else self.cue)
        if words and not look.has(words):
            return
        for match in self._matches(look):
            start, end = match.span(self.group)
            if start < end and self._holds(look.text, start, end):
                yield Found(start, end, self.kind)

    def _matches(self, look: Look) -> Iterator[re.Match[str]]:
        if not self.digits:
            yield from self.pattern.finditer(look.text)
            return
        for start, end, digits in look.windows:
            if digits >= self.digits:
                yield from self.pattern.finditer(look.text, start, end)

    def _holds(self, text: str, start: int, end: int) -> bool:
        return (self.alone and self.proof(plain(text[start:end]))) or is_announced(text, start, self.cue)


def plain(value: str) -> str:
    """Give the value without separators, in capitals."""
    return value.translate(_SEPARATORS).upper()


def is_announced(text: str, start: int, cue: Sequence[str]) -> bool:
    """Say whether one of these words stands just before the place, at the beginning of a word."""
    if not cue:
        return False
    before = text[max(0, start - CUE_CHARS) : start].lower()
    for word in cue:
        place = before.find(word)
        while place >= 0:
            end = place + len(word)
            is_whole = len(word) > _WHOLE_CHARS or word[-1] == " " or not before[end : end + 1].isalpha()
            if is_whole and not before[place - 1 : place].isalpha():
                return True
            place = before.find(word, place + 1)
    return False


def n(times: str) -> str:
    """Write how often something comes, in a pattern that is put together: braces of its own would be read as others."""
    return "{" + times + "}"


def shape(pattern: str) -> re.Pattern[str]:
    """Find this with no letter, digit or joining sign around it, in capitals or not."""
    return re.compile(rf"(?<![\w+#])(?<![\d][.,/-])(?:{pattern})(?![^\W_])(?![.,/-]?\d)", re.IGNORECASE)
