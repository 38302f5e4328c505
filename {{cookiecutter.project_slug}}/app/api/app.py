"""The HTTP application: routers, errors, envelope."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI

from app.api import (
    admin,
    documents,
    health,
    inspection,
    jobs,
    openai,
    openai_errors,
    problems,
    sessions,
    sources,
    turns,
    usecases,
)
from app.api.middleware import Envelope
from app.api.problems import Problem
from app.telemetry.instrumentation import instrument_app
from app.wiring import process
from app.wiring.service import Service

ROUTERS = (turns, sessions, jobs, documents, sources, usecases, openai, admin, inspection, health, problems)


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
    app.add_middleware(
        Envelope,
        max_body_bytes=service.settings.max_body_bytes,
        turns_at_once=service.settings.turns_at_once,
    )
    instrument_app(app)
    _describe_problem(app)
    return app


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
