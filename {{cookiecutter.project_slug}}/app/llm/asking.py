"""The rungs that ask a model: which one, under which revision, for text or for a structured answer."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from app.domain.outcome import Outcome
from app.domain.turn import Draft, Purpose, StopTurn, Turn
from app.domain.usecase import UseCase
from app.llm import request, revision, spending, structure
from app.llm.calls import Caller
from app.llm.catalog import LOCAL_RUNGS, Catalog, ModelRef, ref_of
from app.llm.citations import cite
from app.llm.errand import Errand
from app.llm.preview import Preview
from app.llm.prompts import NO_EVIDENCE, Prompt
from app.llm.providers import Providers, Vendor
from app.llm.resilience import LEAST_S, now_s
from app.llm.rungs import RungSkipped, escalated

if TYPE_CHECKING:
    from pydantic_ai.messages import ModelMessage, ModelResponse

NO_MODEL = "no model is configured"
NO_TIME = "no time was left"


class Models:
    """Finds the model for a role, and asks it."""

    def __init__(self, catalog: Catalog, providers: Providers, caller: Caller) -> None:
        self.catalog = catalog
        self._providers = providers
        self._caller = caller

    def ref(self, role: str, prompt: Prompt | None = None) -> ModelRef | None:
        """Give the model of a role that can be reached: the one the prompt pins, else that of config/models.toml."""
        ref = chosen(self.catalog, self._providers.vendor, role, prompt)
        return ref if ref and self._providers.reaches(ref.provider) else None

    def errand(self, role: str, turn: Turn, prompt: Prompt, *, until_s: float, purpose: Purpose = "answer") -> Errand:
        """Prepare a call. Raises RungSkipped where there is no such model, no key for it, or no time left."""
        ref = chosen(self.catalog, self._providers.vendor, role, prompt)
        if ref is None:
            raise RungSkipped(NO_MODEL)
        if not self._providers.reaches(ref.provider):
            is_home = ref.provider == self._providers.vendor.provider
            raise RungSkipped(NO_MODEL if is_home else f"there is no key for {ref.provider}")
        if until_s - now_s() < LEAST_S:
            raise RungSkipped(NO_TIME)
        return Errand(
            rung=role,
            ref=ref,
            prompt=prompt,
            max_tokens=max_tokens(turn.usecase, prompt),
            until_s=until_s,
            purpose=purpose,
            interactive=turn.is_interactive,
            revision=revision_of(self.catalog, turn.usecase, prompt, ref=ref),
        )

    async def answer(self, errand: Errand, turn: Turn, *, preview: Preview) -> Draft:
        """Ask for an answer. Raises StopTurn: no evidence, or (invalid twice) a person has to look at it."""
        if errand.prompt.output_schema is None:
            return await self._text(errand, turn, preview=preview)
        return await self._structured(errand, turn, preview=preview)

    async def read(self, errand: Errand, turn: Turn) -> dict[str, Any]:
        """Ask once for a structured answer that nobody sees. Raises InvalidOutput and whatever a call raises."""
        messages = request.messages(errand.prompt, turn)
        response = await self._call(errand, messages, turn=turn, preview=None)
        return structure.read(response.text or "", errand.prompt.output_schema or {})

    async def step(
        self, errand: Errand, messages: "list[ModelMessage]", *, turn: Turn, input_tokens: int
    ) -> "ModelResponse":
        """Make one call of an agent's loop. Raises RungSkipped when it could cost more than is left for the turn."""
        spending.ensure(turn, self.catalog, errand.ref, input_tokens=input_tokens, max_tokens=errand.max_tokens)
        return await self._caller.call(errand, messages, tape=turn.tape)

    async def _text(self, errand: Errand, turn: Turn, *, preview: Preview) -> Draft:
        messages = request.messages(errand.prompt, turn)
        response = await self._call(errand, messages, turn=turn, preview=preview)
        text = (response.text or "").strip()
        if errand.prompt.is_grounded and text.startswith(NO_EVIDENCE):
            raise no_evidence(turn, "the model found no answer in the passages")
        await preview.finish()
        return _draft(errand, turn, text=text, cited=text)

    async def _structured(self, errand: Errand, turn: Turn, *, preview: Preview) -> Draft:
        schema = errand.prompt.output_schema or {}
        response = await self._call(errand, request.messages(errand.prompt, turn), turn=turn, preview=preview)
        try:
            data = structure.read(response.text or "", schema)
        except structure.InvalidOutput as fault:
            response, data = await self._reask(errand, turn, response=response, fault=fault, preview=preview)
        await preview.finish()
        draft = _draft(errand, turn, text=structure.as_text(data), cited=response.text or "")
        return replace(draft, data=data)

    async def _reask(
        self,
        errand: Errand,
        turn: Turn,
        *,
        response: "ModelResponse",
        fault: structure.InvalidOutput,
        preview: Preview,
    ) -> "tuple[ModelResponse, dict[str, Any]]":
        from pydantic_ai.messages import ModelRequest, UserPromptPart

        schema, raw, complaint = errand.prompt.output_schema or {}, response.text or "", structure.again(fault)
        retry = ModelRequest(parts=[UserPromptPart(content=complaint)], instructions=errand.prompt.system)
        room = request.tokens(raw) + request.tokens(complaint)
        messages = [*request.messages(errand.prompt, turn, room=room), response, retry]
        preview.tear()
        turn.tape.raw = raw
        again = await self._call(replace(errand, purpose="reask"), messages, turn=turn, preview=preview)
        try:
            data = structure.read(again.text or "", schema)
        except structure.InvalidOutput as second:
            turn.tape.raw = again.text or ""
            raise escalated(turn, f"the model's output was invalid, twice: {second}") from second
        turn.tape.raw = ""
        return again, data

    async def _call(
        self, errand: Errand, messages: "list[ModelMessage]", *, turn: Turn, preview: Preview | None
    ) -> "ModelResponse":
        size = request.tokens(str(messages))

        def affordable() -> None:
            spending.ensure(turn, self.catalog, errand.ref, input_tokens=size, max_tokens=errand.max_tokens)

        shown = preview if preview and preview.is_open else None
        guarded = replace(errand, before=affordable)
        return await self._caller.call(guarded, messages, tape=turn.tape, preview=shown)


