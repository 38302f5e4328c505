"""Stems are the same on every thread: documents are embedded on several at once."""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.retrieval.words import stem

ENDINGS = ["ing", "ed", "ies", "ational", "ness", "ly", "ization", "s", "ement", "ful"]
WORDS = [f"{start}{middle}{end}" for start in "bcdfglmnpr" for middle in ("arri", "olod", "ubstel") for end in ENDINGS]


@pytest.fixture
def impatient() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("impatient")
def test_threads_do_not_cut_each_others_words() -> None:
    uncached = stem.__wrapped__
    alone = [uncached(word) for word in WORDS]

    def stemmed(_: int) -> list[str]:
        return [uncached(word) for word in WORDS]

    with ThreadPoolExecutor(8) as pool:
        for found in pool.map(stemmed, range(24)):
            assert found == alone
