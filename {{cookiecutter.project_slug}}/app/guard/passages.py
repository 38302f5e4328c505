"""What of a passage may go on: nothing that orders a model about, and no personal data."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from app.domain.masking import Masks
from app.domain.turn import Passage
from app.guard.injection import THRESHOLD, known_score
from app.guard.pii import masked


async def screened(found: Iterable[Passage], masks: Mapping[str, str]) -> tuple[tuple[Passage, ...], Masks]:
    """Leave out suspicious passages and mask the rest: title, heading and text; give the grown map too."""
    kept = [passage for passage in found if not (passage.suspicious or _orders(passage))]
    texts, grown = await masked([text for each in kept for text in (each.title, each.heading, each.text)], masks)
    parts = zip(texts[0::3], texts[1::3], texts[2::3], strict=True)
    passages = (
        replace(passage, title=title, heading=heading, text=text)
        for passage, (title, heading, text) in zip(kept, parts, strict=True)
    )
    return tuple(passages), grown


def _orders(passage: Passage) -> bool:
    # The document was judged when it was read: since then its title may have changed, or what the screen knows.
    texts = (passage.title, f"{passage.heading}\n{passage.text}")
    return any(known_score(text) >= THRESHOLD for text in texts)
