"""The proof that broken files hurt nobody breaks the same files for the same seed, whenever it runs."""

import random
import time

from ops.prove.samples import broken, good


def test_a_seed_breaks_the_same_files_at_another_time() -> None:
    first = good.__wrapped__()
    # An archive dates its parts by two seconds.
    time.sleep(2.1)
    then = good.__wrapped__()
    assert [kind for kind in first if first[kind] != then[kind]] == []
    for kind in ("docx", "xlsx"):
        assert [broken(first[kind], random.Random(seed)) for seed in range(20)] == [
            broken(then[kind], random.Random(seed)) for seed in range(20)
        ]
