"""Events are read from pieces of any size, however the server ends its lines."""

import pytest

from app.llm.events import Events

SAID = (
    b'event: delta\ndata: {"a": "\xc3\xa4"}\n\n: a comment\n\n'
    b'data:{"b":1}\ndata: two\n\nid: 7\n\ndata: [DONE]\n\ndata: unfin'
)
EVENTS = [b'{"a": "\xc3\xa4"}', b'{"b":1}\ntwo', b"[DONE]"]


@pytest.mark.parametrize("ends", [b"\n", b"\r\n"])
@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_events_come_out_whole_and_in_order(size: int, ends: bytes) -> None:
    said, events, found = SAID.replace(b"\n", ends), Events(), []
    for start in range(0, len(said), size):
        found += events.feed(said[start : start + size])
    assert found == EVENTS


def test_an_event_is_given_as_soon_as_its_empty_line_has_come() -> None:
    events = Events()
    assert events.feed(b"data: one\n") == []
    assert events.feed(b"\n") == [b"one"]
