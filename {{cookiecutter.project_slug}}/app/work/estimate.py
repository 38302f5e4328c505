"""What a turn will cost before anybody has asked: prompts as for the evaluation cases, answers at their longest."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from statistics import mean
from uuid import UUID

from app.domain.identity import Principal
from app.domain.turn import Passage, Turn
from app.domain.usecase import UseCase
from app.llm import request
from app.llm.asking import max_tokens
from app.llm.catalog import Catalog, ModelRef
from app.llm.prompts import Prompt
from app.retrieval.chunk import MOST

Refs = Callable[[str, Prompt], ModelRef | None]
_NOBODY = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Asked:
    """A question that people are expected to ask."""

    question: str
    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Estimate:
    """US dollars per turn (None: no price is known), and how it was found."""

    per_turn_usd: Decimal | None
    said: str


def of(usecase: UseCase, *, asked: Sequence[Asked], refs: Refs, catalog: Catalog) -> Estimate:
    """Price one turn that is answered by the first model of the ladder; `refs` says which models there are."""
    chosen = usecase.contract.prompt
    prompt: Prompt = usecase.prompts[f"{chosen.name}.v{chosen.version}"]
    found = (refs(role, prompt) for role in usecase.contract.models.ladder)
    ref = next((ref for ref in found if ref), None)
    if ref is None:
        return Estimate(Decimal(0), "no model can be reached, so nothing is paid; assume one with --provider")
    output = max_tokens(usecase, prompt)
    input_, said = _input(usecase, prompt, asked=asked, output=output)
    cost = catalog.cost_usd(ref, input_tokens=input_, output_tokens=output)
    said = f"{ref}: {said}; an answer of {output} tokens, the longest allowed"
    if cost is None:
        return Estimate(None, f"{said}; no price is known for this model")
    return Estimate(min(cost, usecase.contract.cost.per_turn_usd), said)


def _input(usecase: UseCase, prompt: Prompt, *, asked: Sequence[Asked], output: int) -> tuple[int, str]:
    models = usecase.contract.models
    if usecase.tools:
        tokens = max(models.max_input_tokens, usecase.contract.agent.max_tokens - output)
        return tokens, f"an agent that reads {tokens} tokens, the most it may"
    if not asked:
        return models.max_input_tokens, f"a prompt of {models.max_input_tokens} tokens, the longest allowed"
    tokens = round(mean(_tokens(usecase, prompt, one) for one in asked))
    with_ = f" with {usecase.contract.retrieval.passages} passages of full length" if prompt.is_grounded else ""
    return tokens, f"a prompt of {tokens} tokens, measured on {len(asked)} evaluation cases{with_}"


def _tokens(usecase: UseCase, prompt: Prompt, asked: Asked) -> int:
    # Six letters and a space: a long English word, so that the estimate is rather too high.
    passage = Passage(0, _NOBODY, "Title of a document", "", "letters " * MOST, 1.0)
    turn = Turn(
        usecase=usecase,
        principal=Principal("nobody"),
        question=asked.question,
        screened=asked.question,
        fields=asked.fields,
        passages=(passage,) * usecase.contract.retrieval.passages,
    )
    try:
        return request.size(request.chat(prompt, turn), prompt.output_schema)
    except request.TooLong:
        return usecase.contract.models.max_input_tokens
