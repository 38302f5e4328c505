"""Models of one's own often think aloud before they answer; what stands in <think> tags first is not the answer."""

START, END = "<think>", "</think>"


class Thoughts:
    """Leaves the thoughts out of a text that comes in pieces."""

    def __init__(self) -> None:
        self._held = ""
        self._state: str | None = START

    def leave_out(self, piece: str) -> str:
        """Give what of the text so far is answer, and was not given yet."""
        if self._state is None:
            return piece
        self._held += piece
        if self._state == START:
            begun = self._held.lstrip()
            if not begun.startswith(START):
                return "" if START.startswith(begun) else self._all()
            self._held, self._state = begun[len(START) :], END
        _, found, answer = self._held.partition(END)
        if not found:
            return ""
        self._held = answer
        return self._all().lstrip()

    def rest(self) -> str:
        """Give what was held back when the text ends: the beginning of a tag that never came to be one."""
        return self._all() if self._state == START else ""

    def _all(self) -> str:
        self._state, text = None, self._held
        self._held = ""
        return text


def without_thoughts(text: str) -> str:
    """Give the answer of a whole text."""
    thoughts = Thoughts()
    return thoughts.leave_out(text) + thoughts.rest()
