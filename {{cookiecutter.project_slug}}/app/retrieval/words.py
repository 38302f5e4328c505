"""Words of a text, stemmed as PostgreSQL's `english` configuration stems them."""

import re
from functools import lru_cache
from threading import local

import snowballstemmer

_WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)?", re.UNICODE)


class _PerThread(local):
    """A stemmer keeps the word it is at in itself: two threads with one would cut each other's words."""

    def __init__(self) -> None:
        self.stemmer = snowballstemmer.stemmer("english")


_HERE = _PerThread()

# Words of the English language that say nothing about a subject.
_STOP_WORDS = (
    "a about above after again against all am an and any are as at be because been before being below between "
    "both but by can could did do does doing down during each few for from further had has have having he her "
    "here hers herself him himself his how i if in into is it its itself just me more most my myself no nor not "
    "now of off on once only or other our ours ourselves out over own same shall she should so some such than "
    "that the their theirs them themselves then there these they this those through to too under until up very "
    "was we were what when where which while who whom why will with would you your yours yourself yourselves"
)
STOP_WORDS = frozenset(_STOP_WORDS.split())

# Words that ask, but say nothing about what is asked.
_ASKING_WORDS = (
    "anybody anyone anything ask find get give got happen happens kindly know let like long make many may might "
    "much must need please quickly say says show take tell thank thanks think use want wants"
)
ASKING_WORDS = frozenset(_ASKING_WORDS.split())


def words(text: str) -> list[str]:
    """Split a text into lower-case words, stop words left out."""
    found = (match.group().lower().replace("\u2019", "'").removesuffix("'s") for match in _WORD.finditer(text))
    return [word for word in found if word not in STOP_WORDS]


@lru_cache(maxsize=50_000)
def stem(word: str) -> str:
    """Cut a lower-case word down to its stem: `policies` and `policy` are both `polici`."""
    return str(_HERE.stemmer.stemWord(word))


def stems(text: str) -> list[str]:
    """Give the stems of a text in order, stop words left out."""
    return [stem(word) for word in words(text)]


def subject(question: str) -> str:
    """Leave the words of a question that say what it is about; the whole question when none would be left."""
    return " ".join(token for token in question.split() if _bare(token) not in STOP_WORDS | ASKING_WORDS) or question


def _bare(token: str) -> str:
    return token.lower().replace("\u2019", "'").strip("\"'.,;:!?()[]").removesuffix("'s")
