"""One prompt goes down the contract's ladder until a rung answers; every attempt stays on the turn's tape."""

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import structlog

from app.domain.outcome import Outcome
from app.domain.turn import Draft, Skip, StopTurn, Turn
from app.errors import DeadlinePassed, ModelFailed
from app.llm import extractive, request, structure
from app.llm.calls import Caller, Errand
from app.llm.catalog import Catalog
from app.llm.citations import cite
from app.llm.preview import Preview
from app.llm.prompts import NO_EVIDENCE, Prompt
from app.llm.providers import Providers
from app.llm.resilience import LEAST_S, CallLimits, deadline_s, describe, now_s, rung_deadline_s

if TYPE_CHECKING:
    from pydantic_ai.messages import ModelMessage

log = structlog.get_logger(__name__)
NO_MODEL = "no model is configured"


class _Rung(Protocol):
    async def __call__(self, turn: Turn, prompt: Prompt, *, preview: Preview) -> Draft: ...


class RungSkipped(Exception):
    """This rung has no answer, and the ladder goes on; the message says why."""


class Gateway:
    """The one way to a model, and to what stands in for it."""

    def __init__(self, catalog: Catalog, providers: Providers, *, limits: CallLimits | None = None) -> None:
        self._catalog = catalog
        self._providers = providers
        self._caller = Caller(catalog, providers, limits or CallLimits())
        self._local: dict[str, _Rung] = {"extractive": _extractive, "rules": _rules}

    async def answer(self, turn: Turn, prompt: Prompt) -> Draft:
        """Give the first rung's answer that there is.

        Raises StopTurn: `refused_no_evidence` when the passages hold no answer, `failed_timeout` at the turn's
        deadline, `failed_model` when every rung was skipped.
        """
        deadline = deadline_s(turn)
        try:
            async with asyncio.timeout_at(deadline) as scope:
                return await self._descend(turn, prompt, deadline=deadline)
        except TimeoutError:
            if not scope.expired():
                raise
            raise _too_late(turn) from None

    def warm(self) -> None:
        """Import the vendor's packages and build its models; on the first turn that would stop the loop for seconds."""
        vendor = self._providers.vendor
        if vendor.is_configured:
            for role in self._catalog.rungs - set(self._local):
                model = self._catalog.model_for(vendor.provider, role, compatible_model=vendor.compatible_model)
                if model is not None:
                    self._providers.model(model)

    async def aclose(self) -> None:
        """Close the connections to the vendor."""
        await self._providers.aclose()

    async def _descend(self, turn: Turn, prompt: Prompt, *, deadline: float) -> Draft:
        if prompt.is_grounded and not request.visible(turn.passages):
            raise _no_evidence(turn, "no passage was found")
        ladder = turn.usecase.contract.models.ladder
        preview = Preview(turn.listener)
        for place, name in enumerate(ladder):
            until_s = rung_deadline_s(deadline, ladder[place + 1 :])
            try:
                return await self._step(name, turn, prompt=prompt, preview=preview, until_s=until_s)
            except RungSkipped as reason:
                preview.tear()
                turn.tape.skipped.append(Skip(rung=name, reason=str(reason)))
                level = log.debug if str(reason) == NO_MODEL else log.info
                level("rung_skipped", rung=name, reason=str(reason), usecase=turn.usecase.name)
        raise _too_late(turn) if now_s() > deadline - LEAST_S else _nothing(turn, prompt=prompt)

    async def _step(self, name: str, turn: Turn, *, prompt: Prompt, preview: Preview, until_s: float) -> Draft:
        if name in self._local:
            return await self._local[name](turn, prompt, preview=preview)
        return await self._model(name, turn, prompt=prompt, preview=preview, until_s=until_s)

    async def _model(self, name: str, turn: Turn, *, prompt: Prompt, preview: Preview, until_s: float) -> Draft:
        vendor = self._providers.vendor
        model = self._catalog.model_for(vendor.provider, name, compatible_model=vendor.compatible_model)
        if model is None or not vendor.is_configured:
            raise RungSkipped(NO_MODEL)
        if until_s - now_s() < LEAST_S:
            raise RungSkipped("no time was left")
        cap = turn.usecase.contract.models.max_output_tokens
        errand = Errand(name, model, prompt, min(prompt.settings.max_tokens or cap, cap), until_s)
        try:
            if prompt.output_schema is not None:
                return await self._structured(turn, errand)
            return await self._text(turn, errand, preview=preview)
        except (StopTurn, RungSkipped):
            raise
        except Exception as error:
            if error is preview.fault:
                raise
            raise RungSkipped(describe(error)) from error

    def _affordable(self, turn: Turn, errand: Errand) -> "list[ModelMessage]":
        """Give the messages to send, unless the longest possible answer would cost more than the contract allows."""
        messages = request.messages(errand.prompt, turn)
        most = self._catalog.cost_usd(
            self._providers.vendor.provider,
            errand.model,
            input_tokens=request.tokens(str(messages)),
            output_tokens=errand.max_tokens,
        )
        if most is not None and most > turn.usecase.contract.cost.per_turn_usd:
            raise RungSkipped("it could cost more than one turn may")
        return messages

    async def _text(self, turn: Turn, errand: Errand, *, preview: Preview) -> Draft:
        messages = self._affordable(turn, errand)
        response = await self._caller.call(
            errand, messages, tape=turn.tape, preview=preview if preview.is_open else None
        )
        text = (response.text or "").strip()
        if errand.prompt.is_grounded and text.startswith(NO_EVIDENCE):
            raise _no_evidence(turn, "the model found no answer in the passages")
        await preview.finish()
        return Draft(
            text=text,
            rung=errand.rung,
            outcome=Outcome.ANSWERED_MODEL,
            model=errand.model,
            revision=errand.prompt.revision,
            citations=cite(text, turn.passages),
        )

    async def _structured(self, turn: Turn, errand: Errand) -> Draft:
        from pydantic_ai.messages import ModelRequest, UserPromptPart

        schema = errand.prompt.output_schema or {}
        messages = self._affordable(turn, errand)
        response = await self._caller.call(errand, messages, tape=turn.tape)
        try:
            data = structure.read(response.text or "", schema)
        except structure.InvalidOutput as fault:
            retry = ModelRequest(
                parts=[UserPromptPart(content=structure.again(fault))], instructions=errand.prompt.system
            )
            response = await self._caller.call(errand, [*messages, response, retry], tape=turn.tape)
            try:
                data = structure.read(response.text or "", schema)
            except structure.InvalidOutput:
                raise RungSkipped("invalid output, twice") from fault
        return Draft(
            text=structure.as_text(data),
            rung=errand.rung,
            outcome=Outcome.ANSWERED_MODEL,
            model=errand.model,
            revision=errand.prompt.revision,
            data=data,
            citations=cite(response.text or "", turn.passages),
        )


