"""What everything else stands on: settings read, contracts checked, and the ways to databases, Redis and vendors."""

from collections.abc import Mapping
from dataclasses import dataclass

from app.control.audience import Audience
from app.control.people import People
from app.control.roles import Roles
from app.domain.usecase import UseCase
from app.guard.privacy import Privacy
from app.llm import catalog
from app.llm.catalog import Catalog
from app.llm.providers import Providers
from app.settings import Settings
from app.store.broadcast import Broadcast
from app.store.db import Database
from app.store.sealing import Seals
from app.store.shared import Shared
from app.store.turnstile import Turnstile
from app.telemetry.instrumentation import instrument_engine, instrument_redis
from app.wiring import embedding, privacy, usecases, vendors
from app.work.behind import Behind
from app.work.outbox import Dispatch, Relay


@dataclass(frozen=True, slots=True)
class Ground:
    """Built first, shared by all rooms; nothing is connected yet."""

    settings: Settings
    models: Catalog
    cases: Mapping[str, UseCase]
    database: Database
    ingest_database: Database
    broadcast: Broadcast
    shared: Shared
    turnstile: Turnstile
    providers: Providers
    roles: Roles
    people: People
    behind: Behind
    relay: Relay
    audience: Audience
    privacy: Privacy


def ground(settings: Settings, dispatch: Dispatch | None) -> Ground:
    """Read and check everything that is written down. Raises CannotStart with every fault of the contracts."""
    models = catalog.parse(settings.config("models"))
    cases = usecases.load(
        settings.usecases_dir,
        owners=settings.service.get("owners", {}),
        rungs=models.rungs,
        strict=settings.is_production,
    )
    database = Database(settings.database_url, pool_size=settings.pool_size)
    ingest_database = Database(settings.database_url, role="app_ingest", pool_size=2)
    seals = Seals(settings.data_keys)
    for opened in (database, ingest_database):
        opened.seals = seals
        instrument_engine(opened.engine)
    instrument_redis()
    shared, providers = Shared(settings.redis_url), Providers(*vendors.vendors(settings))
    if settings.is_production:
        vendors.ensure_keys(models, providers, cases)
        embedding.ensure_reached(models, settings)
    roles = Roles.read(settings.config("roles"))
    return Ground(
        settings=settings,
        models=models,
        cases=cases,
        database=database,
        ingest_database=ingest_database,
        broadcast=Broadcast(settings.redis_url),
        shared=shared,
        turnstile=vendors.turnstile(settings, shared),
        providers=providers,
        roles=roles,
        behind=Behind({account.user_id: account.owner for account in roles.accounts.values()}),
        people=People(roles, database, has_directory=bool(settings.directory)),
        relay=Relay(database, dispatch),
        audience=Audience(database),
        privacy=privacy.built(settings),
    )
