"""A finished turn as its asker receives it, through whichever door."""

from typing import Any

from app.domain.turn import Citation, Turn
from app.guard.pii import unmask, unmasked
from app.llm.asking import NO_MODEL
from app.turn.disclosure import disclosure, of_answer


def response(turn: Turn) -> dict[str, Any]:
    """Give the JSON body of a finished turn, without what its asker may not see of it."""
    return of_answer(kept(turn), disclosure(turn.principal, turn.usecase.contract.access))


def kept(turn: Turn) -> dict[str, Any]:
    """Give all of a finished turn, to be kept: what of it is shown is decided each time anew.

    Citations are numbered as in the text.
    """
    draft, usage = turn.draft, turn.tape.usage
    answered = turn.outcome is not None and turn.outcome.family == "answered"
    shown = draft if answered else None
    return {
        "turn_id": str(turn.id),
        "session_id": str(turn.session_id) if turn.session_id else None,
        "usecase": turn.usecase.name,
        "outcome": turn.outcome.value if turn.outcome else None,
        "answer": turn.answer,
        "data": unmasked(shown.data, turn.masks) if shown else None,
        "citations": [_citation(turn, citation) for citation in shown.citations] if shown else [],
        "rung": draft.rung if draft else "",
        "model": draft.model if draft else "",
        "revision": draft.revision if draft else "",
        "confidence": draft.confidence if draft else None,
        # Not as good as it could be: a rung above could not answer.
        "degraded": answered and any(skip.reason != NO_MODEL for skip in turn.tape.skipped),
        "skipped": [{"rung": skip.rung, "reason": skip.reason} for skip in turn.tape.skipped],
        "age_s": draft.age_s if draft else None,
        "route": turn.tape.route.to if turn.tape.route else "",
        "usage": {
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
            "cached_tokens": usage.cached_tokens,
            "cost_usd": str(usage.cost_usd) if usage.cost_usd is not None else None,
        },
        "latency_ms": round(turn.latency_ms, 1),
        "trace_id": turn.trace_id,
    }


def _citation(turn: Turn, citation: Citation) -> dict[str, Any]:
    return {
        "marker": citation.marker,
        "document_id": str(citation.document_id),
        "title": unmask(citation.title, turn.masks),
        "uri": citation.uri,
        "heading": unmask(citation.heading, turn.masks),
        "page": citation.page,
        "anchor": citation.anchor,
        "quote": unmask(citation.quote, turn.masks),
    }
