"""What a streaming asker sees before the answer is final: text of one rung, in pieces of about 30 ms."""

from time import monotonic

from app.domain.turn import Listener
from app.llm.prompts import NO_EVIDENCE

GAP_S = 0.03


class Preview:
    """Hands text to the turn's listener, coalesced.

    A preview belongs to one rung. When a rung fails after it has shown something, the preview is closed for the rest
    of the turn: text of the next rung would be glued to the torn one. The turn's final answer replaces what was shown.
    """

    def __init__(self, listener: Listener | None, *, gap_s: float = GAP_S) -> None:
        self._listener = listener
        self._gap_s = gap_s
        self._waiting = ""
        self._sent_at = 0.0
        self._is_closed = listener is None
        self.has_shown = False
        self.fault: Exception | None = None

    @property
    def is_open(self) -> bool:
        """Say whether anybody is still shown anything."""
        return not self._is_closed

    async def feed(self, text: str) -> None:
        """Take a piece of text, and pass on what has gathered once the gap is over."""
        self._waiting += text
        if monotonic() - self._sent_at >= self._gap_s and not self._may_be_no_evidence():
            await self._send()

    async def finish(self) -> None:
        """Pass on the rest."""
        if self._waiting and not self._may_be_no_evidence():
            await self._send()

    def tear(self) -> None:
        """Forget what waits, after a failure; closes the preview when something was already shown."""
        self._waiting = ""
        self._is_closed = self._is_closed or self.has_shown

    def _may_be_no_evidence(self) -> bool:
        start = self._waiting.strip()
        return not self.has_shown and (NO_EVIDENCE.startswith(start) or start.startswith(NO_EVIDENCE))

    async def _send(self) -> None:
        text, self._waiting, self._sent_at = self._waiting, "", monotonic()
        if self._listener is None or self._is_closed or not text:
            return
        self.has_shown = True
        try:
            await self._listener(text)
        except Exception as error:
            # The listener stops streams in flight by raising; that is no failure of the model.
            self.fault = error
            raise
