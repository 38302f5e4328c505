"""Server-sent events, read from pieces of any size."""


class Events:
    """Takes pieces of bytes and gives the data of every event that is complete; names and comments are left out."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []

    def feed(self, piece: bytes) -> list[bytes]:
        """Take the next piece."""
        lines = (self._rest + piece).split(b"\n")
        self._rest = lines.pop()
        complete: list[bytes] = []
        for line in lines:
            if line.startswith(b"data:"):
                self._data.append(line[5:].strip())
            elif not line.strip() and self._data:
                complete.append(b"\n".join(self._data))
                self._data.clear()
        return complete
