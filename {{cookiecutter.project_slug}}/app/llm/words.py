"""Words as search sees them: lower case, without filler words, cut to their stems."""

import re
from functools import lru_cache

from snowballstemmer import stemmer

WORD = re.compile(r"[a-z0-9]+(?:[.,:'/-][a-z0-9]+)*")
CODE = re.compile(r"^[a-z]+-?\d[a-z0-9-]*$")
SEPARATOR = re.compile(r"[/:-](?!\d)")
# The last two lines: people also ask in their own language, with the documents' English words in between.
FILLERS = frozenset(
    re.findall(
        r"\w+",
        """
        a about after all also am an and any anybody anyone are as at be been before being between both but by can
        could did do does doing during each employee employees everyone find for from get give gets had happen
        happens has have having he her here him his how i if in into is it its just know last let like many may me
        more most much must my need needed needs no not now of off often on one only or our out over own people per
        person please she should since so some somebody someone such tell than that the their them then there these
        they thing this those through to too under until up us use used very want was we were what when where
        whether which while who whom whose why will with within without would you your
        least largest biggest highest lowest maximum minimum max min
        ist die der das des den dem ein eine einer und wie viel viele ich mir fur von mit wo wann
        de het een en hoe veel ik voor van met waar wanneer le la les un une du et est quel quelle combien pour
        """,
    )
)
SAME = {
    "vacation": "leave",
    "holiday": "leave",
    "pto": "leave",
    "wfh": "remote",
    "telework": "remote",
    "ill": "sick",
    "illness": "sick",
    "salary": "pay",
    "wage": "pay",
    "paid": "pay",
    "bike": "bicycle",
    "notebook": "laptop",
    "meter": "metre",
    "cost": "price",
    "costs": "price",
    "euro": "eur",
    "euros": "eur",
}
_english = stemmer("english")


@lru_cache(maxsize=50_000)
def stem(word: str) -> str:
    """Cut an English word to its stem; words of like meaning share one."""
    return str(_english.stemWord(SAME.get(word, word)))


def stems(text: str) -> list[str]:
    """Give the stems of the words that carry meaning, in order; compounds give their parts, codes lose their hyphen."""
    found: list[str] = []
    for word in WORD.findall(text.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")):
        parts = [word] if CODE.match(word) else SEPARATOR.split(word)
        plain = [part.removesuffix("'s") for part in parts]
        found.extend(stem(part.replace("-", "")) for part in plain if part not in FILLERS)
    return found
