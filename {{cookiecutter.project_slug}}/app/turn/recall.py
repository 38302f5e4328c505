"""Give an answer again that was given before, or let one turn make the answer that all who ask the same wait for."""

import asyncio
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import structlog

from app.domain.outcome import Outcome
from app.domain.turn import Passage, Remembered, Ticket, Turn
from app.llm.embeddings import Embeddings, NoVector
from app.llm.gateway import Gateway
from app.llm.resilience import RESERVE_S
from app.store import corpus, semantic
from app.store.cache import Answers, Found, Question, age_s
from app.store.db import Database
from app.store.shared import SharedAway
from app.telemetry import metrics
from app.turn.evidence import given_again
from app.turn.likeness import CHANNELS, Place, day_of, is_worth_keeping, may_share, place_of

log = structlog.get_logger(__name__)
CACHED = "cached"
LET_GO_S = 1.0


@dataclass(frozen=True, slots=True)
class Recall:
    """Sets `turn.draft` to a fresh answer; else `turn.ticket` for the next one, and `turn.stale` to an old one."""

    answers: Answers
    database: Database
    gateway: Gateway
    embeddings: Embeddings | None = None

    async def __call__(self, turn: Turn) -> Turn:
        """Give the turn with what the cache knows; without Redis it knows nothing."""
        cache = turn.usecase.contract.cache
        if not (cache.fresh_s or cache.stale_s) or turn.channel not in CHANNELS:
            return turn
        if not (may_share(turn) and self.gateway.has_model(turn.usecase)):
            return _counted(turn, "off")
        try:
            return await self._recalled(turn)
        except SharedAway:
            return _counted(turn, "away")

    async def _recalled(self, turn: Turn) -> Turn:
        async with self.database.work() as work:
            sight = await corpus.sight(work, usecase=turn.usecase.name, claims=turn.principal.claims)
        place = place_of(turn, policy=self.gateway.policy(turn.usecase), sight=sight)
        found, has_waited = await self._found(turn, place)
        try:
            if found.is_fresh and found.remembered:
                return await self._given(turn, found.remembered, "shared" if has_waited else "hit")
            return await self._missed(turn, place, found)
        except BaseException:
            if found.leads:
                await asyncio.shield(_let_go(self.answers, Ticket(place.key, str(turn.id), leads=True)))
            raise

    async def _found(self, turn: Turn, place: Place) -> tuple[Found, bool]:
        """Look, and wait where somebody else is making the answer; a rung that needs no model is left its time."""
        fresh_s = turn.usecase.contract.cache.fresh_s
        question = Question(place.key, time.time() - fresh_s, place.day)
        # Who is answered from nothing fresh need not wait for it either.
        token, until_s = str(turn.id) if fresh_s else "", turn.deadline_s
        found, has_waited = await self.answers.look(question, token=token, until_s=until_s), False
        while token and found.holder and not (found.is_fresh or found.leads):
            has_waited = True
            ended = await self.answers.follow(question, found.holder, until_s=until_s - RESERVE_S)
            if ended is None or ended.is_fresh or ended.holder:
                # Answered; or out of time, or the holder could not: then nobody waits a second time.
                return replace(ended or found, holder=""), has_waited
            found = await self.answers.look(question, token=token, until_s=until_s)
        return found, has_waited

    async def _given(self, turn: Turn, remembered: Remembered, result: str) -> Turn:
        passages = await self._visible(turn, remembered.passages)
        if passages is None:
            return _counted(turn, "miss")
        turn.tape.saved_usd += remembered.cost_usd or 0
        given_again(turn, passages, of=remembered.turn_id)
        age = round(age_s(remembered), 1)
        draft = replace(remembered.draft, rung=CACHED, outcome=Outcome.ANSWERED_CACHED, age_s=age)
        reason = f"the answer of turn {remembered.turn_id}"
        return _counted(turn.with_(draft=draft, passages=passages, reason=reason), result)

    async def _missed(self, turn: Turn, place: Place, found: Found) -> Turn:
        ticket = Ticket(place.key, str(turn.id) if found.leads else "", found.leads)
        if found.leads and turn.usecase.contract.cache.semantic and self.embeddings:
            ticket = await self._embedded(turn, ticket, scope=f"{place.scope} {place.day} {self.embeddings.name}")
            similar = await self._similar(turn, ticket)
            if similar is not None:
                # Those who wait for this very question get it too, at its true age.
                await _put(self.answers, turn, ticket, similar)
                return await self._given(turn, similar, "semantic")
        turn = turn.with_(ticket=ticket)
        old = found.remembered
        passages = await self._visible(turn, old.passages) if old else None
        if old is None or passages is None or age_s(old) > turn.usecase.contract.cache.stale_s:
            return _counted(turn, "miss")
        return _counted(turn.with_(stale=replace(old, passages=passages)), "stale")

    async def _visible(self, turn: Turn, passages: tuple[Passage, ...]) -> tuple[Passage, ...] | None:
        """Give the passages with the names by which this asker may read them; None when one may not be read."""
        if not passages:
            return passages
        ids, claims = {passage.document_id for passage in passages}, turn.principal.claims
        async with self.database.work(claims=claims) as work:
            by = await corpus.seen_by(work, ids, claims=claims)
        if ids - by.keys():
            return None
        return tuple(replace(passage, visible_by=by[passage.document_id]) for passage in passages)

    async def _embedded(self, turn: Turn, ticket: Ticket, *, scope: str) -> Ticket:
        assert self.embeddings is not None
        try:
            (vector,) = await self.embeddings.embed(
                [turn.screened], tape=turn.tape, query=True, until_s=turn.deadline_s
            )
        except NoVector as error:
            log.warning("cache.no_vector", turn_id=str(turn.id), error=str(error))
            return ticket
        return replace(ticket, scope=scope, vector=tuple(vector.tolist()))

    async def _similar(self, turn: Turn, ticket: Ticket) -> Remembered | None:
        cache = turn.usecase.contract.cache
        if not ticket.vector or cache.threshold is None:
            return None
        async with self.database.work() as work:
            near = await semantic.nearest(work, scope=ticket.scope, vector=ticket.vector, threshold=cache.threshold)
        found = await self.answers.read(near.key) if near else None
        return found if found and age_s(found) <= cache.fresh_s else None


