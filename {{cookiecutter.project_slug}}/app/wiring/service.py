"""The service: every room, built once, started and stopped together."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from app.control.auth import Authenticator, DevelopmentIssuer, OidcIssuer
from app.control.flags import Flags, switch_definition, switch_key
from app.control.limits import Rates
from app.control.roles import Roles
from app.domain.usecase import UseCase
from app.guard.input import is_suspicious
from app.llm import catalog
from app.llm.gateway import Gateway
from app.llm.providers import Providers, Vendor
from app.llm.resilience import CallLimits
from app.retrieval.embed import LexicalEmbedder
from app.retrieval.search import Searcher
from app.settings import Settings
from app.store.broadcast import Broadcast
from app.store.db import Database
from app.telemetry import metrics
from app.telemetry.instrumentation import instrument_engine, instrument_redis
from app.turn.admit import Admit
from app.turn.answer import Answer
from app.turn.check import Check, Unmask
from app.turn.pipeline import Pipeline
from app.turn.record import Record
from app.turn.retrieve import Retrieve
from app.turn.screen import Screen
from app.wiring import usecases
from app.wiring.watch import Watch
from app.work.housekeeping import Housekeeping
from app.work.ingestion import Ingestion
from app.work.jobs import Jobs
from app.work.outbox import Dispatch, Relay
from app.work.reviews import Reviews


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
    flags: Flags
    gateway: Gateway
    searcher: Searcher
    pipeline: Pipeline
    jobs: Jobs
    reviews: Reviews
    housekeeping: Housekeeping
    watch: Watch

    async def start(self) -> None:
        """Read the switches and go on listening; a dependency that is away does not stop the start."""
        metrics.announce(self.usecases.values())
        metrics.before_scrape(self._observe)
        await self.flags.start(_seeds(self.settings, self.usecases))
        self.watch.start(self.health)
        self.gateway.warm()

    async def stop(self) -> None:
        """Let go of everything."""
        await self.watch.stop()
        await self.flags.stop()
        with suppress(OSError):
            await self.gateway.aclose()
        await self.broadcast.close()
        for database in (self.database, self.ingest_database):
            await database.close()

    async def health(self) -> dict[str, str]:
        """Check each dependency: its name, and what is wrong with it ("" when nothing is)."""
        found = {"postgres": await self.database.check(), "redis": await self.broadcast.check()}
        for name, fault in found.items():
            metrics.observe("dependency_up", 0 if fault else 1, dependency=name)
        return found

    def _observe(self) -> None:
        metrics.observe("flags_age_seconds", min(self.flags.age_s, 1e9))
        metrics.observe("ai_paused", 1 if self.flags.why_paused("") else 0, usecase="all")
        for name in self.usecases:
            metrics.observe("ai_paused", 1 if self.flags.why_paused(name) else 0, usecase=name)
        metrics.observe("db_pool_in_use", self.database.in_use)
        metrics.observe("db_pool_size", 2 * self.settings.pool_size)


def build(settings: Settings, *, dispatch: Dispatch | None = None) -> Service:
    """Put the rooms together; nothing is connected yet. Raises CannotStart with every fault of the contracts."""
    models = catalog.parse(settings.config("models"))
    cases = usecases.load(settings.usecases_dir, owners=settings.service.get("owners", {}), rungs=models.rungs)
    database = Database(settings.database_url, pool_size=settings.pool_size)
    ingest_database = Database(settings.database_url, role="app_ingest", pool_size=2)
    for opened in (database, ingest_database):
        instrument_engine(opened.engine)
    instrument_redis()
    broadcast, roles, embedder = Broadcast(settings.redis_url), Roles.read(settings.config("roles")), LexicalEmbedder()
    flags = Flags(database, broadcast, poll_s=settings.flags_poll_s, break_glass=settings.paused)
    gateway = Gateway(models, Providers(_vendor(settings)), limits=CallLimits(model_timeout_s=settings.model_timeout_s))
    searcher, relay = Searcher(database, embedder), Relay(database, dispatch)
    pipeline = Pipeline(
        admit=Admit(database, flags, Rates(settings.redis_url)),
        screen=Screen(),
        retrieve=Retrieve(searcher),
        answer=Answer(gateway, searcher, flags),
        check=Check(),
        unmask=Unmask(),
        record=Record(database),
    )
    ingestion = Ingestion(ingest_database, embedder, cases, is_suspicious)
    return Service(
        settings=settings,
        usecases=cases,
        database=database,
        ingest_database=ingest_database,
        broadcast=broadcast,
        authenticator=_authenticator(settings, roles),
        roles=roles,
        flags=flags,
        gateway=gateway,
        searcher=searcher,
        pipeline=pipeline,
        jobs=Jobs(database, cases, pipeline, ingestion, flags, roles, relay, settings.job_lease_s),
        reviews=Reviews(database),
        housekeeping=Housekeeping(database, relay),
        watch=Watch(),
    )


def _authenticator(settings: Settings, roles: Roles) -> Authenticator:
    if settings.oidc_issuer:
        return Authenticator(OidcIssuer(settings.oidc_issuer, settings.oidc_audience), roles)
    # load() refuses production without an issuer, so this is development.
    return Authenticator(DevelopmentIssuer(settings.secret_key.get_secret_value(), settings.config("people")), roles)


def _vendor(settings: Settings) -> Vendor:
    key, url = {
        "none": ("", ""),
        "openai": (settings.openai_api_key.get_secret_value(), settings.openai_base_url),
        "anthropic": (settings.anthropic_api_key.get_secret_value(), settings.anthropic_base_url),
        "openai_compatible": (
            settings.openai_compatible_api_key.get_secret_value(),
            settings.openai_compatible_base_url,
        ),
    }[settings.model_provider]
    return Vendor(settings.model_provider, key, url, settings.openai_compatible_model)


def _seeds(settings: Settings, cases: Mapping[str, UseCase]) -> list[dict[str, Any]]:
    written = settings.config("flags").get("flag", [])
    named = [
        {**{key: flag[key] for key in ("key", "owner", "expires_on", "reason")},
         "definition": switch_definition(enabled=flag["enabled"])}
        for flag in written
    ]  # fmt: skip
    everything = next(flag for flag in named if flag["key"] == switch_key("ai"))
    enabled = switch_definition(enabled=True)
    switches = [
        {**everything, "key": switch_key(name), "owner": case.contract.owners.workflow, "definition": enabled}
        for name, case in cases.items()
    ]
    return [{**row, "changed_by": "config/flags.toml"} for row in [*named, *switches]]
