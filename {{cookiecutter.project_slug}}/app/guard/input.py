"""Make what people typed safe to handle, or say what is wrong with it; find instructions aimed at the model."""

import re
import unicodedata

from app.errors import BadInput

# Zero-width, bidirectional and tag characters carry text that people do not see.
_HIDDEN = re.compile(
    "[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff\U000e0000-\U000e007f]"
)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")

# Each is a phrase that addresses the model as such; a person asking about policy has no use for it.
_INJECTION = [
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"\b(ignore|disregard|forget|override)\b.{0,40}\b(previous|prior|above|earlier|all|your|system)\b.{0,30}"
        r"\b(instructions?|prompts?|rules?|guidelines?|context)\b",
        r"\b(reveal|show|print|repeat|output|tell me)\b.{0,40}\b(system|hidden|initial|original)\b.{0,10}"
        r"\b(prompt|instructions?|message)\b",
        r"\byou are (now|no longer)\b.{0,60}\b(assistant|ai|model|dan|unrestricted|bot|mode)\b",
        r"\b(developer|debug|god|jailbreak|dan) mode\b",
        r"</?(system|instructions?|assistant)>|\[/?INST\]|<\|im_(start|end)\|>",
        r"\b(act|pretend|behave) as (if you|though you|an? unrestricted|an? uncensored)\b",
        r"\bnew (system )?instructions?\s*:",
        r"\b(ai|language model|assistant|chatbot)s?\b.{0,30}\b(must|should|shall)\b.{0,40}"
        r"\b(ignore|reveal|disclose|reply only)\b",
    )
]


def clean(text: str, *, max_chars: int, field: str = "question") -> str:
    """Give the text in composed form without hidden characters. Raises BadInput when it is empty or too long."""
    plain = visible(text)
    if not plain:
        raise BadInput(f"`{field}` holds no text.", errors=[{"field": field, "wrong": "empty", "allowed": "some text"}])
    if len(plain) > max_chars:
        allowed = f"at most {max_chars} characters"
        wrong = f"{len(plain)} characters"
        raise BadInput(
            f"`{field}` has {wrong}; allowed: {allowed}.", errors=[{"field": field, "wrong": wrong, "allowed": allowed}]
        )
    return plain


def visible(text: str) -> str:
    """Give the text in composed form without what people do not see."""
    return _CONTROL.sub("", _HIDDEN.sub("", unicodedata.normalize("NFC", text))).strip()


def is_suspicious(text: str) -> bool:
    """Say whether the text holds instructions aimed at the model, in whatever width its letters are written."""
    plain = unicodedata.normalize("NFKC", _HIDDEN.sub("", text))
    return any(pattern.search(plain) for pattern in _INJECTION)
