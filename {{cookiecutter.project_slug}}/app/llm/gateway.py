"""One prompt goes down the contract's ladder until a rung answers; every attempt stays on the turn's tape."""

import asyncio
from collections.abc import AsyncIterator, Container, Iterable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import structlog

from app.domain.contract import RouteRule
from app.domain.outcome import Outcome
from app.domain.switch import Off
from app.domain.tool import Hands
from app.domain.turn import Call, Draft, Route, Skip, StopTurn, Turn
from app.domain.usecase import UseCase
from app.errors import DeadlinePassed, ModelFailed
from app.llm import extractive, request, revision, routing
from app.llm.asking import NO_MODEL, Models, no_evidence, roles
from app.llm.calls import Caller
from app.llm.catalog import Catalog, ModelRef, Tokens
from app.llm.preview import Preview, preview_of
from app.llm.privacy import PRIVATE
from app.llm.prompts import Prompt
from app.llm.providers import Providers
from app.llm.resilience import LEAST_S, CallLimits, deadline_s, describe, now_s, rung_deadline_s
from app.llm.rungs import LOCAL, WEAK, WITHOUT_MODEL, RungSkipped, paused, reasons
from app.store.turnstile import Turnstile

log = structlog.get_logger(__name__)
# What decides an answer beside the question, the passages and the time.
DECIDING = {"models", "routes", "agent", "retrieval", "prompt", "risk"}


