"""The service: every room, built once, started and stopped together."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from app.control import budgets
from app.control.auth import Authenticator
from app.control.budgets import Budgets
from app.control.flags import Flags
from app.control.people import People
from app.control.roles import Roles
from app.control.rollout import Rollouts
from app.domain.switch import subject_of
from app.domain.usecase import UseCase
from app.errors import DependencyDown
from app.llm.gateway import Gateway
from app.retrieval.reading import ReadingRoom
from app.retrieval.search import Searcher
from app.retrieval.spaces import Spaces
from app.settings import Settings
from app.store.broadcast import Broadcast
from app.store.db import Database
from app.store.shared import Shared
from app.store.turnstile import Turnstile
from app.telemetry import metrics
from app.turn.candidate import alone, shadowed
from app.turn.pipeline import Pipeline
from app.turn.shadow import Shadows
from app.wiring import embedding, identity, switches, usecases, vendors
from app.wiring.data_life import DataLife, data_life
from app.wiring.documents import Documents, documents
from app.wiring.expecting import asked
from app.wiring.ground import Ground, ground
from app.wiring.inspecting import inspection
from app.wiring.limiting import Limiting, limiting
from app.wiring.lookback import Lookback, lookback
from app.wiring.privacy import Acquaintance
from app.wiring.recalling import Recalling
from app.wiring.reviewing import Reviewing, reviewing
from app.wiring.rolling import Rolling, rolling
from app.wiring.telling import Telling, telling
from app.wiring.trials import Trying, trying
from app.wiring.turns import Turns, turns
from app.wiring.watch import Watch
from app.work.actions import Actions
from app.work.audit import AuditKeeper
from app.work.auditing import Auditing
from app.work.budgets import BudgetKeeper
from app.work.dead_letters import DeadLetters
from app.work.directory import DirectoryKeeper
from app.work.embedding import Embedding
from app.work.erasure import Erasures
from app.work.forecast import Forecaster
from app.work.housekeeping import Housekeeping
from app.work.incidents import Incidents
from app.work.inspecting import Inspection
from app.work.jobs import Jobs
from app.work.keys import KeyDesk
from app.work.outbox import Dispatch
from app.work.retention import Retention
from app.work.review_desk import ReviewDesk
from app.work.reviews import Reviews
from app.work.schedule import Schedule
from app.work.sealing import Sealing
from app.work.sending import Sending
from app.work.shadows import ShadowRuns
from app.work.spikes import SpikeKeeper
from app.work.webhooks import WebhookDesk


@dataclass(frozen=True, slots=True)
class Service:
    """Everything a door needs."""

    settings: Settings
    usecases: Mapping[str, UseCase]
    database: Database
    ingest_database: Database
    broadcast: Broadcast
    authenticator: Authenticator
    roles: Roles
    people: People
    flags: Flags
    rollouts: Rollouts
    rolling: Rolling
    limiting: Limiting
    gateway: Gateway
    turnstile: Turnstile
    searcher: Searcher
    shared: Shared
    recalling: Recalling
    pipeline: Pipeline
    shadows: Shadows
    trying: Trying
    acquaintance: Acquaintance
    reading: ReadingRoom
    embedders: embedding.Embedders
    spaces: Spaces
    embedding: Embedding
    jobs: Jobs
    keys: KeyDesk
    reviews: Reviews
    review_desk: ReviewDesk
    inspection: Inspection
    data_life: DataLife
    auditing: Auditing
    incidents: Incidents
    directory: DirectoryKeeper
    telling: Telling
    housekeeping: Housekeeping
    forecaster: Forecaster
    watch: Watch

    @property
    def webhooks(self) -> WebhookDesk:
        """Give the desk of receivers of events."""
        return self.telling.webhooks

    @property
    def sending(self) -> Sending:
        """Give what sends events to them."""
        return self.telling.sending

    @property
    def dead_letters(self) -> DeadLetters:
        """Give the jobs that failed."""
        return self.telling.dead_letters

    @property
    def lookback(self) -> Lookback:
        """Give what people look back with: money, queued work, documents."""
        return lookback(self.database, self.usecases, self.jobs, self.people.roles.levels)

    async def start(self) -> None:
        """Read the switches and go on listening; a dependency that is away does not stop the start."""
        usecases.warn(self.usecases)
        metrics.announce(self.usecases.values())
        metrics.before_scrape(self._observe)
        with suppress(DependencyDown):
            await self.directory.keep_levels()
            await self.embedding.notice()
        await self.limiting.restrictions.start()
        await self.flags.start()
        with suppress(DependencyDown):
            await self.rolling.desk.keep(self.usecases)
        self.authenticator.start(self.broadcast)
        self.watch.start(self._look)
        unseen = [alone(case, found) for case in self.usecases.values() if (found := shadowed(case.contract))]
        self.gateway.warm([*self.usecases.values(), *self.rollouts.challengers(), *unseen])

    async def stop(self) -> None:
        """Let go of everything."""
        metrics.forget_scrape(self._observe)
        await self.shadows.stop()
        await self.reading.close()
        await self.watch.stop()
        await self.flags.stop()
        await self.authenticator.stop()
        await self.limiting.close()
        with suppress(OSError):
            await self.gateway.aclose()
        await self.turnstile.close()
        await self.recalling.close()
        await self.embedders.aclose()
        await self.searcher.aclose()
        await self.shared.close()
        await self.broadcast.close()
        for database in (self.database, self.ingest_database, self.data_life.keeper):
            await database.close()

    async def health(self) -> dict[str, str]:
        """Check each dependency: its name, and what is wrong with it ("" when nothing is)."""
        found = {"postgres": await self.database.check(), "redis": await self.broadcast.check()}
        for name, fault in found.items():
            metrics.observe("dependency_up", 0 if fault else 1, dependency=name)
        return found

    async def held_back(self) -> dict[str, float]:
        """Give the models whose calls are held back after failures, and the seconds until the next one is tried."""
        sights = await self.turnstile.look()
        for door, sight in sights.items():
            provider, _, model = door.partition(":")
            metrics.observe("model_breaker_open", int(sight.held_back_s is not None), provider=provider, model=model)
        return {door: sight.held_back_s for door, sight in sights.items() if sight.held_back_s is not None}

    async def _look(self) -> None:
        await self.health()
        await self.held_back()
        await self.telling.audience.refresh()
        await self.acquaintance.refresh()

    def _observe(self) -> None:
        metrics.observe("flags_age_seconds", min(self.flags.age_s, 1e9))
        metrics.observe("ai_paused", 1 if self.flags.why_paused("") else 0, usecase="all")
        for name in self.usecases:
            metrics.observe("ai_paused", 1 if self.flags.why_paused(name) else 0, usecase=name)
        for row in self.flags.rows:
            if subject := subject_of(row["key"]):
                metrics.observe("switch_off", int(subject in self.flags.off), subject=subject)
        metrics.observe("flags_expired", len(self.flags.expired()))
        self.limiting.restrictions.observe()
        metrics.observe("db_pool_in_use", self.database.in_use)
        metrics.observe("db_pool_size", 2 * self.settings.pool_size)


def build(settings: Settings, *, dispatch: Dispatch | None = None) -> Service:
    """Put the rooms together; nothing is connected yet. Raises CannotStart with every fault of the contracts."""
    on = ground(settings, dispatch)
    gateway = Gateway(on.models, on.providers, limits=vendors.call_limits(settings), turnstile=on.turnstile)
    spending = Budgets(gateway.most_usd, budgets.parse(_own(settings, "budgets")))
    flags = switches.flags(on, spending.units.units, lambda case: [str(ref) for ref in gateway.refs(case)])
    library, before = documents(on), limiting(on, _own(settings, "limits"))
    asking = turns(on, flags=flags, gateway=gateway, library=library, limiting=before, budgets=spending)
    guarded = rolling(on, asking.rollouts, flags=flags, gateway=gateway)
    directory, authenticator = _directory(on), identity.authenticator(settings, on.people, on.database)
    life, told = data_life(on, _own(settings, "retention")), telling(on)
    trials, decided = trying(on, asking), reviewing(on)
    kept = _Kept(BudgetKeeper(on.database, on.cases, spending), directory, library.embedding, before.spikes)
    return Service(
        settings=settings,
        usecases=on.cases,
        database=on.database,
        ingest_database=on.ingest_database,
        broadcast=on.broadcast,
        authenticator=authenticator,
        roles=on.roles,
        people=on.people,
        flags=flags,
        rollouts=asking.rollouts,
        rolling=guarded,
        limiting=before,
        gateway=gateway,
        turnstile=on.turnstile,
        searcher=library.searcher,
        shared=on.shared,
        recalling=asking.recalling,
        pipeline=asking.pipeline,
        shadows=asking.shadows,
        trying=trials,
        acquaintance=Acquaintance(settings, on.database, on.privacy),
        reading=library.reading,
        embedders=library.embedders,
        spaces=library.spaces,
        embedding=library.embedding,
        jobs=_jobs(on, asking, flags, library, (*life.jobs, trials.shadows)),
        keys=identity.key_desk(on.database, on.broadcast, authenticator, usecases=on.cases),
        reviews=decided.reviews,
        review_desk=decided.desk,
        inspection=inspection(on, retrieve=asking.retrieve, questions=library.spaces, authenticator=authenticator),
        data_life=life,
        auditing=Auditing(on.database),
        incidents=Incidents(on.database, on.behind),
        directory=directory,
        telling=told,
        housekeeping=_housekeeping(
            on, life, kept, sending=told.sending, trying=trials, reviewing=decided, rolling=guarded
        ),
        forecaster=Forecaster(on.database, on.cases, on.models, gateway.models.ref, asked),
        watch=Watch(),
    )


@dataclass(frozen=True, slots=True)
class _Kept:
    """What housekeeping looks after, and is built elsewhere."""

    budgets: BudgetKeeper
    directory: DirectoryKeeper
    embedding: Embedding
    spikes: SpikeKeeper


def _housekeeping(
    on: Ground, life: DataLife, kept: _Kept, *, sending: Sending, trying: Trying, reviewing: Reviewing, rolling: Rolling
) -> Housekeeping:
    return Housekeeping(
        database=on.database,
        relay=on.relay,
        keeper=kept.budgets,
        directory=kept.directory,
        schedule=Schedule(on.database, on.cases),
        embedding=kept.embedding,
        sealing=Sealing(on.database),
        audit=AuditKeeper(on.database),
        spikes=kept.spikes,
        retention=life.retention,
        erasures=life.erasures,
        sending=sending,
        shadows=trying.shadows,
        captures=trying.captures,
        reviews=reviewing.keeper,
        rollouts=rolling.guard,
    )


def _jobs(
    on: Ground, asking: Turns, flags: Flags, library: Documents, more: tuple[Retention, Erasures, ShadowRuns]
) -> Jobs:
    return Jobs(
        on.database,
        on.cases,
        asking.pipeline,
        library.ingestion,
        flags,
        on.people,
        on.relay,
        on.settings.job_lease_s,
        Actions(on.database, on.cases, on.people),
        library.embedding,
        *more,
    )


def _directory(on: Ground) -> DirectoryKeeper:
    settings, token = on.settings, on.settings.directory_token.get_secret_value()
    return DirectoryKeeper(on.ingest_database, on.roles.levels, settings.directory, token, settings.directory_every_s)


def _own(settings: Settings, name: str) -> Mapping[str, Any]:
    """Read a file of config/ that older projects need not have."""
    return settings.config(name) if (settings.config_dir / f"{name}.toml").exists() else {}