def chosen(catalog: Catalog, vendor: Vendor, role: str, prompt: Prompt | None = None) -> ModelRef | None:
    """Give the model of a role in a vendor's table: the one that the prompt pins, else that of config/models.toml."""
    if vendor.provider == "none":
        return None
    pinned = prompt.pins.get(vendor.provider, {}).get(role) if prompt else None
    if pinned:
        return ref_of(pinned, at_home=vendor.provider)
    return catalog.model_for(vendor.provider, role, compatible_model=vendor.compatible_model)


def revision_of(catalog: Catalog, usecase: UseCase, prompt: Prompt, *, ref: ModelRef) -> str:
    """Give the one revision of this prompt with this model under this contract."""
    return revision.of(
        prompt,
        provider=ref.provider,
        model=ref.name,
        max_tokens=max_tokens(usecase, prompt),
        thinking=catalog.thinking.get(ref.name),
    )


def max_tokens(usecase: UseCase, prompt: Prompt) -> int:
    """Give the longest answer that the model may give: the prompt's own limit, within the contract's."""
    cap = usecase.contract.models.max_output_tokens
    return min(prompt.settings.max_tokens or cap, cap)


def roles(usecase: UseCase) -> list[str]:
    """Give every role that this use case may ask: of its ladder, then of its routes."""
    contract = usecase.contract
    named = [*contract.models.ladder, *(route.to for route in contract.routes)]
    return [role for role in dict.fromkeys(named) if role not in LOCAL_RUNGS]


def no_evidence(turn: Turn, reason: str) -> StopTurn:
    """Give the stop that says, in the contract's words, that the passages hold no answer."""
    sentence = turn.usecase.contract.sentences.no_evidence
    return StopTurn(Outcome.REFUSED_NO_EVIDENCE, answer=sentence, reason=reason)


def _draft(errand: Errand, turn: Turn, *, text: str, cited: str) -> Draft:
    return Draft(
        text=text,
        rung=errand.rung,
        outcome=Outcome.ANSWERED_MODEL,
        model=errand.ref.name,
        revision=errand.revision,
        citations=cite(cited, turn.passages),
    )