async def _extractive(turn: Turn, prompt: Prompt, *, preview: Preview) -> Draft:
    if prompt.output_schema is not None:
        raise RungSkipped("sentences of passages cannot fill a schema")
    draft = extractive.answer(turn.screened, turn.passages)
    if draft is None:
        raise RungSkipped("the evidence is too weak")
    for line in draft.text.splitlines(keepends=True):
        await preview.feed(line)
    await preview.finish()
    return draft


async def _rules(turn: Turn, prompt: Prompt, *, preview: Preview) -> Draft:
    if turn.usecase.rules is None:
        raise RungSkipped("the use case has no rules.py")
    try:
        draft = turn.usecase.rules(turn)
    except Exception as error:
        log.exception("rules_failed", usecase=turn.usecase.name)
        raise RungSkipped(f"the rules failed: {type(error).__name__}") from error
    if draft is None:
        raise RungSkipped("the rules do not know")
    text = draft.text or structure.as_text(draft.data or {})
    await preview.feed(text)
    await preview.finish()
    return replace(draft, text=text, rung="rules", outcome=Outcome.ANSWERED_RULES)


def _nothing(turn: Turn, *, prompt: Prompt) -> StopTurn:
    skipped = turn.tape.skipped
    reasons = "; ".join(f"{skip.rung}: {skip.reason}" for skip in skipped)
    if prompt.is_grounded and any(skip.rung == "extractive" for skip in skipped):
        return _no_evidence(turn, reasons)
    error = ModelFailed("Neither a model nor a stand-in could answer; nothing was done, ask again later.")
    return StopTurn(Outcome.FAILED_MODEL, reason=reasons, error=error)


def _too_late(turn: Turn) -> StopTurn:
    limit = turn.usecase.contract.latency.timeout_s
    return StopTurn(Outcome.FAILED_TIMEOUT, error=DeadlinePassed(f"No answer was ready within {limit:g} seconds."))


def _no_evidence(turn: Turn, reason: str) -> StopTurn:
    sentence = turn.usecase.contract.sentences.no_evidence
    return StopTurn(Outcome.REFUSED_NO_EVIDENCE, answer=sentence, reason=reason)
