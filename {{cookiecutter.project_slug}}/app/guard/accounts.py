"""Where a person's money is: IBANs and payment cards."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from app.domain.masking import Found
from app.guard import checksums
from app.guard.rules import Look, Rule, is_announced, plain

# The registry of ISO 13616: how long an IBAN of each country is.
_LENGTHS = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BR": 29, "BY": 28,
    "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DK": 18, "DO": 28, "EE": 20, "EG": 29, "ES": 24, "FI": 18,
    "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28, "HR": 21, "HU": 28, "IE": 22,
    "IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28, "LC": 32, "LI": 21, "LT": 20,
    "LU": 20, "LV": 21, "LY": 25, "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MR": 27, "MT": 31, "MU": 30, "NL": 18,
    "NO": 15, "PK": 24, "PL": 28, "PS": 29, "PT": 25, "QA": 29, "RO": 24, "RS": 22, "SA": 24, "SC": 31, "SE": 24,
    "SI": 19, "SK": 24, "SM": 27, "ST": 25, "SV": 28, "TL": 23, "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24,
    "XK": 20,
}  # fmt: skip
_CUE = ("iban", "konto", "account", "compte", "cuenta", "conto", "rekening")


@dataclass(frozen=True, slots=True)
class Iban(Rule):
    """An IBAN of its country's length whose check digits hold; one that is announced may be mistyped."""

    def find(self, look: Look) -> Iterator[Found]:
        """Give every place of the text where an IBAN stands."""
        text = look.text
        for head in self._matches(look):
            start = head.start()
            end = _end(text, start, _LENGTHS.get(head[1].upper(), 0))
            if end and (checksums.mod97(plain(text[start:end])) or is_announced(text, start, _CUE)):
                yield Found(start, end, self.kind)


def _end(text: str, start: int, length: int) -> int:
    """Give where so many letters and digits end, single separators between them; 0 where there are no so many."""
    seen, place = 0, start
    while seen < length and place < len(text):
        if text[place].isascii() and text[place].isalnum():
            seen += 1
        elif not (text[place] in " -." and place > start and text[place - 1].isalnum()):
            return 0
        place += 1
    is_whole = place == len(text) or not text[place].isalnum()
    return place if length and seen == length and is_whole else 0


def _is_card(number: str) -> bool:
    return len(set(number)) > 1 and checksums.luhn(number)


RULES = (
    Iban("IBAN", "IBAN", re.compile(r"(?<![^\W_])([A-Za-z]{2})\d{2}(?=[ .-]?[A-Za-z0-9])"), digits=8),
    Rule("CARD", "card", re.compile(r"(?<![\w+.-])[2-6]\d{3}(?:[ -]?\d){8,15}(?![^\W_])(?![.-]\d)"), proof=_is_card,
         digits=12),
)  # fmt: skip