class Gateway:
    """The one way to a model, and to what stands in for it."""

    def __init__(
        self,
        catalog: Catalog,
        providers: Providers,
        *,
        limits: CallLimits | None = None,
        turnstile: Turnstile | None = None,
    ) -> None:
        self._catalog = catalog
        self._providers = providers
        caller = Caller(catalog, providers, limits=limits or CallLimits(), turnstile=turnstile)
        self.models = Models(catalog, providers, caller)
        self._policies: dict[tuple[str, int, tuple[str, ...]], tuple[UseCase, str]] = {}

    async def answer(self, turn: Turn, prompt: Prompt) -> Draft:
        """Give the first rung's answer that there is.

        Raises StopTurn: `refused_no_evidence` when the passages hold no answer, `escalated_review` when the ladder ends
        with a person or a model's output was invalid twice, `failed_timeout` at the turn's deadline, `failed_model`
        when every rung was skipped.
        """
        deadline = deadline_s(turn)
        async with _until(deadline, turn):
            return await self._descend(turn, prompt, deadline=deadline)

    async def agent(self, turn: Turn, prompt: Prompt, hands: Hands) -> Draft:
        """Let a model use tools until it answers, or proposes what has effects; without a model, other rungs answer.

        Raises StopTurn as `answer` does, and `failed_model` at a bound of `[agent]` or `cost.per_turn_usd`.
        """
        deadline = deadline_s(turn)
        async with _until(deadline, turn):
            return await self._work(turn, prompt, hands=hands, deadline=deadline)

    async def verdict(self, turn: Turn, prompt: Prompt, *, role: str, timeout_s: float) -> dict[str, Any]:
        """Ask a prompt of the use case once about the question, before anything else. Raises whatever a call raises."""
        until_s = min(now_s() + timeout_s, deadline_s(turn))
        async with asyncio.timeout_at(until_s):
            errand = self.models.errand(role, turn, prompt, until_s=until_s, purpose="screen")
            return await self.models.read(errand, turn)

    async def _work(self, turn: Turn, prompt: Prompt, *, hands: Hands, deadline: float) -> Draft:
        if turn.paused or not self.has_model(turn.usecase):
            return await self._descend(turn, prompt, deadline=deadline)
        # Here, because it imports pydantic-ai: a service without a model does not wait for it.
        from app.llm import agent

        await self._route(turn, prompt, deadline=deadline)
        try:
            return await agent.run(turn.with_(deadline_s=deadline), prompt, hands=hands, models=self.models)
        except agent.NoModel:
            return await self._descend(turn, prompt, deadline=deadline, only=LOCAL)
        finally:
            routing.settle(turn, lambda call: self._at_first(call, turn, prompt))

    def has_model(self, usecase: UseCase) -> bool:
        """Say whether a model can be reached for this use case: a role of its ladder or routes has one, with a key."""
        return bool(self.refs(usecase))

    def refs(self, usecase: UseCase) -> set[ModelRef]:
        """Give the models that can be reached for this use case."""
        prompts = [None, *usecase.prompts.values()]
        found = (self.models.ref(role, prompt) for role in roles(usecase) for prompt in prompts)
        return {ref for ref in found if ref is not None}

    def most_usd(self, usecase: UseCase) -> Decimal:
        """Give the most US dollars that one turn can cost: nothing where no model can be reached."""
        return usecase.contract.cost.per_turn_usd if self.has_model(usecase) else Decimal(0)

    def policy(self, usecase: UseCase) -> str:
        """Give the hash of all that decides an answer but the question, the passages and the time."""
        # Arms of a rollout share the name: they differ in their prompt and ladder.
        contract = usecase.contract
        place = (usecase.name, contract.prompt.version, contract.models.ladder)
        known = self._policies.get(place)
        if known is None or known[0] is not usecase:
            known = self._policies[place] = (usecase, self._policy(usecase))
        return known[1]

    def warm(self, usecases: Iterable[UseCase] = ()) -> None:
        """Read the prices of the models that may be asked; import the vendors' packages, which only agents need.

        On the first turn that would stop the loop for up to some seconds.
        """
        for usecase in usecases:
            for ref in self.refs(usecase):
                self._catalog.price(ref, Tokens(1, 1))
                if usecase.tools:
                    self._providers.models.model(ref)

    async def aclose(self) -> None:
        """Close the connections to the vendors."""
        await self._providers.aclose()

    def _policy(self, usecase: UseCase) -> str:
        return revision.digest(
            {
                "contract": usecase.contract.model_dump(mode="json", include=DECIDING),
                "prompts": {key: prompt.revision for key, prompt in usecase.prompts.items()},
                "models": {role: str(self.models.ref(role)) for role in roles(usecase)},
                "thinking": self._catalog.thinking,
                "code": [extractive.REVISION, usecase.rules is not None, usecase.workflow is not None],
                "tools": sorted(tool.name for tool in usecase.tools),
            }
        )

    async def _descend(
        self, turn: Turn, prompt: Prompt, *, deadline: float, only: Container[str] | None = None
    ) -> Draft:
        if prompt.is_grounded and not request.visible(turn.passages):
            raise no_evidence(turn, "no passage was found")
        await self._route(turn, prompt, deadline=deadline)
        ladder, preview = routing.ladder(turn), preview_of(turn.listener, prompt)
        if only is not None:
            ladder = tuple(name for name in ladder if name in only)
        elif turn.paused:
            ladder = tuple(name for name in ladder if name not in LOCAL or name in WITHOUT_MODEL)
        try:
            for place, name in enumerate(ladder):
                until_s = rung_deadline_s(deadline, ladder[place + 1 :])
                try:
                    return await self._step(name, turn, prompt=prompt, preview=preview, until_s=until_s)
                except RungSkipped as reason:
                    _skip(name, turn, reason=str(reason), preview=preview)
        finally:
            routing.settle(turn, lambda call: self._at_first(call, turn, prompt))
        raise _too_late(turn) if now_s() > deadline - LEAST_S else _nothing(turn, prompt=prompt)

    async def _step(self, name: str, turn: Turn, *, prompt: Prompt, preview: Preview, until_s: float) -> Draft:
        """Climb one rung; whatever breaks on it, the rungs below may still answer."""
        try:
            if name not in LOCAL:
                errand = self.models.errand(name, turn, prompt, until_s=until_s)
                return await self.models.answer(errand, turn, preview=preview)
            draft = await LOCAL[name](turn, prompt)
            await preview.show(draft)
        except (StopTurn, RungSkipped):
            raise
        except Exception as error:
            if error is preview.fault:
                raise
            if name in LOCAL:
                log.exception("rung_broke", rung=name, usecase=turn.usecase.name)
            raise RungSkipped(_plainly(name, error)) from error
        return draft

    async def _route(self, turn: Turn, prompt: Prompt, *, deadline: float) -> None:
        if turn.tape.route or any(call.purpose == "route" for call in turn.tape.calls):
            return  # a workflow asks several times; the turn is routed once
        for rule in routing.candidates(turn):
            if self.models.ref(rule.to, prompt) and (
                not rule.classifier or await self._is_simple(turn, rule, deadline=deadline)
            ):
                turn.tape.route = Route(to=rule.to, because=rule.because)
                return

    async def _is_simple(self, turn: Turn, rule: RouteRule, *, deadline: float) -> bool:
        left = deadline - now_s()
        classifier: Prompt = turn.usecase.prompts[rule.classifier]
        until_s = now_s() + left * routing.CLASSIFIER_SHARE
        try:
            errand = self.models.errand(rule.to, turn, classifier, until_s=until_s, purpose="route")
            return (await self.models.read(errand, turn)).get(routing.VERDICT) is True
        except Exception as error:
            log.info("route_unclassified", usecase=turn.usecase.name, to=rule.to, reason=describe(error))
            return False

    def _at_first(self, call: Call, turn: Turn, prompt: Prompt) -> Decimal | None:
        first = next((name for name in turn.usecase.contract.models.ladder if name not in LOCAL), "")
        ref = self.models.ref(first, prompt)
        used = call.usage
        tokens = Tokens(used.input_tokens, used.output_tokens, cached=used.cached_tokens)
        return self._catalog.price(ref, tokens)[0] if ref else None


