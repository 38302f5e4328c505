"""An answer on its way to the asker: what must not be said is stopped before it is sent, not taken back after."""

import re
from collections import deque
from collections.abc import Mapping
from typing import Any

from app.domain.outcome import Outcome
from app.domain.turn import Delta, Draft, Finding, Listener, StopTurn, Turn
from app.guard.exits import Exit, Exits
from app.guard.output import LEAK_WORDS, LEAKED, WORD, Echo, leaks, strange, texts
from app.guard.pii import UNFINISHED, unmask, unmasked

# From so many words of ours in a row on, text waits until it is clear what it becomes.
HELD_WORDS = 3
_SENTENCE_END = re.compile(r"[.!?]['\")\]]*\s|\n")


class Withheld(StopTurn):
    """Ends a turn in mid-stream; `said` is what the model had said by then, masked, the forbidden part included."""

    def __init__(self, finding: Finding, *, said: str, sentence: str) -> None:
        super().__init__(Outcome.REFUSED_CHECK, answer=sentence, reason=finding.detail)
        self.finding, self.said = finding, said


class StreamGuard:
    """Passes an answer on as it grows, personal data put back, and holds back what may not be said.

    Held: an unfinished placeholder; a run of our own instructions, from `HELD_WORDS` words on; and, where the use case
    has checks marked `while_streaming`, the sentence that is not complete yet. Raises Withheld.
    """

    def __init__(
        self,
        turn: Turn,
        listener: Listener,
        *,
        masks: Mapping[str, str],
        instructions: str,
        exit_: Exit | None = None,
    ) -> None:
        self._exit = exit_ or Exits().of(turn, masks=masks, instructions=instructions)
        self._turn, self._listener, self._masks, self._instructions = turn, listener, masks, instructions
        self._checks = [check for check in turn.usecase.checks if getattr(check, "while_streaming", False)]
        self._echo, self._run = Echo(instructions), 0
        self._starts: deque[int] = deque(maxlen=LEAK_WORDS)
        self._said = ""
        self._heard_to = self._sent_to = 0

    async def __call__(self, delta: Delta) -> None:
        """Take the next piece of the answer, or the fields of a structured answer that are complete so far."""
        if not isinstance(delta, str):
            await self._fields(delta)
            return
        self._said += delta
        self._hear(to_the_end=False)
        await self._send(self._free_to())

    async def finish(self, text: str) -> None:
        """Pass on what is held when the answer has ended; text of a rung that broke off is dropped instead."""
        if text.strip() != self._said.strip():
            return
        self._hear(to_the_end=True)
        await self._send(len(self._said))

    def _hear(self, *, to_the_end: bool) -> None:
        for word in WORD.finditer(self._said, self._heard_to):
            if word.end() == len(self._said) and not to_the_end:
                break  # it may go on
            self._heard_to = word.end()
            self._starts.append(word.start())
            self._run = self._echo.add(word.group())
            if self._run >= LEAK_WORDS:
                raise self._withheld(LEAKED)

    def _free_to(self) -> int:
        end = len(self._said)
        if self._run >= HELD_WORDS:
            end = self._starts[-self._run]
        if unfinished := UNFINISHED.search(self._said, self._sent_to, end):
            end = unfinished.start()
        end = self._exit.held(self._said, self._sent_to, end)
        if self._checks:
            ends = [found.end() for found in _SENTENCE_END.finditer(self._said, self._sent_to, end)]
            end = ends[-1] if ends else self._sent_to
        return end

    async def _send(self, end: int) -> None:
        if end <= self._sent_to:
            return
        text = self._said[self._sent_to : end]
        if unknown := strange(text, self._masks):
            raise self._withheld(unknown)
        if found := self._exit.finding(self._said[:end], since=self._sent_to):
            raise self._withheld(found)
        if self._checks:
            self._ask_checks(Draft(text=self._said[:end].strip(), rung="", outcome=Outcome.ANSWERED_MODEL))
        self._sent_to = end
        await self._listener(unmask(text, self._masks))

    async def _fields(self, data: Mapping[str, Any]) -> None:
        said = "\n".join(texts(data))
        if leaks(said, self._instructions):
            raise self._withheld(LEAKED, said=said)
        if unknown := strange(said, self._masks):
            raise self._withheld(unknown, said=said)
        if found := self._exit.finding(said):
            raise self._withheld(found, said=said)
        self._ask_checks(Draft(text=said, rung="", outcome=Outcome.ANSWERED_MODEL, data=data))
        await self._listener(unmasked(data, self._masks))

    def _ask_checks(self, draft: Draft) -> None:
        for check in self._checks:
            if finding := check(self._turn, draft):
                raise self._withheld(finding, said=draft.text)

    def _withheld(self, finding: Finding, *, said: str = "") -> Withheld:
        return Withheld(finding, said=said or self._said, sentence=self._turn.usecase.contract.sentences.unsafe)
