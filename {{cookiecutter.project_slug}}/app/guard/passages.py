"""What of a passage may go on: nothing that orders a model about, and no personal data."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from app.domain.turn import Passage
from app.guard.input import is_suspicious
from app.guard.pii import mask


def screened(found: Iterable[Passage], masks: Mapping[str, str]) -> tuple[tuple[Passage, ...], dict[str, str]]:
    """Leave out suspicious passages and mask the rest: title, heading and text; give the grown map too."""
    grown, kept = dict(masks), []
    for passage in found:
        # Text and headings were looked at when the document was read; its title may have changed since.
        if passage.suspicious or is_suspicious(passage.title):
            continue
        title, grown = mask(passage.title, grown)
        heading, grown = mask(passage.heading, grown)
        text, grown = mask(passage.text, grown)
        kept.append(replace(passage, title=title, heading=heading, text=text))
    return tuple(kept), grown
