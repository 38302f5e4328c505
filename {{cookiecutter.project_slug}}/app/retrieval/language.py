"""The language of a document, as PostgreSQL names its configurations for full text, by the small words it uses."""

import re
from collections import Counter
from collections.abc import Iterable
from itertools import islice

# The most frequent words of running text; words that two of the languages share weigh in both.
_SMALL_WORDS = {
    "danish": "og i at det er en til af den de på for ikke der med som har et blev fra efter mere hvad anden også skal",
    "dutch": "de het een van en in is dat op te zijn voor met niet aan er ook als bij door worden naar wordt kan",
    "english": "the of and to in is that for on with as be are it this by or from at not have an will you was",
    "finnish": "ja on ei se että oli joka mutta kun tai ovat sen myös kuin voi hän jos siitä mitä olla ole",
    "french": "le la les de des et un une est en que qui dans pour sur pas au aux du avec ce il par sont vous",
    "german": "der die das und ist in den von zu mit ein eine nicht auf für im sich des dem auch als werden wird sind",
    "hungarian": "a az és hogy nem is egy van ez meg csak már de kell vagy volt mint lehet ha el minden",
    "italian": "il la di che e un una per non in con sono del della da le si gli alla nel i al è come dei",
    "norwegian": "og i at det er en til av den de på for ikke med som har et ble blir fra etter mer hva annen også",
    "portuguese": "o a de que e do da em um para com não uma os no se na por mais as dos como mas ao das são",
    "romanian": "și de la în a nu că cu pe un o este pentru din care sunt mai să ce sau fi ale prin au",
    "russian": "и в не на что с по как это для от он из у к за все так но при или является быть если",
    "spanish": "el la de que y en los las un una por con no se para del es al su como más lo o son está",
    "swedish": "och i att det är en till av den de på för inte med som har jag ett från också ska kan vara om",
    "turkish": "ve bir bu da de için ile olarak çok daha gibi kadar en var ne olan sonra değil ya mi her",
}
_SHARED = Counter(word for words in _SMALL_WORDS.values() for word in set(words.split()))
# Near neighbours differ in few words only: those of one language alone count twice.
_WEIGHTS = {
    language: {word: 2 if _SHARED[word] == 1 else 1 for word in words.split()}
    for language, words in _SMALL_WORDS.items()
}
# A whole word: the letters within an order number or a checksum are of no language.
_WORD = re.compile(r"\b[^\W\d_]+\b")
_SAMPLE_WORDS = 3000
# Fewer words than this say nothing; a text in a language has at least this share of its small words, and this lead.
_LEAST_WORDS, _LEAST_SHARE, _LEAD = 25, 0.2, 1.45


def language_of(texts: Iterable[str], *, least_words: int = _LEAST_WORDS) -> str:
    """Name the language, such as `german`; "" when it is unknown, mixed, or there are fewer than `least_words`."""
    found = islice((match.group().lower() for text in texts for match in _WORD.finditer(text)), _SAMPLE_WORDS)
    counted = Counter(found)
    total = sum(counted.values())
    if total < least_words:
        return ""
    scores = {
        name: sum(counted[word] * weight for word, weight in weights.items()) for name, weights in _WEIGHTS.items()
    }
    best, second = sorted(scores, key=scores.__getitem__, reverse=True)[:2]
    return best if scores[best] >= _LEAST_SHARE * total and scores[best] >= _LEAD * scores[second] else ""
