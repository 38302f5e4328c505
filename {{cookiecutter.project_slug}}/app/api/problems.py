"""Errors on the wire: RFC 9457 problem documents, declared in OpenAPI, each explained at its own address."""

import inspect
from collections.abc import Iterator, Sequence
from typing import Any

import structlog
from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from app.api import openai_errors
from app.errors import AppError, BadInput, Malformed, NotFound, TooLarge, field_name, quoted
from app.telemetry.scrub import clean

log = structlog.get_logger(__name__)
MEDIA_TYPE = "application/problem+json"
router = APIRouter(tags=["problems"])


class Fault(BaseModel):
    """One thing wrong with a request."""

    field: str
    wrong: str
    allowed: str = ""


class Problem(BaseModel):
    """What went wrong, and what is allowed instead."""

    type: str = Field(description="address of an explanation", examples=["/problems/over-rate"])
    title: str
    status: int
    detail: str
    errors: list[Fault] = []
    turn_id: str | None = None
    outcome: str | None = None
    request_id: str = ""


def tree(root: type[AppError] = AppError) -> Iterator[type[AppError]]:
    """Give every error of the service."""
    yield root
    for child in root.__subclasses__():
        yield from tree(child)


def declared(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Declare problem responses for OpenAPI; what any route may answer (400, 401, 413, 500, 503) comes along."""
    titles: dict[int, str] = {400: "The request cannot be read"}
    for kind in tree():
        titles.setdefault(kind.status, kind.title)
    return {
        status: {
            "description": titles[status],
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in sorted({400, 401, 413, 422, 500, 503, *statuses})
    }


def problem(request: Request, error: AppError) -> JSONResponse:
    """Answer with an error of ours."""
    return answer(request, error.problem(), retry_after_s=error.retry_after_s)


def answer(request: Request, body: dict[str, Any], *, retry_after_s: int | None = None) -> JSONResponse:
    """Answer with a problem document; what looks like a person's data or a secret is not repeated in it."""
    headers = {"Retry-After": str(retry_after_s)} if retry_after_s is not None else {}
    if body["status"] == 401:
        headers["WWW-Authenticate"] = "Bearer"
    told = {str(key): clean(value) for key, value in body.items() if key in ("detail", "errors")}
    body = {**body, **told, "request_id": getattr(request.state, "request_id", "")}
    if request.url.path.startswith(openai_errors.PREFIX):
        return openai_errors.answer(body, headers)
    return JSONResponse(body, status_code=body["status"], headers=headers, media_type=MEDIA_TYPE)


def route_of(request: Request) -> str:
    """Give the template of the route, never the path itself: people put names and numbers into paths."""
    return f"{request.method} {getattr(request.scope.get('route'), 'path', 'unknown')}"


async def _ours(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, AppError)
    if error.status >= 500:
        log.warning("request.failed", slug=error.slug, route=route_of(request))
    return problem(request, error)


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    faults = [{"field": _place(fault["loc"]), "wrong": fault["msg"]} for fault in error.errors()]
    unreadable = any(fault["type"] == "json_invalid" for fault in error.errors())
    body = BadInput("; ".join(f"{fault['field']}: {fault['wrong']}" for fault in faults), errors=faults).problem()
    return answer(request, {**body, "status": 400} if unreadable else body)


def _place(loc: Sequence[str | int]) -> str:
    """Name a part of the request."""
    return ".".join(field_name(part) if isinstance(part, str) else str(part) for part in loc[1:]) or str(loc[0])


async def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    if error.status_code == TooLarge.status:
        return problem(request, TooLarge(str(error.detail)))
    if error.status_code == Malformed.status:
        return problem(request, Malformed(str(error.detail)))
    slug = "not-found" if error.status_code == 404 else f"http-{error.status_code}"
    body = {"type": f"/problems/{slug}", "title": str(error.detail), "status": error.status_code}
    detail = f"{error.detail}; the routes are listed at /openapi.json" if error.status_code == 404 else error.detail
    response = answer(request, {**body, "detail": str(detail)})
    response.headers.update(error.headers or {})
    return response


async def broken(request: Request, error: Exception) -> JSONResponse:
    """Answer for an error that nobody foresaw; the log says where it came from, and the answer does not."""
    log.error("request.broke", route=route_of(request), error=type(error).__name__, exc_info=error)
    return problem(request, AppError("Something broke on our side; the request id helps us find it."))


def install(app: FastAPI) -> None:
    """Turn every error into a problem document."""
    app.add_exception_handler(AppError, _ours)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, broken)


@router.get("/problems/{slug}", response_class=PlainTextResponse, responses={404: declared()[400]})
async def explain(slug: str) -> str:
    """Explain an error in plain words."""
    kind = next((kind for kind in tree() if kind.slug == slug), None)
    if kind is None:
        there = ", ".join(sorted(kind.slug for kind in tree()))
        raise NotFound(f"There is no problem type {quoted(slug)}; there are: {there}.")
    return f"{kind.title} (HTTP {kind.status})\n\n{inspect.getdoc(kind)}\n"
