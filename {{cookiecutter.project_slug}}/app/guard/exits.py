"""The last look at what leaves: the whole of an answer, or each piece of it before it is sent."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from app.domain.turn import Finding, Turn
from app.guard import canary, disclosed
from app.guard.disclosed import OURS
from app.guard.disguise import LEAK_CHARS, repeats, run_at_end
from app.guard.output import LEAKED, leaks
from app.guard.unsafe import Policy

# What was sent just before, so that nothing hides across the cut.
_BEFORE = 300
# A model's token is about four characters; twelve of them are more than any language needs.
CHARS_PER_TOKEN = 12
LEAST_CHARS = 4000
_RISKY = re.compile(r"[@:/=_\\\[\](!<.+-]")
# A piece of a stream of so few letters is looked at closely only when it holds one of these.
_SMALL, _CUE_CHARS = 24, 40
_TRIGGER = re.compile(r"[@:/\\<>!=_+\[\](){}-]|\d\W?\d|[^\W\d_]\d|[A-Z]{3}|[^\W_]{20}")
_DIGIT = re.compile(r"\d")
# Words of so many letters are no words; keys are of capitals, or of letters and digits.
_LONG, _LEAST = 20, 4
_NUMBER = re.compile(r"[+(]?\d[\d ()./-]{3,}$")
_ACCOUNT = re.compile(r"(?<![A-Z])[A-Z]{2}\d{2}[ \dA-Z]{0,40}$")
_CUE = re.compile(r"pass(?:word|wd|phrase|code|wort)|kennwort|\bpwd|\bpin\b|key\b|token\b|secret|bearer", re.IGNORECASE)
_SENTENCE_END = re.compile(r"[.!?]['\")\]]*\s|\n")


@dataclass(frozen=True, slots=True)
class Exits:
    """What no answer of this service may hold: `policy`, and the service's own secrets."""

    policy: Policy = field(default_factory=Policy)
    secrets: tuple[str, ...] = field(default=(), repr=False)

    def of(self, turn: Turn, *, masks: Mapping[str, str], instructions: str) -> "Exit":
        """Give the exit of one turn."""
        return Exit(self, turn, masks=masks, instructions=instructions)


class Exit:
    """Looks at the answer of one turn before it leaves, masked as the model wrote it."""

    def __init__(self, exits: Exits, turn: Turn, *, masks: Mapping[str, str], instructions: str) -> None:
        output = turn.usecase.contract.output
        self._secrets, self._rules = exits.secrets, exits.policy.of(output)
        self._turn, self._masks, self._instructions = turn, masks, instructions
        self._most = output.max_chars or max(
            LEAST_CHARS, CHARS_PER_TOKEN * turn.usecase.contract.models.max_output_tokens
        )
        self._checks_data = output.personal_data == "known"

    def finding(self, text: str, *, since: int = 0) -> Finding | None:
        """Give the first thing that must not leave; `since` is how much of the text was looked at before."""
        if len(text) > self._most:
            return Finding("overlong", f"the answer is longer than {self._most} characters")
        if self._turn.canary and self._turn.canary in text[max(0, since - canary.CHARS) :]:
            return canary.EXPOSED
        if since and len(text) - since <= _SMALL:
            return self._of_a_piece(text, since)
        return self._of_all(text[max(0, since - _BEFORE) :])

    def _of_all(self, text: str) -> Finding | None:
        if canary.exposes(text, self._turn.canary):
            return canary.EXPOSED
        if found := disclosed.secret(text, self._brought, self._secrets):
            return found
        if self._checks_data and (found := disclosed.personal(text, self._seen)):
            return found
        if repeats(text, self._instructions):
            return LEAKED
        return self._rules.finding(text, self._seen)

    def _of_a_piece(self, text: str, since: int) -> Finding | None:
        """Look at a few letters more: most words cannot complete anything, and a stream has many of them."""
        if _TRIGGER.search(text, max(0, since - 1)) or _CUE.search(text, max(0, since - _CUE_CHARS)):
            return self._of_all(text[max(0, since - _BEFORE) :])
        if any(value in text[max(0, since - len(value)) :] for value in self._secrets):
            return OURS
        if run_at_end(text, self._instructions) >= LEAK_CHARS:
            return LEAKED
        return self._rules.words_in(text[max(0, since - self._rules.longest) :])

    def inside(self, text: str) -> Finding | None:
        """Give what of ours a text holds that nothing outside may be told: instructions, or a secret of the service."""
        if any(value in text for value in self._secrets):
            return OURS
        if canary.exposes(text, self._turn.canary):
            return canary.EXPOSED
        return LEAKED if leaks(text, self._instructions) or repeats(text, self._instructions) else None

    def held(self, text: str, start: int, end: int) -> int:
        """Give where a growing text must stop: before what may yet become something that must not leave."""
        if self._rules.patterns:
            ends = [found.end() for found in _SENTENCE_END.finditer(text, start, end)]
            return ends[-1] if ends else start
        end = self._rules.held(text, start, end)
        # What was sent already counts too: a number grows digit by digit.
        if _DIGIT.search(text, max(0, end - 30), end):
            for pattern in (_NUMBER, _ACCOUNT):
                if found := pattern.search(text, max(0, end - 60), end):
                    end = max(start, min(end, found.start()))
        token = 1 + max(text.rfind(space, 0, end) for space in " \n\t")
        if token < end and _is_risky(text, token, end):
            end = max(start, token)
        for value in self._secrets:
            place = text.find(value[:_LEAST], max(0, end - len(value)), end)
            if place >= 0 and value.startswith(text[place:end]):
                end = max(start, place)
        if run := run_at_end(text[start:end], self._instructions):
            end = _back(text, end, run)
        return max(start, canary.held(text, end, self._turn.canary))

    def _brought(self) -> Iterable[str]:
        """What the asker brought, and what the model was given of what the asker may read."""
        turn = self._turn
        yield turn.question
        yield turn.screened
        yield from turn.fields.values()
        for message in turn.history:
            yield message.text
        yield from self._masks.values()
        yield from turn.tape.told
        for passage in turn.passages:
            yield f"{passage.title}\n{passage.heading}\n{passage.text}"

    def _seen(self) -> Iterable[str]:
        yield from self._brought()
        for passage in self._turn.passages:
            yield passage.uri
        # An address that the instructions name is there to be given out.
        yield self._instructions


def _is_risky(text: str, token: int, end: int) -> bool:
    word = text[token:end]
    return word.isascii() and (
        len(word) >= _LONG
        or (len(word) >= _LEAST and (word.isupper() or not word.isalpha()))
        or _RISKY.search(word) is not None
        or _CUE.search(text, max(0, token - _CUE_CHARS), token) is not None
    )


def _back(text: str, end: int, letters: int) -> int:
    while end and letters:
        end -= 1
        letters -= text[end].isalnum()
    return end
