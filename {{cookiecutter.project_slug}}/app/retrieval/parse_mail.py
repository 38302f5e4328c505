"""E-mail: who wrote to whom and when, what a mail program shows of it, and its attachments by their own readers."""

from collections.abc import Iterator
from dataclasses import replace
from email import message_from_bytes, policy
from email.message import EmailMessage, Message

from app.errors import Unreadable
from app.retrieval import parse_html, parse_text
from app.retrieval.chunk import Block
from app.retrieval.encoding import decode
from app.retrieval.parse import blocks_of

MOST_ATTACHMENTS = 50
# A message in a message in a message; attachments of the last are named only.
MOST_DEPTH = 3
MOST_PARTS = 1000
_SHOWN = ("From", "To", "Cc", "Date")
# Headers that no mail program shows and every sender may fill with words.
_UNSEEN = ("comments", "keywords", "summary", "x-")


def read(content: bytes) -> Iterator[Block]:
    """Read blocks; raises Unreadable when it is no message, or one of too many parts."""
    message = message_from_bytes(content, policy=policy.default)
    assert isinstance(message, EmailMessage), "the policy makes these"
    if not any(message.get(name) for name in ("From", "To", "Subject", "Date", "Message-ID")):
        raise Unreadable("The file is not what its name says: it has no headers of an e-mail.", reason="mislabelled")
    yield from _message(message, depth=1)


def _message(message: EmailMessage, *, depth: int) -> Iterator[Block]:
    if sum(1 for _ in message.walk()) > MOST_PARTS:
        raise Unreadable(f"The message has more than {MOST_PARTS:,} parts.", reason="oversized")
    heading = tuple(filter(None, [_header(message, "Subject")]))
    for name, value in message.items():
        if name.lower().startswith(_UNSEEN):
            yield Block(str(value), is_hidden=True)
    lines = [f"{name}: {value}" for name in _SHOWN if (value := _header(message, name))]
    yield Block("\n".join(lines), heading)
    body = message.get_body(("html", "plain"))
    if body is not None:
        for block in _body(body):
            yield replace(block, heading=(*heading, *block.heading))
    attached = list(message.iter_attachments()) if message.is_multipart() else []
    for place, part in enumerate(attached, start=1):
        if place > MOST_ATTACHMENTS:
            yield Block(f"{len(attached) - MOST_ATTACHMENTS} more attachments are not read.", heading)
            return
        for block in _attachment(part, depth=depth):
            yield replace(block, heading=(*heading, *block.heading))


def _body(part: Message) -> Iterator[Block]:
    text = decode(_bytes(part), declared=part.get_content_charset() or "")
    reader = parse_html if part.get_content_type() == "text/html" else parse_text
    yield from reader.read(text.encode("utf-8-sig"))


def _attachment(part: Message, *, depth: int) -> Iterator[Block]:
    name = part.get_filename() or ("message.eml" if part.get_content_type() == "message/rfc822" else "")
    # Pictures in the text and signatures have no name worth telling.
    if not name:
        return
    try:
        blocks = list(_of_attachment(part, name, depth=depth))
    except Unreadable as error:
        yield Block(f"Attachment {name}, not read: {error.detail}")
        return
    yield Block(f"Attachment {name}")
    for block in blocks:
        yield replace(block, heading=(name, *block.heading))


def _of_attachment(part: Message, name: str, *, depth: int) -> Iterator[Block]:
    inner: object = part.get_payload(0) if part.get_content_type() == "message/rfc822" else None
    if inner is None and name.lower().endswith(".eml"):
        inner = message_from_bytes(_bytes(part), policy=policy.default)
    if not isinstance(inner, EmailMessage):
        yield from blocks_of(_bytes(part), filename=name, media_type=part.get_content_type())
        return
    if depth >= MOST_DEPTH:
        raise Unreadable("Messages are nested too deeply.", reason="oversized")
    yield from _message(inner, depth=depth + 1)


def _bytes(part: Message) -> bytes:
    found = part.get_payload(decode=True)
    return found if isinstance(found, bytes) else b""


def _header(message: EmailMessage, name: str) -> str:
    return " ".join(str(message.get(name, "")).split())
