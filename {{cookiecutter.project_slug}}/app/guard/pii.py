"""Replace personal data by stable placeholders before text leaves for a model, and put it back in the answer.

One map goes through a whole conversation: the same data has the same placeholder in each of its texts.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from app.domain.masking import (
    KINDS,
    LOOKALIKE,
    PLACEHOLDER,
    UNFINISHED,
    Found,
    Masks,
    Rules,
    mentioned,
    unmask,
    unmasked,
)
from app.guard.names import KIND as NAME
from app.guard.names import Known
from app.guard.patterns import PATTERNS

__all__ = [
    "PLACEHOLDER",
    "PLAIN",
    "UNFINISHED",
    "covered",
    "found",
    "mask",
    "masked",
    "mentioned",
    "own",
    "remasked",
    "unmask",
    "unmasked",
    "veiled",
]
PLAIN = Rules((PATTERNS,))
# Of two kinds for one place, the one that says more.
_RANK = {kind: place for place, kind in enumerate(
    (LOOKALIKE, "SECRET", "EMAIL", "IBAN", "ID", "CARD", "BIRTHDATE", "IP", "PHONE", "ADDRESS", "NAME")
)}  # fmt: skip
# Shorter values are not looked for where nothing else gives them away.
_LEAST_CHARS = 3
# More texts than this, and the looking leaves the event loop.
_INLINE = 8


def mask(text: str, masks: Mapping[str, str]) -> tuple[str, Masks]:
    """Give the text with placeholders and the map placeholder -> original, the old map included and kept stable.

    Text that looks like a placeholder is replaced as well, so that it comes back as it was.
    """
    (done,), grown = replaced((text,), own(masks))
    return done, grown


async def masked(texts: Sequence[str], masks: Mapping[str, str]) -> tuple[list[str], Masks]:
    """Mask several texts with one map, what one of them gives away in all of them; slow recognisers in a thread."""
    grown = own(masks)
    if grown.rules.is_slow:
        return await asyncio.to_thread(replaced, texts, grown)
    return replaced(texts, grown)


async def remasked(value: Any, masks: Masks) -> Any:
    """Mask what a model said, in every text of structured data: placeholders stay, and the map itself grows."""
    texts = list(_texts(value))
    if masks.rules.is_slow:
        done, grown = await asyncio.to_thread(replaced, texts, masks.copy(), is_masked=True)
    else:
        done, grown = replaced(texts, masks.copy(), is_masked=True)
    masks.update(grown)
    return _with(value, iter(done))


def covered(value: Any, masks: Masks) -> Any:
    """Do what `remasked` does, here and now: for rules that are quick."""
    done, _ = replaced(list(_texts(value)), masks, is_masked=True)
    return _with(value, iter(done))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, part in value.items():
            yield from chain(_texts(key), _texts(part))
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _texts(part)


def _with(value: Any, texts: Iterator[str]) -> Any:
    """Give the same structure with other texts, in the order in which `_texts` gives them."""
    if isinstance(value, str):
        return next(texts)
    if isinstance(value, Mapping):
        return {_with(key, texts): _with(part, texts) for key, part in value.items()}
    return [_with(part, texts) for part in value] if isinstance(value, list | tuple) else value


async def veiled(texts: Sequence[str], rules: Rules) -> list[str]:
    """Mask each text for itself, for those who only compare texts: nothing comes back, and no map is kept."""

    def each() -> list[str]:
        return [replaced((text,), Masks(rules=rules), is_masked=True)[0][0] for text in texts]

    return await asyncio.to_thread(each) if rules.is_slow or len(texts) > _INLINE else each()


def own(masks: Mapping[str, str]) -> Masks:
    """Give a map of one's own that grows by the same rules; by those of patterns alone where none are given."""
    return masks.copy() if isinstance(masks, Masks) else Masks(masks, rules=PLAIN)


def replaced(texts: Sequence[str], masks: Masks, *, is_masked: bool = False) -> tuple[list[str], Masks]:
    """Do what `masked` does, here and now; the map that is given grows."""
    pieces = found(texts, masks, is_masked=is_masked)
    numbers = _Numbers(masks)
    done = [_cut(text, there, numbers) for text, there in zip(texts, pieces, strict=True)]
    masks.met.kinds.update(each.kind for there in pieces for each in there)
    return done, masks


