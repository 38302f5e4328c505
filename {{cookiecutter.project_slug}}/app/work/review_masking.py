"""What a reviewer types is kept behind placeholders: the asker reads it in clear, others only where they may."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from app.domain.identity import Principal
from app.domain.masking import with_unknown, without_unknown
from app.domain.usecase import UseCase
from app.guard.pii import own, remasked
from app.guard.privacy import Privacy
from app.store.reviews import Decision
from app.work.review_sight import WORDS


async def behind_placeholders(
    privacy: Privacy, usecase: UseCase | None, review: Mapping[str, Any], decision: Decision
) -> Decision:
    """Mask all that was typed, by the review's placeholders; those that it brings anew stand in the decision's masks.

    Arguments of tools stay as they are: they are what will be done.
    """
    typed = (decision.final, decision.data, decision.note, decision.because)
    known = with_unknown(str([*typed, *(review[name] for name in WORDS)]), review["masks"])
    masks = own(known)
    if usecase is not None:
        masks = privacy.masks(usecase.contract.privacy, Principal(review["asker"]), known=known)
    final, data, note, because = await remasked(typed, masks)
    kept = without_unknown(masks)
    grown = kept if kept != review["masks"] else None
    return replace(decision, final=final, data=data, note=note, because=because, masks=grown)
