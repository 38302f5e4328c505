"""The recogniser that needs no model: shapes, check digits and words around them."""

from functools import lru_cache
from typing import ClassVar

from app.domain.masking import Found
from app.guard import accounts, addresses, births, contacts, credentials, national_ids
from app.guard.names import Names
from app.guard.rules import Look, Rule

RULES: tuple[Rule, ...] = (
    *credentials.RULES, *contacts.RULES, *accounts.RULES, *national_ids.RULES, *births.RULES, *addresses.RULES,
)  # fmt: skip
# Texts of which a process remembers what is in them: passages come again and again.
REMEMBERED = 4096
LONGEST_REMEMBERED = 8192


class Patterns:
    """Finds what its rules describe; what it found in a text is remembered for a while."""

    is_slow: ClassVar[bool] = False

    def __init__(self, rules: tuple[Rule, ...] = RULES, names: Names | None = None) -> None:
        self._rules, self._names = rules, names or Names()
        self._remembered = lru_cache(maxsize=REMEMBERED)(self._look)

    def find(self, text: str) -> tuple[Found, ...]:
        """Give every piece of personal data that the rules see."""
        return self._remembered(text) if len(text) <= LONGEST_REMEMBERED else self._look(text)

    def _look(self, text: str) -> tuple[Found, ...]:
        look, found = Look(text), list(self._names.find(text))
        for rule in self._rules:
            found.extend(rule.find(look))
        return tuple(found)


PATTERNS = Patterns()