def found(texts: Sequence[str], masks: Masks, *, is_masked: bool = False) -> list[list[Found]]:
    """Give what would be replaced in each text.

    All are looked through first: a name that one gives away is a name in the others too. Of texts that are masked
    already, placeholders stay.
    """
    rules = masks.rules
    seen = [[each for who in rules.recognisers for each in who.find(text) if _counts(each, rules)] for text in texts]
    names = {value for name, value in masks.items() if name.startswith(f"<{NAME}_")}
    values = {value: name[1 : name.rindex("_")] for name, value in masks.items() if len(value) >= _LEAST_CHARS}
    for text, there in zip(texts, seen, strict=True):
        for each in there:
            value = text[each.start : each.end]
            if each.kind == NAME:
                names.add(value)
            if len(value) >= _LEAST_CHARS:
                values[value] = each.kind
    known = Known(names if NAME not in rules.allowed else (), parts=True)
    return [
        _all(text, chain(there, known.find(text), _again(text, values)), is_masked=is_masked)
        for text, there in zip(texts, seen, strict=True)
    ]


def _all(text: str, seen: Iterable[Found], *, is_masked: bool) -> list[Found]:
    looks = [Found(*match.span(), LOOKALIKE) for match in PLACEHOLDER.finditer(text)] if "<" in text else []
    if not is_masked:
        return list(_pieces(chain(seen, looks)))
    own = [(each.start, each.end) for each in looks]
    return [each for each in _pieces(seen) if not _touches(each, own)]


def _counts(one: Found, rules: Rules) -> bool:
    return one.kind not in rules.allowed


def _touches(piece: Found, own: Iterable[tuple[int, int]]) -> bool:
    return any(start < piece.end and piece.start < end for start, end in own)


def _again(text: str, values: Mapping[str, str]) -> Iterator[Found]:
    """Find values that are known by now, where they stand between other letters and digits than their own."""
    for value, kind in values.items():
        place = text.find(value)
        while place >= 0:
            end = place + len(value)
            before, after = text[place - 1 : place], text[end : end + 1]
            if not ((before.isalnum() and value[0].isalnum()) or (after.isalnum() and value[-1].isalnum())):
                yield Found(place, end, kind)
            place = text.find(value, end)


def _pieces(seen: Iterable[Found]) -> Iterator[Found]:
    """Give pieces that do not overlap: those that do become one, of the kind of the longest."""
    ordered = sorted(seen, key=lambda each: (each.start, -each.end))
    if not ordered:
        return
    start, end, best = ordered[0].start, ordered[0].end, ordered[0]
    for each in ordered[1:]:
        if each.start >= end:
            yield Found(start, end, best.kind)
            start, end, best = each.start, each.end, each
            continue
        end, best = max(end, each.end), min(best, each, key=_weight)
    yield Found(start, end, best.kind)


def _weight(one: Found) -> tuple[int, int]:
    return one.start - one.end, _RANK.get(one.kind, len(KINDS))


class _Numbers:
    """Gives each value its placeholder, the next number of its kind to a new one."""

    def __init__(self, masks: Masks) -> None:
        self._masks = masks
        self._names = {(name[1 : name.rindex("_")], value): name for name, value in masks.items()}
        self._last: dict[str, int] = {}
        for name in masks:
            kind, _, number = name[1:-1].rpartition("_")
            self._last[kind] = max(self._last.get(kind, 0), int(number))

    def name(self, kind: str, value: str) -> str:
        """Give the placeholder of a value."""
        known = self._names.get((kind, value))
        if known is None:
            self._last[kind] = self._last.get(kind, 0) + 1
            known = self._names[kind, value] = f"<{kind}_{self._last[kind]}>"
            self._masks[known] = value
        return known


def _cut(text: str, pieces: Sequence[Found], numbers: _Numbers) -> str:
    done, place = [], 0
    for piece in pieces:
        done += [text[place : piece.start], numbers.name(piece.kind, text[piece.start : piece.end])]
        place = piece.end
    return "".join((*done, text[place:])) if done else text
