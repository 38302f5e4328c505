"""What a streaming asker sees before the answer is final: text of one rung, or finished fields."""

from collections.abc import Mapping
from typing import Any

from app.domain.turn import Delta, Draft, Listener
from app.llm.partial import Reader
from app.llm.prompts import NO_EVIDENCE, Prompt


class Preview:
    """Hands text to the turn's listener at once: whoever guards it must hear the last words before the vendor pauses.

    A preview belongs to one rung. When a rung fails after it has shown something, the preview is closed for the rest
    of the turn: text of the next rung would be glued to the torn one. The turn's final answer replaces what was shown.
    """

    def __init__(self, listener: Listener | None) -> None:
        self._listener = listener
        self._waiting = ""
        self._is_closed = listener is None
        self.has_shown = False
        self.fault: Exception | None = None

    @property
    def is_open(self) -> bool:
        """Say whether anybody is still shown anything."""
        return not self._is_closed

    async def feed(self, text: str) -> None:
        """Take a piece of text, and pass it on once it cannot become "no evidence"."""
        self._waiting += text
        if not self._may_be_no_evidence():
            await self._send()

    async def finish(self) -> None:
        """Pass on the rest."""
        if self._waiting and not self._may_be_no_evidence():
            await self._send()

    async def show(self, draft: Draft) -> None:
        """Show a draft that is there at once, line by line."""
        for line in draft.text.splitlines(keepends=True):
            await self.feed(line)
        await self.finish()

    def tear(self) -> None:
        """Forget what waits, after a failure; closes the preview when something was already shown."""
        self._waiting = ""
        self._is_closed = self._is_closed or self.has_shown

    def _may_be_no_evidence(self) -> bool:
        start = self._waiting.strip()
        return not self.has_shown and (NO_EVIDENCE.startswith(start) or start.startswith(NO_EVIDENCE))

    async def _send(self) -> None:
        text, self._waiting = self._waiting, ""
        if text and await self._tell(text):
            self.has_shown = True

    async def _tell(self, delta: Delta) -> bool:
        if self._listener is None or self._is_closed:
            return False
        try:
            await self._listener(delta)
        except Exception as error:
            # The listener stops streams in flight by raising; that is no failure of the model.
            self.fault = error
            raise
        return True


class FieldPreview(Preview):
    """Hands over the finished fields of a structured answer, all of them each time: nothing is ever half there.

    A later mapping replaces an earlier one, so that a second attempt or the next rung may start again.
    """

    def __init__(self, listener: Listener | None, schema: Mapping[str, Any]) -> None:
        super().__init__(listener)
        self._schema = schema
        self._reader = Reader(schema)
        self._told: Mapping[str, Any] = {}

    async def feed(self, text: str) -> None:
        """Take a piece of JSON, and pass on the finished fields when it has finished one."""
        self._reader.feed(text)
        await self._send()

    async def finish(self) -> None:
        """Pass on the rest."""
        await self._send()

    async def show(self, draft: Draft) -> None:
        """Show the data of a draft that is there at once."""
        if draft.data:
            await self._tell(dict(draft.data))

    def tear(self) -> None:
        """Start again: what comes next is another attempt at the whole."""
        self._reader, self._told = Reader(self._schema), {}

    async def _send(self) -> None:
        fields = self._reader.fields
        if fields != self._told:
            self._told = dict(fields)
            await self._tell(dict(fields))


def preview_of(listener: Listener | None, prompt: Prompt) -> Preview:
    """Give the preview that fits what the prompt asks for."""
    return Preview(listener) if prompt.output_schema is None else FieldPreview(listener, prompt.output_schema)
