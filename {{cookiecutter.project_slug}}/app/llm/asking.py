"""The rungs that ask a model: which one, under which revision, for text or for a structured answer."""

from dataclasses import replace
from typing import Any

from app.domain.masking import unmask
from app.domain.outcome import Outcome
from app.domain.turn import Draft, Purpose, StopTurn, Turn
from app.domain.usecase import UseCase
from app.llm import confidence, request, revision, spending, structure
from app.llm.calls import Caller
from app.llm.catalog import LOCAL_RUNGS, Catalog, ModelRef, ref_of
from app.llm.chat import Chat, Reply, Word
from app.llm.citations import cite
from app.llm.errand import Errand
from app.llm.exchange import Step
from app.llm.preview import Preview
from app.llm.privacy import is_open_to, private
from app.llm.prompts import NO_EVIDENCE, Prompt
from app.llm.providers import Providers, Vendor
from app.llm.resilience import LEAST_S, now_s
from app.llm.rungs import RungSkipped, escalated

NO_MODEL = "no model is configured"
NO_TIME = "no time was left"


class Models:
    """Finds the model for a role, and asks it."""

    def __init__(self, catalog: Catalog, providers: Providers, caller: Caller) -> None:
        self.catalog = catalog
        self.providers = providers
        self._caller = caller

    def ref(self, role: str, prompt: Prompt | None = None) -> ModelRef | None:
        """Give the model of a role that can be reached: the one the prompt pins, else that of config/models.toml."""
        ref = chosen(self.catalog, self.providers.vendor, role, prompt)
        return ref if ref and self.providers.reaches(ref.provider) else None

    def errand(self, role: str, turn: Turn, prompt: Prompt, *, until_s: float, purpose: Purpose = "answer") -> Errand:
        """Prepare a call. Raises RungSkipped where there is no such model, no key for it, or no time left."""
        ref = chosen(self.catalog, self.providers.vendor, role, prompt)
        if ref is None:
            raise RungSkipped(NO_MODEL)
        if not self.providers.reaches(ref.provider):
            is_home = ref.provider == self.providers.vendor.provider
            raise RungSkipped(NO_MODEL if is_home else f"there is no key for {ref.provider}")
        if why := private(turn, is_own=self.catalog.is_own(ref)):
            raise RungSkipped(why)
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
        reply = await self._call(errand, request.chat(errand.prompt, turn), turn=turn, preview=None)
        return structure.read(reply.text, errand.prompt.output_schema or {})

    async def step(self, errand: Errand, step: Step, *, turn: Turn, input_tokens: int) -> Reply:
        """Make one call of an agent's loop. Raises RungSkipped when it could cost more than is left for the turn."""
        spending.ensure(turn, self.catalog, errand.ref, input_tokens=input_tokens, max_tokens=errand.max_tokens)
        return await self._caller.call(errand, step, tape=turn.tape)

    async def _text(self, errand: Errand, turn: Turn, *, preview: Preview) -> Draft:
        reply = await self._call(errand, request.chat(errand.prompt, turn), turn=turn, preview=preview)
        text = reply.text.strip()
        if errand.prompt.is_grounded and text.startswith(NO_EVIDENCE):
            raise no_evidence(turn, "the model found no answer in the passages")
        await preview.finish()
        return _draft(errand, turn, text=text, cited=text)

    async def _structured(self, errand: Errand, turn: Turn, *, preview: Preview) -> Draft:
        schema = errand.prompt.output_schema or {}
        reply = await self._call(errand, request.chat(errand.prompt, turn), turn=turn, preview=preview)
        try:
            data = structure.read(reply.text, schema)
        except structure.InvalidOutput as fault:
            reply, data = await self._reask(errand, turn, raw=reply.text, fault=fault, preview=preview)
        await preview.finish()
        return _draft(errand, turn, text=structure.as_text(data), cited=reply.text, data=data)

    async def _reask(
        self,
        errand: Errand,
        turn: Turn,
        *,
        raw: str,
        fault: structure.InvalidOutput,
        preview: Preview,
    ) -> tuple[Reply, dict[str, Any]]:
        complaint = structure.again(fault)
        room = request.tokens(raw) + request.tokens(complaint)
        asked = request.chat(errand.prompt, turn, room=room).then(Word("assistant", raw), Word("user", complaint))
        preview.tear()
        turn.tape.raw = raw
        again = await self._call(replace(errand, purpose="reask"), asked, turn=turn, preview=preview)
        try:
            data = structure.read(again.text, errand.prompt.output_schema or {})
        except structure.InvalidOutput as second:
            turn.tape.raw = again.text
            raise escalated(turn, f"the model's output was invalid, twice: {second}") from second
        turn.tape.raw = ""
        return again, data

    async def _call(self, errand: Errand, asked: Chat, *, turn: Turn, preview: Preview | None) -> Reply:
        size = request.size(asked, errand.prompt.output_schema)

        def affordable() -> None:
            spending.ensure(turn, self.catalog, errand.ref, input_tokens=size, max_tokens=errand.max_tokens)

        if is_open_to(turn, is_own=self.catalog.is_own(errand.ref)):
            asked = replace(asked, words=tuple(Word(word.role, unmask(word.text, turn.masks)) for word in asked.words))
        shown = preview if preview and preview.is_open else None
        guarded = replace(errand, before=affordable)
        return await self._caller.call(guarded, asked, tape=turn.tape, preview=shown)


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
    """Give every role that this use case may ask: of its ladder, of its routes, and of its screen."""
    contract = usecase.contract
    named = [*contract.models.ladder, *(route.to for route in contract.routes), contract.injection.role]
    return [role for role in dict.fromkeys(named) if role and role not in LOCAL_RUNGS]


def no_evidence(turn: Turn, reason: str) -> StopTurn:
    """Give the stop that says, in the contract's words, that the passages hold no answer."""
    sentence = turn.usecase.contract.sentences.no_evidence
    return StopTurn(Outcome.REFUSED_NO_EVIDENCE, answer=sentence, reason=reason)


def _draft(errand: Errand, turn: Turn, *, text: str, cited: str, data: dict[str, Any] | None = None) -> Draft:
    return Draft(
        text=text,
        rung=errand.rung,
        outcome=Outcome.ANSWERED_MODEL,
        model=errand.ref.name,
        revision=errand.revision,
        data=data,
        citations=cite(cited, turn.passages),
        confidence=confidence.of(errand.prompt, turn.passages, text=text, data=data),
    )
