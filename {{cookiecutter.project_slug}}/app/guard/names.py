"""Names of people: by the words around them, by usual given names, and of those whom the service knows."""

import itertools
import re
from collections.abc import Iterable, Iterator
from typing import ClassVar

from app.domain.masking import Found
from app.guard.name_words import (
    DONE,
    GIVEN,
    GREETINGS,
    INTRODUCED,
    NAMED,
    NEVER,
    ORDINARY,
    ORGANISATIONS,
    PARTICLES,
    TITLES,
    UPPER,
    VERBS,
)
from app.guard.rules import n

KIND = "NAME"
LOOK_BACK = 48
_WORD = rf"[{UPPER}](?:[^\W\d_]*(?:['’-][^\W\d_]+)*[^\W\d_]|(?=\.))?"
_GAP = rf"(?:\.?[ ](?:(?:{'|'.join(sorted(PARTICLES - {'i' + chr(39)}))})[ ]){n('0,2')}|[ ](?:d['’]|O['’]))"
_RUN = re.compile(rf"{_WORD}(?:{_GAP}{_WORD}){n('0,4')}(?![\w@])")
_NOT_AT_HEAD = TITLES | GREETINGS | NEVER | PARTICLES | VERBS
_SURELY_GIVEN = GIVEN - ORDINARY
_JOINING = tuple("_@/#<-.")
_PIECES = re.compile(r"[^\s]+")
_SPACED = re.compile(r"[\s.,;\"'’(<*_]+")
_QUOTE = re.compile("[’]")
# Behind a name: its address in brackets, what is one's own, where one was born.
_AFTER = re.compile(
    r"\s?[<(]\s?[\w.+-]{1,64}@|['’]s? (?:salary|ssn|address|phone|mobile|birthday|passport|contract|medical|account"
    r"|sick|e-?mail|wife|husband|children|file|review|password|bonus|leave)\b|,? \(?(?:born|née?|geb\.|aged)\b"
    r"|,? \(?age\b| (?:lives|lived|resides|wohnt|habite|vive|abita|woont|mieszka|bor) ",
    re.IGNORECASE,
)
_SAID_LOW = re.compile(
    r"\b(?:my name is|my name's|mein name ist|ich heiße|je m'appelle|me llamo|mi chiamo|mijn naam is|me chamo"
    r"|jag heter) ([^\W\d_]{2,20}(?: [^\W\d_]{2,20})?)(?=\s*(?:[.,;!?\n]|$| and\b| und\b| et\b| y\b| e\b| en\b"
    r"| och\b))",
    re.IGNORECASE,
)
_HAN = re.compile(
    r"(?:我叫|我的名字是|姓名[:：]\s?|私の名前は|氏名[:：]\s?)([\u4e00-\u9fff]{2,4}?)(?=[，。、,.\s]|です|$)"
)


class Names:
    """Finds names by what stands before and after them, and by given names that are usual."""

    is_slow: ClassVar[bool] = False

    def find(self, text: str) -> Iterator[Found]:
        """Give every name that something gives away."""
        for run in _RUN.finditer(text):
            before = text[run.start() - 1 : run.start()]
            if not (before.isalnum() or before in _JOINING) and (found := _name(text, run)):
                yield found
        if any(
            word in text for word in (" name", " Name", "heiß", "appelle", "llamo", "chiamo", "naam", "chamo", "heter")
        ):
            yield from _inner(_SAID_LOW, text)
        if any(sign in text for sign in "叫名"):
            yield from _inner(_HAN, text)


def _inner(pattern: re.Pattern[str], text: str) -> Iterator[Found]:
    for match in pattern.finditer(text):
        if not set(match[1].casefold().split()) & NEVER:
            yield Found(*match.span(1), KIND)


