"""When a person was born: a date, and the words that say so; a date without them is nobody's birthday."""

import re

from app.guard.rules import Rule, is_announced, n

_MONTHS = (
    "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|mär|mai|okt|dez|janv|févr|fév|avr|juin|juil|août|déc|ene|abr|ago|dic"
    "|gen|mag|giu|lug|set|ott|mrt|mei|fev|out|sty|lut|kwi|maj|cze|lip|sie|wrz|paź|lis|gru"
)
_MONTH = rf"(?:{_MONTHS})[^\W\d_]*\.?"
_DATE = (
    r"(?:\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/. ]{1,2}\d{1,2}[-/. ]{1,2}(?:\d{4}|\d{2})"
    rf"|\d{n('1,2')}(?:st|nd|rd|th|er|\.|º)?[ -](?:of |de |d')?{_MONTH}(?:,?[ -](?:de |del )?\d{n('2,4')})?"
    rf"|{_MONTH}[ ]\d{n('1,2')}(?:st|nd|rd|th)?(?:,?[ ]\d{n('4')})?|"
    rf"(?:19|20)\d{n('6')}|\d{n('4')}年\d{n('1,2')}月\d{n('1,2')}日)"
)
_BORN = (
    "born", "birth", "birthday", "bday", "dob", "d.o.b", "geb.", "gebore", "geburt", "né ", "née ", "naissance", "naci",
    "nací", "nato ", "nata ", "nascit", "geboren", "geboorte", "urodz", "född", "født", "nasci", "syntyn",
    "出生", "生年月日", "родил", "生日",
)  # fmt: skip
_SAID_AFTER = re.compile(r"[,)]? (?:geboren|born\b|né[e ])", re.IGNORECASE)


class _Birth(Rule):
    """A date with such a word just before it or just behind."""

    def _holds(self, text: str, start: int, end: int) -> bool:
        return is_announced(text, start, self.cue) or _SAID_AFTER.match(text, end) is not None


RULES = (
    _Birth("BIRTHDATE", "date of birth", re.compile(rf"(?<![\w.,/-])(?:{_DATE})(?!\w)", re.IGNORECASE), cue=_BORN,
         alone=False),
)  # fmt: skip
