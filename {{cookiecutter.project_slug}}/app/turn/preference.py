"""Which of two answers is better: a model is asked in both orders, as many judges prefer whatever comes first.

L. Zheng et al., "Judging LLM-as-a-Judge with MT-Bench and Chatbot Arena", NeurIPS 2023, section 3.4.
"""

from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Literal

from app.domain.outcome import Outcome
from app.domain.turn import Draft, Passage, Tape, Turn
from app.domain.usecase import Kit, UseCase
from app.llm import prompts
from app.llm.gateway import Gateway
from app.turn.candidate import alone, of_role
from app.turn.pipeline import Pipeline, as_it_is

Verdict = Literal["better", "same", "worse"]
FILE = "preference.v1.md"
PROMPT = prompts.parse(FILE, Path(__file__).with_name(FILE).read_text(encoding="utf-8"))
ANSWERED = (Outcome.ANSWERED_MODEL,)
# Of all passages together; a judge reads them beside two answers.
MOST_CHARS = 8000


@dataclass(frozen=True, slots=True)
class Preferred:
    """What the judge says of the second answer, and what asking cost in US dollars (None: nobody knows)."""

    verdict: Verdict | None
    cost_usd: Decimal | None = Decimal(0)


class Preference:
    """Asks the judge, as a turn of its own: admitted, paid for and recorded like the run that it judges."""

    def __init__(self, pipeline: Pipeline, gateway: Gateway) -> None:
        skipped = dict.fromkeys(("screen", "recall", "retrieve", "unmask", "remember"), as_it_is)
        self._pipeline, self._gateway = replace(pipeline, **skipped, check=_as_drafted), gateway

    async def between(self, turn: Turn, seen: str, other: str, *, role: str) -> Preferred:
        """Say whether the answer that the turn gave (`other`) is better than what people saw; no verdict, no turn."""
        usecase = _judging(turn.usecase, role)
        if not role or not self._gateway.has_model(usecase):
            return Preferred(None)
        asked = Turn(
            usecase=usecase,
            principal=turn.principal,
            question=turn.screened,
            screened=turn.screened,
            masks=turn.masks,
            fields={"sources": _sources(turn.passages), "first": seen, "second": other},
            passages=turn.passages,
            tape=Tape(retrievals=list(turn.tape.retrievals)),
            channel=turn.channel,
            shadow_of=turn.shadow_of,
        )
        ended = await self._pipeline.run(asked)
        said = (ended.draft.data or {}).get("verdict") if ended.draft and ended.outcome in ANSWERED else None
        return Preferred(said, ended.tape.usage.cost_usd)


def verdict_of(first: str, second: str) -> Verdict:
    """Give the verdict from what was said in both orders; a judge that follows the place says nothing."""
    if (first, second) == ("second", "first"):
        return "better"
    return "worse" if (first, second) == ("first", "second") else "same"


async def _compare(turn: Turn, kit: Kit) -> Draft:
    there = await kit.ask(turn)
    swapped = {**turn.fields, "first": turn.fields["second"], "second": turn.fields["first"]}
    back = await kit.ask(turn.with_(fields=swapped))
    said = [str((draft.data or {}).get("better", "same")) for draft in (there, back)]
    verdict = verdict_of(*said)
    return replace(back, text=verdict, data={"verdict": verdict, "said": said})


def _judging(usecase: UseCase, role: str) -> UseCase:
    contract = alone(usecase, of_role(role)).contract
    chosen = contract.prompt.model_copy(update={"name": PROMPT.name, "version": PROMPT.version})
    return replace(
        usecase,
        contract=contract.model_copy(update={"prompt": chosen}),
        prompts={PROMPT.key: PROMPT},
        workflow=_compare,
        checks=(),
        tools=(),
        rules=None,
    )


def _sources(passages: tuple[Passage, ...]) -> str:
    told = "\n\n".join(f"{passage.title}. {passage.heading}\n{passage.text}" for passage in passages)
    return told[:MOST_CHARS] or "none"


async def _as_drafted(turn: Turn) -> Turn:
    """Take the verdict as it is: nobody reads it, and what it quotes stays within the judge's own prompt."""
    return turn.with_(outcome=turn.draft.outcome) if turn.draft else turn
