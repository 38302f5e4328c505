"""A review as a given reviewer may see it, and the fingerprint by which a decision says what it was about."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from app.domain.identity import Permission, Principal
from app.domain.masking import Masks, Rules, unmasked
from app.domain.review import holds_back
from app.domain.usecase import UseCase
from app.guard.pii import covered
from app.store.quoting import WITHHELD

# What may hold personal data, behind placeholders.
WORDS = ("question", "draft", "data", "why", "final", "final_data", "complaint", "note", "reason")
_OF_USES = ("proposed", "arguments", "result", "error")


def as_seen(who: Principal, review: Mapping[str, Any]) -> dict[str, Any]:
    """Give a review with its personal data for those who may see it, with its placeholders for others."""
    seen = {name: value for name, value in review.items() if name != "masks"} | {"digest": digest(review)}
    if not who.may(Permission.SEE_PERSONAL_DATA):
        return seen | {"actions": covered_uses(review)[0]}
    return seen | {name: unmasked(seen[name], review["masks"]) for name in WORDS}


def covered_uses(review: Mapping[str, Any]) -> tuple[list[dict[str, Any]], Masks]:
    """Give what tools would do with the placeholders that stand for the same in question and draft, and their map.

    What stands in none of them stays: nobody can approve what they cannot see, such as to whom something is sent.
    """
    masks = Masks(review["masks"], rules=Rules())
    uses = [{**each, **{name: covered(each[name], masks) for name in _OF_USES}} for each in review["actions"]]
    return uses, masks


def without_quotes(review: Mapping[str, Any]) -> dict[str, Any]:
    """Leave of a review only who asked what: the rest stands on documents that this person may not read."""
    # Why it waits, its data and what tools were given may be words of the same documents.
    blank = {"proposed": {}, "arguments": {}, "result": "", "error": ""}
    return {
        **review,
        "draft": WITHHELD,
        "data": None,
        "why": "",
        "reason": None,
        "final": None if review["final"] is None else WITHHELD,
        "final_data": None,
        "note": None,
        "complaint": None if review["complaint"] is None else WITHHELD,
        "actions": [{**each, **blank} for each in review["actions"]],
        "digest": "",
        "withheld": True,
    }


def digest(review: Mapping[str, Any]) -> str:
    """Give the SHA-256 of what a decision is about: draft, complaint, what others wrote so far, what tools do."""
    words = [review[name] for name in ("draft", "data", "final", "final_data", "note", "complaint")]
    uses = [[each["ordinal"], each["tool"], each["arguments"], each["status"]] for each in review["actions"]]
    return hashlib.sha256(json.dumps([words, uses], sort_keys=True, default=str).encode()).hexdigest()


def changed(seen: Mapping[str, Any], edited: Mapping[str, Any]) -> dict[str, Any]:
    """Give of what a reviewer sent (`text`, `data`, `arguments`) only what differs from what they saw."""
    text, data = edited.get("text"), edited.get("data")
    was = seen["draft"] if seen["final"] is None else seen["final"]
    was_data = seen["data"] if seen["final_data"] is None else seen["final_data"]
    known = {each["ordinal"]: each["arguments"] for each in seen["actions"]}
    return {
        "text": None if text is None or text.strip() == was.strip() else text,
        "data": None if data == was_data else data,
        "arguments": {
            place: arguments
            for place, arguments in (edited.get("arguments") or {}).items()
            if place not in known or arguments != known[place]
        },
    }


def for_the_asker(review: Mapping[str, Any], usecase: UseCase | None) -> str | None:
    """Give what the person who asked reads in their conversation now; None: what they have read stays.

    A use case that is gone has no sentences any more.
    """
    masks = review["masks"]
    if review["status"] == "approved":
        is_as_given = not holds_back(review) and review["final"] == review["draft"]
        return None if is_as_given else str(unmasked(review["final"], masks))
    if review["status"] == "open" and not holds_back(review):
        return str(unmasked(review["draft"], masks))
    if usecase is None:
        return None
    sentences, is_open = usecase.contract.sentences, review["status"] == "open"
    said = sentences.waiting if is_open else sentences.declined
    if review["kind"] == "incident":
        said = sentences.unsafe
    note = "" if is_open else unmasked(review["note"], masks) or ""
    return f"{said}\n\n{note}" if note else said
