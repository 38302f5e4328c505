"""The HTTP application: routers, errors, envelope."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI

from app.api import (
    admin,
    audit,
    cases,
    dead_letters,
    documents,
    erasures,
    health,
    incidents,
    inspection,
    jobs,
    keys,
    ledger,
    me,
    openai,
    openai_errors,
    passages,
    problems,
    restrictions,
    reviews,
    rollouts,
    sessions,
    shadows,
    sources,
    switches,
    turns,
    usecases,
    webhooks,
)
from app.api.cors import Cors
from app.api.gate import Gate
from app.api.middleware import Envelope
from app.api.permissions import ensure_declared
from app.api.problems import Problem
from app.api.ratelimit import Limited
from app.telemetry.instrumentation import instrument_app
from app.wiring import process
from app.wiring.service import Service

ROUTERS = (
    turns, passages, sessions, jobs, documents, sources, usecases, openai, switches, admin, ledger, keys, audit,
    incidents, inspection, restrictions, reviews, rollouts, shadows, cases, me, erasures, webhooks, dead_letters,
    health, problems,
)  # fmt: skip


def create(service: Service, *, pages: Sequence[APIRouter] = ()) -> FastAPI:
    """Make the application around a service; `pages` are the console's routers."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await service.start()
        process.settle()
        yield
        await service.stop()

    app = FastAPI(
        title=service.settings.service["service"]["name"],
        description=service.settings.service["service"]["description"],
        version=service.settings.service["service"]["template_version"],
        lifespan=lifespan,
        strict_content_type=False,
        # The interactive pages load scripts from elsewhere; /openapi.json works everywhere, offline too.
        docs_url=None,
        redoc_url=None,
    )
    app.state.service = service
    problems.install(app)
    for module in ROUTERS:
        app.include_router(module.router)
    for router in pages:
        app.include_router(router)
    ensure_declared(app.routes)
    app.add_middleware(Limited, addresses=service.limiting.addresses, restrictions=service.limiting.restrictions)
    app.add_middleware(Envelope, gate=_gate(service), turns_at_once=service.settings.turns_at_once)
    if service.settings.origins:
        app.add_middleware(Cors, origins=service.settings.origins)
    instrument_app(app)
    _describe_problem(app)
    return app


def _gate(service: Service) -> Gate:
    settings = service.settings
    return Gate(
        max_body_bytes=settings.max_body_bytes,
        max_json_bytes=settings.max_json_bytes,
        hosts=tuple(host.lower() for host in settings.hosts),
        is_https=settings.is_production and settings.public_url.startswith("https://"),
    )


def _describe_problem(app: FastAPI) -> None:
    # Problems are answered by handlers, not routes, so OpenAPI has to be told their shape.
    described = app.openapi

    def openapi() -> dict[str, object]:
        schema = described()
        schemas = schema.setdefault("components", {}).setdefault("schemas", {})
        parts = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(parts.pop("$defs", {}))
        schemas["Problem"] = parts
        openai_errors.describe(schema)
        return schema

    app.openapi = openapi  # type: ignore[method-assign]
