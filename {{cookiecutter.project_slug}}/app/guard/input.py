"""Make what people typed safe to handle, or say what is wrong with it: empty, too long, no text, repetitive."""

import re
import zlib

from app.errors import BadInput, NotText, Repetitive
from app.guard import letters
from app.guard.letters import visible

__all__ = ["clean", "visible"]
# From this share of characters on that are no text, something else was sent.
UNREADABLE_SHARE = 0.05
UNREADABLE_LEAST = 3
# A file pasted as text.
_FILE = re.compile(r"data:[\w.+-]+/[\w.+-]+;base64,[A-Za-z0-9+/]{40}")
# Prose shrinks to a third or half of its size, tables to a tenth; what shrinks to less says one thing over and over.
REPETITIVE_CHARS = 600
REPETITIVE_SHARE = 0.04
# Marks stacked on each letter cost many tokens and say nothing.
_STACKED = re.compile("[\u0300-\u036f\u0489\u1dc0-\u1dff\u20d0-\u20f0]{4,}")
_STACKED_LEAST = 8


def clean(text: str, *, max_chars: int, field: str = "question") -> str:
    """Give the text in composed form without hidden characters.

    Raises BadInput when it is empty or too long, NotText for binary content, Repetitive where it hardly says anything.
    """
    _is_text(text, field)
    plain = visible(text)
    if not plain:
        raise BadInput(f"`{field}` holds no text.", errors=[{"field": field, "wrong": "empty", "allowed": "some text"}])
    if len(plain) > max_chars:
        allowed = f"at most {max_chars} characters"
        wrong = f"{len(plain)} characters"
        raise BadInput(
            f"`{field}` has {wrong}; allowed: {allowed}.", errors=[{"field": field, "wrong": wrong, "allowed": allowed}]
        )
    _says_something(plain, field)
    return plain


def _is_text(text: str, field: str) -> None:
    count = letters.unreadable(text)
    if count >= UNREADABLE_LEAST and count > UNREADABLE_SHARE * len(text):
        wrong = f"{count} of {len(text)} characters are no text"
    elif ";base64," in text and _FILE.search(text):
        wrong = "a file, encoded as text"
    else:
        return
    raise NotText(
        f"`{field}` is not readable as text: {wrong}. Send files to /v1/documents.",
        errors=[{"field": field, "wrong": wrong, "allowed": "text in Unicode"}],
    )


def _says_something(plain: str, field: str) -> None:
    if len(plain) >= REPETITIVE_CHARS:
        octets = plain.encode("utf-8", "replace")
        if len(zlib.compress(octets, 1)) < REPETITIVE_SHARE * len(octets):
            wrong = "the same text over and over"
            raise Repetitive(
                f"`{field}` holds {wrong}.", errors=[{"field": field, "wrong": wrong, "allowed": "said once"}]
            )
    if not plain.isascii() and len(_STACKED.findall(plain)) >= _STACKED_LEAST:
        wrong = "letters under stacks of accents"
        raise Repetitive(
            f"`{field}` holds {wrong}.", errors=[{"field": field, "wrong": wrong, "allowed": "at most 3 on a letter"}]
        )
