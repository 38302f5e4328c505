"""A model vendor that answers at once, or after a fixed time; also the issuer of identities and the sink of traces.

`python -m benchmarks.vendor PORT KEYS` where KEYS is the issuer's public keys as JSON. POST /latency with seconds as
text sets how long an answer takes. One process of it answers several thousand requests a second.
"""

import sys
from typing import Any

import orjson
import uvloop

from benchmarks.serving import Answer, chunked, serve, whole

TEXT = (
    "The company pays back up to 400 euros a month for at most twelve months, and you ask for it with form 12 "
    "before the month is over [1]."
)
WORDS = TEXT.split(" ")
USAGE = {"prompt_tokens": 420, "completion_tokens": 34, "total_tokens": 454}
MESSAGE = {"id": "msg_benchmark", "type": "message", "role": "assistant", "model": "claude-sonnet-5-5"}
START = {"id": "chatcmpl-benchmark", "created": 1_760_000_000, "model": "gpt-6-sol"}


def reply() -> bytes:
    """Give the completion as JSON."""
    choice = {"index": 0, "message": {"role": "assistant", "content": TEXT}, "finish_reason": "stop"}
    return whole(orjson.dumps({**START, "object": "chat.completion", "choices": [choice], "usage": USAGE}))


def stream() -> bytes:
    """Give the completion as events, one per word."""
    deltas = [{"role": "assistant", "content": ""}, *({"content": word + " "} for word in WORDS[:-1])]
    choices: list[Any] = [
        {"index": 0, "delta": delta, "finish_reason": None} for delta in [*deltas, {"content": WORDS[-1]}]
    ]
    choices.append({"index": 0, "delta": {}, "finish_reason": "stop"})
    chunk: dict[str, Any] = {**START, "object": "chat.completion.chunk"}
    events = [{**chunk, "choices": [choice]} for choice in choices]
    events.append({**chunk, "choices": [], "usage": USAGE})
    return chunked([*(b"data: " + orjson.dumps(event) + b"\n\n" for event in events), b"data: [DONE]\n\n"])


def message() -> bytes:
    """Give the answer as Anthropic writes it, as JSON."""
    usage = {"input_tokens": 420, "output_tokens": 34}
    content = [{"type": "text", "text": TEXT}]
    return whole(orjson.dumps({**MESSAGE, "content": content, "stop_reason": "end_turn", "usage": usage}))


def message_stream() -> bytes:
    """Give the answer as Anthropic's events, one per word."""
    start: dict[str, Any] = {
        **MESSAGE,
        "content": [],
        "stop_reason": None,
        "usage": {"input_tokens": 420, "output_tokens": 1},
    }
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": start},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *(
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word + " "}}
            for word in WORDS
        ),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 34}},
        {"type": "message_stop"},
    ]
    return chunked([b"event: %s\ndata: %s\n\n" % (event["type"].encode(), orjson.dumps(event)) for event in events])


class Vendor:
    """Answers every question with the same words."""

    def __init__(self, url: str, keys: bytes) -> None:
        self._latency_s = 0.0
        self._answers = {
            b"POST /v1/chat/completions": (reply(), stream()),
            b"POST /v1/messages": (message(), message_stream()),
        }
        described = orjson.dumps({"issuer": url, "jwks_uri": f"{url}/keys"})
        self._pages = {
            b"GET /.well-known/openid-configuration": whole(described),
            b"GET /keys": whole(keys),
            b"POST /v1/traces": whole(b"", media_type=b"application/x-protobuf"),
            b"POST /v1/metrics": whole(b"", media_type=b"application/x-protobuf"),
        }

    def __call__(self, line: bytes, body: bytes) -> Answer:
        """Answer one request."""
        if line in self._answers:
            streamed = b'"stream":true' in body or b'"stream": true' in body
            return self._answers[line][streamed], self._latency_s
        if line == b"POST /latency":
            self._latency_s = float(body)
            return whole(b"{}"), 0.0
        return self._pages.get(line) or whole(b"{}", status=b"404 Not Found"), 0.0


def main() -> None:
    """Serve until stopped."""
    port, keys = int(sys.argv[1]), sys.argv[2].encode()
    uvloop.run(serve(Vendor(f"http://127.0.0.1:{port}", keys), port))


if __name__ == "__main__":
    main()
