"""What must not leave through telemetry: text that people wrote, addresses, secrets."""

import re
from collections.abc import Mapping
from typing import Any

DROPPED = "[dropped]"
_CONTENT = """
    question answer screened text content body prompt draft quote message messages history passages correction title
    filename heading fields data payload input output email name authorization cookie password secret secret_key token
    api_key url.path url.query url.full http.url http.target client.address network.peer.address
    user_agent.original
"""
CONTENT_KEYS = frozenset(_CONTENT.split())
_DEEPEST = 4
_PATTERNS = (
    (re.compile(r"://[^\s/@]+@"), "://[secret]@"),
    (re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+"), "[email]"),
    (re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]*"), "[token]"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{8,}"), r"\1 [token]"),
    (re.compile(r"\b(?:sk|pk|rk|ghp|appkey|xox[abp])[-_][\w-]{12,}"), "[token]"),
    (re.compile(r"\bwhsec_[\w+/=-]{12,}"), "[token]"),
    (re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"), "[token]"),
    # An account (IBAN), a card, a telephone number with its country; ids of ours hold letters or no groups.
    (re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b"), "[account]"),
    (re.compile(r"(?<!\w)\+\d(?:[ ()/-]{0,2}\d){7,14}(?!\w)"), "[phone]"),
    (re.compile(r"(?<![\w-])(?<!\d\.)(?:\d[ -]?){12,18}\d(?![\w-]|\.\d)"), "[number]"),
)


def mask(text: str) -> str:
    """Give the text without e-mail addresses, tokens, keys and passwords in URLs."""
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


def scrub(values: Mapping[str, Any], depth: int = 0) -> dict[str, Any]:
    """Give the same keys with the values of content keys dropped and every string masked."""
    return {
        key: DROPPED if key.lower() in CONTENT_KEYS and value else clean(value, depth) for key, value in values.items()
    }


def clean(value: Any, depth: int = 0) -> Any:
    """Mask the strings of one value; what is nested deeper than anyone reads is dropped."""
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, bool | int | float) or value is None:
        return value
    if depth >= _DEEPEST:
        return DROPPED
    if isinstance(value, Mapping):
        return scrub({str(key): item for key, item in value.items()}, depth + 1)
    if isinstance(value, list | tuple | set | frozenset):
        return [clean(item, depth + 1) for item in value]
    return mask(str(value))


def describe(error: BaseException) -> str:
    """Say what an error is in one line; later lines quote rows, parameters and inputs, so they stay out."""
    lines = str(error).splitlines() or [""]
    return f"{type(error).__name__}: {mask(lines[0])[:200]}".removesuffix(": ")
