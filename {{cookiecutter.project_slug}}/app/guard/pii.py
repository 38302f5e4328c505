"""Replace personal data by stable placeholders before text leaves for a model, and put it back in the answer.

Patterns only: e-mail addresses, IBANs, payment cards (Luhn), phone numbers and IP addresses. Names pass.
"""

import re
from collections.abc import Mapping
from typing import Any

_PATTERNS = (
    ("EMAIL", re.compile(r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+\b")),
    ("IBAN", re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b")),
    ("CARD", re.compile(r"\b\d(?:[ -]?\d){12,18}\b")),
    ("IP", re.compile(r"\b(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)\b")),
    ("PHONE", re.compile(r"(?<![\w.])(?:\+\d{1,3}[ ()-]{0,2}|\(0\d{1,4}\) ?|0)\d(?:[ ()-]{0,2}\d){6,11}(?!\w)")),
)
PLACEHOLDER = re.compile(r"<[A-Z]+_\d+>")
# What may still grow into a placeholder; held back while an answer streams.
UNFINISHED = re.compile(r"<[A-Z]*(?:_\d*)?$")


def mask(text: str, masks: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """Give the text with placeholders and the map placeholder -> original, the old map included and kept stable."""
    known = dict(masks)
    by_value = {value: name for name, value in known.items()}
    for kind, pattern in _PATTERNS:
        for found in dict.fromkeys(match.group() for match in pattern.finditer(text)):
            if kind == "CARD" and not _luhn(found):
                continue
            name = by_value.get(found)
            if name is None:
                name = f"<{kind}_{sum(key.startswith(f'<{kind}_') for key in known) + 1}>"
                known[name] = found
                by_value[found] = name
            text = text.replace(found, name)
    return text, known


def unmask(text: str, masks: Mapping[str, str]) -> str:
    """Put the originals back; a placeholder nobody gave out stays as it is."""
    return PLACEHOLDER.sub(lambda match: masks.get(match.group(), match.group()), text) if masks else text


def unmasked(value: Any, masks: Mapping[str, str]) -> Any:
    """Put the originals back into every text of structured data."""
    if isinstance(value, str):
        return unmask(value, masks)
    if isinstance(value, Mapping):
        return {key: unmasked(part, masks) for key, part in value.items()}
    return [unmasked(part, masks) for part in value] if isinstance(value, list | tuple) else value


def _luhn(number: str) -> bool:
    # ISO/IEC 7812-1, annex B.
    digits = [int(char) for char in number if char.isdigit()][::-1]
    return sum(sum(divmod(2 * digit, 10)) if place % 2 else digit for place, digit in enumerate(digits)) % 10 == 0