@dataclass(frozen=True, slots=True)
class Remember:
    """Runs when the turn is recorded: keeps a good answer for those who ask the same, or tells them not to wait."""

    answers: Answers
    database: Database

    async def __call__(self, turn: Turn) -> Turn:
        """Give the turn as it is; without Redis there is nothing to do."""
        ticket = turn.ticket
        if ticket is None:
            return turn
        if not is_worth_keeping(turn):
            await _let_go(self.answers, ticket)
            return turn
        assert turn.draft is not None
        said = Remembered(turn.draft, turn.passages, turn.id, datetime.now(UTC), turn.tape.usage.cost_usd)
        try:
            await _put(self.answers, turn, ticket, said)
        except SharedAway:
            return turn
        if ticket.vector:
            expires_at = said.said_at + timedelta(seconds=turn.usecase.contract.cache.fresh_s)
            async with self.database.work() as work:
                await semantic.keep(
                    work, key=ticket.key, scope=ticket.scope, vector=ticket.vector, expires_at=expires_at
                )
        return turn


async def _put(answers: Answers, turn: Turn, ticket: Ticket, said: Remembered) -> None:
    cache = turn.usecase.contract.cache
    left_s = max(cache.fresh_s, cache.stale_s) - age_s(said)
    await answers.put(ticket.key, said, day=day_of(turn), ttl_s=left_s, token=ticket.token)


async def _let_go(answers: Answers, ticket: Ticket) -> None:
    if not ticket.leads:
        return
    try:
        async with asyncio.timeout(LET_GO_S):
            await answers.let_go(ticket.key, token=ticket.token)
    except (SharedAway, TimeoutError):
        log.info("cache.lease_left_to_expire")


def _counted(turn: Turn, result: str) -> Turn:
    metrics.record_cache(turn.usecase.name, result)
    return turn