def _name(text: str, run: re.Match[str]) -> Found | None:
    """Give the name in a run of words in capitals, where there is one."""
    pieces = [(each.start() + run.start(), each.group()) for each in _PIECES.finditer(run.group())]
    is_announced = is_done = False
    while pieces and (word := _low(pieces[0][1])) in _NOT_AT_HEAD:
        if is_announced and word in PARTICLES:
            break
        is_announced = word in TITLES or word in GREETINGS
        is_done = word in VERBS
        pieces.pop(0)
    for place, (_, piece) in enumerate(pieces):
        if _low(piece) in NEVER and _low(piece) not in GIVEN and _low(piece) not in PARTICLES:
            pieces = pieces[:place]
            break
    while pieces and _low(pieces[-1][1]) in PARTICLES:
        pieces.pop()
    if not pieces or _low(pieces[-1][1]) in ORGANISATIONS:
        return None
    start, end = pieces[0][0], pieces[-1][0] + len(pieces[-1][1].rstrip("."))
    if len(pieces) == 1 and len(pieces[0][1].rstrip(".")) < 2:
        return None
    words = [_low(piece) for _, piece in pieces]
    if is_announced or (is_done and len(words) > 1) or _is_given_away(text, start, end, words):
        return Found(start, end, KIND)
    return None


def _is_given_away(text: str, start: int, end: int, words: list[str]) -> bool:
    before = " " + _SPACED.sub(" ", text[max(0, start - LOOK_BACK) : start]).lower()
    if before.endswith(INTRODUCED) or (
        before.split(" ")[-2:-1] and before.split(" ")[-2] in TITLES and before[-1] == " "
    ):
        return True
    if len(words) > 1 and (words[0] in _SURELY_GIVEN or _AFTER.match(text, end)):
        return True
    if len(words) == 1:
        return bool(_AFTER.match(text, end)) and words[0] in GIVEN
    if before.endswith(DONE):
        return True
    is_likely = words[0] in GIVEN or words[-1] in GIVEN or any(len(word) == 1 for word in words[:-1])
    return is_likely and (before.endswith(NAMED) or words[0] in GIVEN)


def _low(word: str) -> str:
    return word.rstrip(".").casefold()


class Known:
    """Finds the names of people whom the service knows: in full, whatever their case.

    `parts` also finds a single word of a name where it begins with a capital and is no ordinary word.
    """

    is_slow: ClassVar[bool] = False

    def __init__(self, names: Iterable[str] = (), *, parts: bool = False) -> None:
        self._by_first: dict[str, list[tuple[str, ...]]] = {}
        self._parts: set[str] = set()
        for name in names:
            words = tuple(word.casefold() for word in _WORDS.findall(name))
            if len(words) > 1 or (words and parts and len(words[0]) > 1):
                self._by_first.setdefault(words[0], []).append(words)
            if len(words) > 1 and parts:
                self._parts |= {word for word in words if len(word) > 2} - ORDINARY - NEVER - PARTICLES
        for known in self._by_first.values():
            known.sort(key=len, reverse=True)

    def __bool__(self) -> bool:
        return bool(self._by_first)

    def find(self, text: str) -> Iterator[Found]:
        """Give every place where one of them is named."""
        if not self._by_first:
            return
        words = [(each.start(), each.end(), each.group()) for each in _WORDS.finditer(text)]
        low = [word.casefold() for _, _, word in words]
        for place, (start, end, word) in enumerate(words):
            for known in self._by_first.get(low[place], ()):
                if tuple(low[place : place + len(known)]) == known and _is_one(text, words[place : place + len(known)]):
                    yield Found(start, words[place + len(known) - 1][1], KIND)
                    break
            else:
                if low[place] in self._parts and word[0].isupper():
                    yield Found(start, end, KIND)


_WORDS = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")


def _is_one(text: str, words: list[tuple[int, int, str]]) -> bool:
    """Say whether nothing but spaces and marks of a short kind stands between the words."""
    gaps = [text[one[1] : other[0]] for one, other in itertools.pairwise(words)]
    return all(len(gap) <= 2 and not set(gap) - set(" ._-,\u00a0\n") for gap in gaps)
