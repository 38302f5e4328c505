"""Words that nobody else writes: sent through every door, and looked for in all that a service tells about itself.

Personal data of every common form, secrets of every common form, and plain words of a question, a file and an answer.
"""

from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

QUESTION = "zqplantedquestion"
NAME = "Zuzanna Qvistplanted"
EMAIL = "zq.planted@person.example"
PHONE = "+49 151 55501987"
IBAN = "DE44500105175407324931"
CARD = "4539578763621486"
KEY = "sk-zqplanted7Qm2vT9xLr4cWd8y"
TOKEN = "zqplanted/token+0123456789abcdef=="  # noqa: S105 - planted, to be looked for
PASSWORD = "zqPlanted!pass-3141"  # noqa: S105 - planted, to be looked for
FILE = "zqplantedfile"

PERSONAL = (NAME, EMAIL, PHONE, IBAN, CARD)
SECRETS = (KEY, TOKEN, PASSWORD)
# What an error answer must not repeat; the name of a thing that was asked for may be named.
UNREPEATED = (EMAIL, PHONE, IBAN, CARD, *SECRETS)
EVERY = (QUESTION, FILE, *PERSONAL, *SECRETS)
SENTENCE = f"{QUESTION} for {NAME}, {EMAIL}, {PHONE}, {IBAN}, {CARD}: is {KEY} or {PASSWORD} still good?"


def found_in(text: str, words: Iterable[str] = EVERY) -> list[str]:
    """Give the planted words that stand in a text, also as they are written in URLs and in JSON."""
    low = text.casefold()
    return [word for word in words if any(form in low for form in _forms(word))]


def _forms(word: str) -> Iterator[str]:
    for form in dict.fromkeys((word, quote(word), quote(word, safe=""), quote_plus(word), word.replace(" ", ""))):
        yield form.casefold()
