"""A change of embedding model: the new space is built beside the one that is searched, and takes its place when whole.

The same job fills gaps: chunks that were stored while a model did not answer. What it has done stands in the space
itself, so a worker that takes over goes on where the last one died.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from time import monotonic
from typing import Any, Protocol
from uuid import UUID, uuid4

import structlog

from app.domain.job import Job, JobKind
from app.domain.turn import Tape
from app.errors import BadInput, Conflict, ModelFailed, OverBudget
from app.llm.embeddings import ModelIsOff, NoVector
from app.llm.request import CHARS_PER_TOKEN
from app.retrieval.embed import Embedder
from app.retrieval.spaces import AT_ONCE, BUDGET, Spaces
from app.store import audit, booking, chunks, embedding_jobs, jobs, spaces, vectors_cache
from app.store.booking import Payer
from app.store.db import Database, Work
from app.store.spaces import Missing, Space, Standing
from app.telemetry import tracing
from app.work.outbox import Relay

log = structlog.get_logger(__name__)
KIND: JobKind = "embed"
# Who asked, where nobody did.
SERVICE = "service"
# A space that is out of use is kept for so long, for going back to it.
KEPT_DAYS = 30
# How often gaps are looked for, and how long after a job has failed the next one is tried, in seconds.
LOOK_S, AGAIN_S = 60.0, 300.0
# How long one job waits for a model that does not answer, and between two tries, in seconds.
PATIENCE_S, WAIT_S = 300.0, 15.0


class Models(Protocol):
    """The embedding models that this process can call."""

    @property
    def wanted(self) -> Embedder | None:
        """Give the embedder that the configuration asks for; None where it cannot be called."""
        ...

    @property
    def maker(self) -> Mapping[str, Any]:
        """Give what a space keeps of the configuration."""
        ...

    def price(self, tokens: int) -> Decimal | None:
        """Give what so many tokens cost at the chosen model, in US dollars; None where no price is known."""
        ...

    def of(self, name: str, maker: Mapping[str, Any]) -> Embedder | None:
        """Give the embedder of a space; None where its model cannot be called from here."""
        ...


@dataclass(frozen=True, slots=True)
class Estimate:
    """What it takes to fill a space: at most so much, as what was embedded before costs nothing.

    `cost_usd` is None where no price is known.
    """

    chunks: int
    tokens: int
    cost_usd: Decimal | None


@dataclass(slots=True)
class _Run:
    """One job at work; `go_on` raises when it must stop, `report` tells how many of how many are done."""

    job: Job
    go_on: Callable[[], None]
    report: Callable[..., Any]
    done: int = 0
    total: int = 0
    waited_s: float = 0.0
    broke: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Embedding:
    """Notices a change of model, builds spaces, fills gaps, and lets go of spaces that nobody needs any more."""

    database: Database
    ingest_database: Database
    spaces: Spaces
    models: Models
    relay: Relay
    texts_per_s: float
    most_usd: Decimal
    patience_s: float = PATIENCE_S
    wait_s: float = WAIT_S
    again_s: float = AGAIN_S
    looked_at: float = -LOOK_S
    has_noticed: bool = False

    async def notice(self) -> UUID | None:
        """Queue the building of the space that the configuration asks for, where it asks for another than before.

        Once per process, when it starts: one that still runs with an older configuration does not overrule a newer one.
        """
        wanted = self.models.wanted
        if wanted is None:
            return None
        async with self.database.work() as work:
            is_news = not self.has_noticed and await embedding_jobs.wished(work) != wanted.name
        self.has_noticed = True
        if not is_news:
            return None
        estimate = await self.estimate(wanted.name)
        if estimate.cost_usd is not None and estimate.cost_usd > self.most_usd:
            log.warning("embedding.too_dear", space=wanted.name, **_shown(estimate), cure="app embeddings start")
            return None
        return await self.start(SERVICE, "config/models.toml names another model than before")

    async def start(self, who: str, because: str) -> UUID | None:
        """Queue it whatever it costs; None when it is queued already.

        Raises BadInput without a model to call, or without a reason.
        """
        _ensure_reason(because)
        wanted = self.models.wanted
        if wanted is None:
            raise BadInput("The model of config/models.toml, embeddings.model, has no key or address here.")
        estimate = await self.estimate(wanted.name)
        async with self.database.work() as work:
            await spaces.alone(work)
            await embedding_jobs.wish(work, wanted.name)
            if await embedding_jobs.is_open(work, wanted.name):
                return None
            what = {"space": wanted.name, "maker": dict(self.models.maker), "wished": True}
            id = await self._queue(work, who, {**what, "estimate": _shown(estimate)}, total=estimate.chunks)
            await _note(work, "start", wanted.name, by=who, because=because, after=_shown(estimate))
        log.info("embedding.queued", space=wanted.name, job_id=str(id), **_shown(estimate))
        return id

    async def activate(self, name: str, who: str, because: str) -> UUID | None:
        """Search this space from now on; where it has gaps, once the job is done whose id this gives.

        Raises NotFound, Conflict, and BadInput without a reason.
        """
        # The role that writes spaces may not write the audit: what cannot be noted is not done.
        async with self.database.work() as noting:
            before = {"status": (await spaces.named(noting, name)).status}
            await _note(noting, "activate", name, by=who, because=because, before=before, after={"status": "active"})
            async with self.ingest_database.work() as work:
                space = await spaces.named(work, name)
                if space.status != "active":
                    await spaces.revive(work, space)
                is_whole = await spaces.activate(work, space)
            id = None if is_whole else await self._queue(noting, who, {"space": name}, total=0)
        if is_whole:
            self.spaces.forget()
        return id

    async def retire(self, name: str, who: str, because: str) -> bool:
        """Stop building a space; one that is out of use already is deleted, which is True.

        Raises NotFound, Conflict, and BadInput without a reason.
        """
        async with self.database.work() as noting:
            before = await spaces.named(noting, name)
            is_gone = before.status == "retired"
            said = {"before": {"status": before.status}, "after": {"status": "deleted" if is_gone else "retired"}}
            await _note(noting, "retire", name, by=who, because=because, **said)
            async with self.ingest_database.work() as work:
                space = await spaces.retire(work, name)
                if is_gone:
                    await spaces.drop(work, space)
        self.spaces.forget()
        return is_gone

    async def standings(self) -> Sequence[Standing]:
        """Give every space and how far it is."""
        async with self.ingest_database.work() as work:
            return await spaces.every(work)

    async def estimate(self, name: str) -> Estimate:
        """Say what it takes to fill the space of this name."""
        async with self.ingest_database.work() as work:
            count, chars = await spaces.todo(work, await spaces.find(work, name))
        tokens = int(chars / CHARS_PER_TOKEN) + count
        return Estimate(count, tokens, self.models.price(tokens) if name == self._wanted_name() else None)

    async def look(self) -> None:
        """Now and then: do what could not be done at the start, begin again what has failed, and fill gaps."""
        if monotonic() - self.looked_at < LOOK_S:
            return
        self.looked_at = monotonic()
        await self.notice()
        await self._begin_again()
        for space in await self.spaces.live():
            if self.spaces.embedder(space) is None:
                continue
            async with self.ingest_database.work() as work:
                has_gaps = space.status == "building" or bool(await spaces.missing(work, space))
            async with self.database.work() as work:
                await spaces.alone(work)
                if has_gaps and not await embedding_jobs.is_open(work, space.name, ended_within_s=self.again_s):
                    await self._queue(work, SERVICE, {"space": space.name}, total=0)

    async def _begin_again(self) -> None:
        """Queue the wished space anew where its model did not even tell how long its vectors are."""
        wanted = self.models.wanted
        async with self.database.work() as work:
            if wanted is None or await embedding_jobs.wished(work) != wanted.name:
                return
            if await spaces.find(work, wanted.name) or await embedding_jobs.is_open(
                work, wanted.name, ended_within_s=self.again_s
            ):
                return
        await self.start(SERVICE, "its job has failed")

    async def daily(self) -> None:
        """Forget vectors of texts that are gone, and spaces that have been out of use for long."""
        async with self.ingest_database.work() as work:
            await vectors_cache.forget(work)
            old = await spaces.outlived(work, days=KEPT_DAYS)
        for space in old:
            async with self.ingest_database.work() as work:
                await spaces.drop(work, space)
            log.info("embedding.dropped", space=space.name)

    async def run(self, job: Job, go_on: Callable[[], None], report: Callable[..., Any]) -> dict[str, Any]:
        """Do a job of the kind embed: make the space unless it is there, fill it, and search it from then on.

        Raises ModelFailed, OverBudget, Conflict when somebody gave the space up meanwhile, or ModelIsOff.
        """
        run = _Run(job, go_on, report)
        space = await self._space(run)
        async with self.ingest_database.work() as work:
            run.total, _ = await spaces.todo(work, space)
        while True:
            await self._fill(space, run)
            if run.broke:
                raise OverBudget(f"{BUDGET}: {', '.join(sorted(run.broke))}. What is missing waits for the next one.")
            async with self.ingest_database.work() as work:
                if await spaces.activate(work, space):
                    break
        self.spaces.forget()
        async with self.database.work() as work:
            spent = await booking.summed(work, job.id)
        log.info("embedding.done", space=space.name, chunks=run.done)
        return {"space": space.name, "chunks": run.done, **spent}

    async def _space(self, run: _Run) -> Space:
        name, maker = str(run.job.input["space"]), run.job.input.get("maker", {})
        async with self.ingest_database.work() as work:
            known = await spaces.find(work, name)
        if known is not None and not run.job.input.get("wished"):
            return known
        # Of the job, not of this worker's configuration: for a while some processes run with the older one.
        embedder = self.models.of(name, maker)
        if embedder is None:
            raise ModelFailed(f"The embedding model of {name!r} has no key or address at this worker.")
        dimensions = known.dimensions if known else await self._dimensions(embedder, run)
        async with self.ingest_database.work() as work:
            return await spaces.make(work, name, dimensions, maker)

    async def _dimensions(self, embedder: Embedder, run: _Run) -> int:
        while not embedder.dimensions:
            run.go_on()
            tape = Tape()
            try:
                await embedder.embed(["text"], tape=tape)
            except NoVector as error:
                await self._wait(error, run)
            finally:
                async with self.database.work() as work:
                    await booking.book(work, Payer(run.job.id, "", run.job.user_id), tape.calls)
        return embedder.dimensions

    async def _fill(self, space: Space, run: _Run) -> None:
        """Embed what is missing, again from the start until nothing is: numbers of new chunks may be low."""
        after, is_whole = 0, False
        while not is_whole:
            run.go_on()
            started = monotonic()
            async with self.ingest_database.work() as work:
                if (await spaces.named(work, space.name)).status == "retired":
                    raise Conflict(f"The space {space.name!r} was given up.")
                found = await spaces.missing(work, space, after=after, most=AT_ONCE, but=run.broke)
            is_whole = not found and after == 0
            after = found[-1].chunk_id if found else 0
            for usecase in dict.fromkeys(missing.usecase for missing in found):
                await self._embed(space, [missing for missing in found if missing.usecase == usecase], run)
            if found:
                run.total = max(run.total, run.done)
                await run.report(run.done, run.total, space.name)
                # People's questions go first at the model's door; this leaves some for the others who work there.
                await asyncio.sleep(max(0.0, len(found) / self.texts_per_s - (monotonic() - started)))

    async def _embed(self, space: Space, found: Sequence[Missing], run: _Run) -> None:
        payer = Payer(run.job.id, found[0].usecase, run.job.user_id)
        texts = [vectors_cache.passage_text(missing.heading, missing.text) for missing in found]
        while True:
            run.go_on()
            try:
                vectors = await self.spaces.vectors(space, texts, payer)
                break
            except NoVector as error:
                if str(error) == BUDGET:
                    run.broke.add(payer.usecase)
                    return
                await self._wait(error, run)
        ids = (missing.chunk_id for missing in found)
        async with self.ingest_database.work() as work:
            await chunks.add_vectors(work, space.id, dict(zip(ids, vectors, strict=True)))
        run.done += len(found)
        run.waited_s = 0.0

    async def _wait(self, error: NoVector, run: _Run) -> None:
        if isinstance(error, ModelIsOff):
            # Patience is for a model that may answer in a moment; the job waits in the queue for this one.
            raise error
        if run.waited_s >= self.patience_s:
            raise ModelFailed(f"The embedding model gives no vectors: {error}. It is tried again in a while.")
        log.warning("embedding.waits", reason=str(error), job_id=str(run.job.id))
        await asyncio.sleep(self.wait_s)
        run.waited_s += self.wait_s

    async def _queue(self, work: Any, who: str, what: Mapping[str, Any], *, total: int) -> UUID:
        id = uuid4()
        await jobs.add(work, id, jobs.Order(KIND, "", who, (), dict(what), total=total), trace=tracing.inject())
        work.after_commit.append(self.relay.soon)
        return id

    def _wanted_name(self) -> str:
        return self.models.wanted.name if self.models.wanted else ""


def _ensure_reason(because: str) -> None:
    if not because.strip():
        raise BadInput("Say why: the reason is kept in the audit.", errors=[{"field": "reason", "wrong": "empty"}])


async def _note(work: Work, what: str, space: str, *, by: str, because: str, **said: Any) -> None:
    _ensure_reason(because)
    action, subject = f"embeddings.{what}", f"embeddings/{space}"
    await audit.note(work, actor=by, action=action, subject=subject, reason=because.strip(), **said)


def _shown(estimate: Estimate) -> dict[str, Any]:
    cost = None if estimate.cost_usd is None else f"{estimate.cost_usd.normalize():f}"
    return {"chunks": estimate.chunks, "tokens": estimate.tokens, "cost_usd": cost}
