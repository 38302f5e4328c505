"""Personal data and secrets in an answer that come from nowhere the asker may see."""

import re
from collections.abc import Callable, Iterable, Iterator

from app.domain.turn import Finding
from app.guard import accounts, contacts, credentials, national_ids
from app.guard.rules import Look, Rule

# Strong forms only: a name, a street or a date in an answer says nothing about whose it is.
KINDS = {"EMAIL": "an e-mail address", "PHONE": "a phone number", "ID": "a national id", "IBAN": "an account number",
         "CARD": "a card number"}  # fmt: skip
PERSONAL: tuple[Rule, ...] = tuple(
    rule for room in (contacts, accounts, national_ids) for rule in room.RULES if rule.kind in KINDS
)
SECRETS: tuple[Rule, ...] = tuple(credentials.RULES)
# A shorter value of our own settings stands in too many texts by chance.
LEAST_SECRET = 12
PHONE_DIGITS = 8
OURS = Finding("secret", "it holds a secret of this service")
_MAYBE_SECRET = re.compile(
    r"[\w-]{20}|://|-----BEGIN|(?:pass|pwd|secret|token|key|bearer|credential|wort|motde|contrase|senha|pin\b)",
    re.IGNORECASE,
)
_MAYBE_PERSONAL = re.compile(
    r"@|[(\[{] ?(?:at|ät|arroba) ?[)\]}]|\d(?:[ ./()-]{0,3}\d){4}|[a-z]{6}\d\d|[a-z]{5}\d{4}[a-z]", re.IGNORECASE
)
_GAPS = re.compile(r"[\W_]+")
Known = Callable[[], Iterable[str]]


def personal(text: str, known: Known) -> Finding | None:
    """Give what is wrong with a text that holds personal data which stands in none of the `known` texts."""
    if not _MAYBE_PERSONAL.search(text):
        return None
    strange = [(kind, value) for kind, value in _values(text, PERSONAL) if not _stands(value, known, kind=kind)]
    if not strange:
        return None
    kinds = sorted({KINDS[kind] for kind, _ in strange})
    return Finding("others_data", f"{', '.join(kinds)} that stands in nothing the asker may see")


def secret(text: str, known: Known, own: Iterable[str] = ()) -> Finding | None:
    """Give what is wrong with a text that holds one of our `own` secrets, or a key that the asker did not bring."""
    if any(value in text for value in own):
        return OURS
    if not _MAYBE_SECRET.search(text):
        return None
    if any(not _stands(value, known) for _, value in _values(text, SECRETS)):
        return Finding("secret", "the answer holds a key, a token or a password")
    return None


def _values(text: str, rules: Iterable[Rule]) -> Iterator[tuple[str, str]]:
    look = Look(text)
    for rule in rules:
        for found in rule.find(look):
            yield found.kind, text[found.start : found.end]


def _stands(value: str, known: Known, *, kind: str = "") -> bool:
    # However it is written: gaps do not count, nor how a phone number begins (+49 170, 0049170, 0170).
    bare = _bare(value)[-PHONE_DIGITS:] if kind == "PHONE" else _bare(value)
    return any(bare in _bare(text) for text in known())


def _bare(text: str) -> str:
    return _GAPS.sub("", text).casefold()
