"""How much a text looks like orders to a model: signals near each other, in what it says and in what it hides."""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

from app.guard import decoding, letters

THRESHOLD = 0.7
# Signals farther apart than this are about different things.
NEAR_CHARS = 400
# Who hides an order means it.
DISGUISED = 0.4
# How deep encodings are undone, and how much of a text is looked at in every disguise.
DEPTH = 2
MOST_VIEWS = 24
MOST_CHARS = 200_000
MOST_HIDDEN = 4000
# Texts may be personal, their hashes are not.
MOST_SCORES = 20_000
_scores: dict[bytes, float] = {}
# What is left of a signal inside quotes, in a question that reports it.
QUOTED = 0.3
_FILES = ("injection.toml", "injection_languages.toml")
_QUOTED = re.compile(r"\"[^\"\n]{3,300}\"|(?<![a-z])'[^'\n]{3,300}'(?![a-z])|«[^»\n]{3,300}»")
_REPORTS = re.compile(
    r"\b(?:says?|said|wrote|writes?|written|typed|reads?|means?|meant|mentions?|phrase|sentence|words?|attacks?|phishing|"
    r"spam|reports?|training|such as|like|received|comment|review|schrieb|stand|steht|heisst|ecrit|dit|escribio|dice)\b"
)
_OBEYS = re.compile(
    r"\b(?:follow|obey|execute|comply|do (?:it|so|that|this|what|exactly)|act on|answer as|carry out|"
    r"apply (?:it|this|that)|"
    r"befolge|folge|tu (?:das|es)|obeis|fais-le|hazlo|obedece)\b"
)


@dataclass(frozen=True, slots=True)
class Signal:
    """One thing that orders to a model have; `weights` are those in a question and in data."""

    name: str
    pattern: re.Pattern[str]
    gate: tuple[str, ...]
    unless: re.Pattern[str] | None
    weights: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Verdict:
    """How much a text looks like orders to a model, 0 to 1, and the signals that say so."""

    score: float
    signals: tuple[str, ...] = ()


NOTHING = Verdict(0.0)


@lru_cache(maxsize=1)
def signals() -> tuple[Signal, ...]:
    """Read the signals of injection.toml and of the other languages."""
    return tuple(signal for name in _FILES for signal in _read(Path(__file__).with_name(name)))


def _read(path: Path) -> Iterator[Signal]:
    read = tomllib.loads(path.read_text(encoding="utf-8"))
    words: dict[str, str] = read["words"]

    def compiled(pattern: str) -> re.Pattern[str]:
        for name, word in words.items():
            pattern = pattern.replace(f"@{name}@", word)
        return re.compile(pattern, re.MULTILINE)

    for row in read["signal"]:
        unless = compiled(row["unless"]) if "unless" in row else None
        weights = row["question"], row["data"]
        yield Signal(row["name"], compiled(row["pattern"]), tuple(row.get("gate", ())), unless, weights)


def is_suspicious(text: str) -> bool:
    """Say whether data (a passage, a title, a tool's result, what was said before) holds orders to a model."""
    return judge(text, is_data=True).score >= THRESHOLD


def known_score(text: str, *, is_data: bool = True) -> float:
    """Give the score of a text that comes again and again, such as a passage: judged once, and kept under its hash."""
    key = blake2b(text.encode("utf-8", "replace"), digest_size=16, person=b"data" if is_data else b"said").digest()
    score = _scores.get(key)
    if score is None:
        score = _scores[key] = judge(text, is_data=is_data).score
        if len(_scores) > MOST_SCORES:
            del _scores[next(iter(_scores))]
    return score


def judge(text: str, *, is_data: bool = False) -> Verdict:
    """Score a text, in every disguise that it may wear; data is given less benefit of the doubt than a question."""
    best = NOTHING
    for view, is_disguised in _views(text[:MOST_CHARS]):
        found = _scored(view, is_data=is_data)
        if is_disguised and found.score:
            found = Verdict(_sum(found.score, DISGUISED), (*found.signals, "disguised"))
        if found.score > best.score:
            best = found
    return best


def _views(text: str) -> Iterator[tuple[str, bool]]:
    """Give the text as it is read, then each disguise undone; `MOST_VIEWS` bounds what a text full of codes costs."""
    todo = [(text, 0)]
    given = 0
    while todo and given < MOST_VIEWS:
        raw, depth = todo.pop(0)
        if hidden := letters.smuggled(raw):
            todo.append((hidden[:MOST_HIDDEN], depth + 1))
        seen = letters.visible(raw)
        plain = letters.folded(seen)
        yield plain, depth > 0
        given += 1
        for other in _rewritten(plain):
            yield other, True
            given += 1
        if depth < DEPTH:
            todo += [(inner, depth + 1) for inner in decoding.decoded(seen)]


def _rewritten(plain: str) -> Iterator[str]:
    latin = letters.latinised(plain)
    if latin:
        yield latin
    yield from decoding.respelled(latin or plain)


def _scored(text: str, *, is_data: bool) -> Verdict:
    hits = list(_hits(text, is_data=is_data))
    if not hits:
        return NOTHING
    if not is_data:
        hits = _excused(text, hits)
    hits.sort()
    best = NOTHING
    for place, (start, _, _, _) in enumerate(hits):
        near: dict[str, float] = {}
        for at, _, name, weight in hits[place:]:
            if at - start > NEAR_CHARS:
                break
            near[name] = max(near.get(name, 0.0), weight)
        score = _sum(*near.values())
        if score > best.score:
            best = Verdict(score, tuple(near))
    return best


def _hits(text: str, *, is_data: bool) -> Iterator[tuple[int, int, str, float]]:
    for signal in signals():
        for word in signal.gate:
            if word in text:
                break
        else:
            continue
        for found in signal.pattern.finditer(text):
            if signal.unless and signal.unless.search(_before(text, found)):
                continue
            yield found.start(), found.end(), signal.name, signal.weights[is_data]


def _before(text: str, found: re.Match[str]) -> str:
    """Give the part of the sentence before a match, and those words of it that only lead up to the order."""
    lead = re.match(r"[\W_]*(?:(?:please|now|then|and|just|must|should|shall|to|that|you|will)\s+)?", found.group())
    start = found.start() + (lead.end() if lead else 0)
    sentence = re.split(r"[.!?\n]\s", text[max(0, start - 80) : start])[-1]
    return sentence


def _excused(text: str, hits: list[tuple[int, int, str, float]]) -> list[tuple[int, int, str, float]]:
    """Weigh down what a question only quotes: it reports, and what it says itself orders nothing."""
    spans = [found.span() for found in _QUOTED.finditer(text)]
    inside = [hit for hit in hits if any(start <= hit[0] + 1 and hit[1] - 1 <= end for start, end in spans)]
    if not inside or len(inside) < len([hit for hit in hits if hit[2] != "target"]):
        return hits
    own = _QUOTED.sub(" ", text)
    if _OBEYS.search(own) or not (_REPORTS.search(own) or "?" in own):
        return hits
    return [(start, end, name, weight * QUOTED) for start, end, name, weight in hits]


def _sum(*weights: float) -> float:
    left = 1.0
    for weight in weights:
        left *= 1 - weight
    return round(1 - left, 4)


def described(verdict: Verdict) -> dict[str, Any]:
    """Give a verdict for a log: no word of the text."""
    return {"score": round(verdict.score, 3), "signals": list(verdict.signals)}