@asynccontextmanager
async def _until(deadline: float, turn: Turn) -> AsyncIterator[None]:
    """Bound the block by the turn's deadline; a timeout of its own making inside stays what it is."""
    try:
        async with asyncio.timeout_at(deadline) as scope:
            yield
    except TimeoutError:
        if not scope.expired():
            raise
        raise _too_late(turn) from None


def _skip(name: str, turn: Turn, *, reason: str, preview: Preview) -> None:
    preview.tear()
    turn.tape.skipped.append(Skip(rung=name, reason=reason))
    level = log.debug if reason == NO_MODEL else log.info
    level("rung_skipped", rung=name, reason=reason, usecase=turn.usecase.name)


def _plainly(name: str, error: Exception) -> str:
    if isinstance(error, request.TooLong):
        return "the question and its passages are longer than models.max_input_tokens"
    kind, described = type(error).__name__, describe(error)
    if name in LOCAL:
        return f"the {name} rung failed: {kind}"
    return f"the call failed: {kind}" if described == kind else described


def _nothing(turn: Turn, *, prompt: Prompt) -> StopTurn:
    if turn.paused:
        return paused(turn, Off("", f"{turn.paused}; {reasons(turn)}", ""))
    if any(skip.reason.startswith(PRIVATE) for skip in turn.tape.skipped):
        sentence = turn.usecase.contract.sentences.private
        return StopTurn(Outcome.REFUSED_PRIVACY, answer=sentence, reason=reasons(turn))
    if prompt.is_grounded and any(skip.reason == WEAK for skip in turn.tape.skipped):
        return no_evidence(turn, reasons(turn))
    error = ModelFailed("Neither a model nor a stand-in could answer; nothing was done, ask again later.")
    return StopTurn(Outcome.FAILED_MODEL, reason=reasons(turn), error=error)


def _too_late(turn: Turn) -> StopTurn:
    limit = turn.usecase.contract.latency.timeout_s
    return StopTurn(Outcome.FAILED_TIMEOUT, error=DeadlinePassed(f"No answer was ready within {limit:g} seconds."))
