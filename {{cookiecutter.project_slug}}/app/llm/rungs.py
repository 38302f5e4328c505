"""The rungs that ask no model: an answer given before, sentences of passages, the use case's rules, a person."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime

from app.domain.masking import PLACEHOLDER
from app.domain.outcome import Outcome
from app.domain.switch import Off
from app.domain.turn import Draft, StopTurn, Turn
from app.errors import Paused
from app.llm import extractive, structure
from app.llm.prompts import Prompt

WEAK = "the evidence is too weak"
# Nobody has said when a pause ends: come back so much later.
PAUSED_S = 29
# What may answer while no model may be asked; a colleague's queue is no place for everybody's questions.
WITHOUT_MODEL = ("cached", "extractive", "rules")
Rung = Callable[[Turn, Prompt], Awaitable[Draft]]


class RungSkipped(Exception):
    """This rung has no answer, and the ladder goes on; the message says why, in plain words and never the vendor's."""


async def cached(turn: Turn, prompt: Prompt) -> Draft:
    """Give what was answered before to a question like this one, with its age in seconds."""
    stale = turn.stale
    if stale is None or not _is_whole_answer(turn, prompt):
        raise RungSkipped("nothing like it was answered before")
    age_s = max(0.0, (datetime.now(UTC) - stale.said_at).total_seconds())
    return replace(stale.draft, rung="cached", outcome=Outcome.ANSWERED_CACHED, age_s=age_s)


async def extract(turn: Turn, prompt: Prompt) -> Draft:
    """Give the best sentences of the passages."""
    if prompt.output_schema is not None:
        raise RungSkipped("sentences of passages cannot fill a schema")
    draft = extractive.answer(_sought(turn), turn.passages)
    if draft is None:
        raise RungSkipped(WEAK)
    return draft


def _sought(turn: Turn) -> str:
    """Give the question without placeholders that no passage has: nothing can be found by them."""
    found = {name for passage in turn.passages for name in PLACEHOLDER.findall(f"{passage.heading} {passage.text}")}
    return PLACEHOLDER.sub(lambda name: name.group() if name.group() in found else "", turn.screened)


async def rules(turn: Turn, prompt: Prompt) -> Draft:
    """Give what the use case's rules.py says."""
    if turn.usecase.rules is None:
        raise RungSkipped("the use case has no rules.py")
    draft = turn.usecase.rules(turn)
    if draft is None:
        raise RungSkipped("the rules do not know")
    text = draft.text or structure.as_text(draft.data or {})
    return replace(draft, text=text, rung="rules", outcome=Outcome.ANSWERED_RULES)


async def person(turn: Turn, prompt: Prompt) -> Draft:
    """Hand the question to a person. Always raises StopTurn: `escalated_review`."""
    raise escalated(turn, f"no rung above could answer: {reasons(turn)}" if turn.tape.skipped else "a person answers")


LOCAL: dict[str, Rung] = {"cached": cached, "extractive": extract, "rules": rules, "person": person}


def escalated(turn: Turn, reason: str) -> StopTurn:
    """Give the stop that sends the turn to the reviewers."""
    return StopTurn(Outcome.ESCALATED_REVIEW, answer=turn.usecase.contract.sentences.waiting, reason=reason)


def paused(turn: Turn, off: Off) -> StopTurn:
    """Give the stop that says, in the contract's words, that a switch is off; when it ends is when to come back."""
    left_s = (off.until - datetime.now(UTC)).total_seconds() if off.until else PAUSED_S
    error = Paused(turn.usecase.contract.sentences.paused, retry_after_s=max(1, int(left_s) + 1))
    return StopTurn(Outcome.PAUSED_SWITCH, error=error, reason=off.told)


def reasons(turn: Turn) -> str:
    """Say why each rung so far was skipped."""
    return "; ".join(f"{skip.rung}: {skip.reason}" for skip in turn.tape.skipped)


def _is_whole_answer(turn: Turn, prompt: Prompt) -> bool:
    # A workflow may ask with other prompts too; what was kept is the answer to the whole turn.
    chosen = turn.usecase.contract.prompt
    return prompt.key == f"{chosen.name}.v{chosen.version}"
