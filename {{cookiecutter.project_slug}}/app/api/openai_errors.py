"""Errors as OpenAI's clients read them; made from the problem documents of the other doors, so that none differs."""

import re
from typing import Any

from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

PREFIX = "/openai/"
TYPES = {401: "authentication_error", 402: "insufficient_quota", 403: "permission_error", 429: "rate_limit_error"}
CODES = {
    "unauthenticated": "invalid_api_key",
    "over-budget": "insufficient_quota",
    "over-rate": "rate_limit_exceeded",
}
# The gateway has tried again already, or an operator has decided: OpenAI's clients shall not multiply it.
NOT_AGAIN = ("paused", "model-failed", "deadline-passed")
# What OpenAI's clients call the inputs of a turn.
PARAMS = {"question": "messages", "fields": "x_fields"}


class ErrorBody(BaseModel):
    """What went wrong; `param` names the part of the request, `code` the kind of error."""

    message: str
    type: str = Field(examples=["invalid_request_error", "rate_limit_error", "server_error"])
    param: str | None
    code: str | None
    turn_id: str | None = None
    outcome: str | None = None
    request_id: str = ""


class ErrorOut(BaseModel):
    """An error in OpenAI's shape."""

    error: ErrorBody


def declared(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Declare errors for OpenAPI; what any route may answer (400, 401, 413, 500, 503) comes along."""
    everywhere = {400, 401, 413, 500, 503, *statuses}
    return {status: {"model": ErrorOut, "description": _type(status)} for status in sorted(everywhere)}


def describe(schema: dict[str, Any]) -> None:
    """Take 422 out of the description of these routes: here, what cannot be accepted is 400."""
    for path, operations in schema.get("paths", {}).items():
        if path.startswith(PREFIX):
            for operation in operations.values():
                operation["responses"].pop("422", None)


def error_of(problem: dict[str, Any]) -> dict[str, Any]:
    """Give a problem document as an error of OpenAI's shape."""
    slug = problem["type"].rpartition("/")[2]
    faults = problem.get("errors") or [{"field": problem.get("param")}]
    return {
        "error": {
            "message": problem["detail"],
            "type": _type(status_of(problem)),
            "param": _param(faults[0]["field"]),
            "code": problem.get("code") or CODES.get(slug, slug.replace("-", "_")),
            "turn_id": problem.get("turn_id"),
            "outcome": problem.get("outcome"),
            "request_id": problem.get("request_id", ""),
        }
    }


def status_of(problem: dict[str, Any]) -> int:
    """Give the status that OpenAI's clients know: what can be read but not accepted is a bad request."""
    return 400 if problem["status"] == 422 else int(problem["status"])


def answer(problem: dict[str, Any], headers: dict[str, str]) -> JSONResponse:
    """Answer with a problem in OpenAI's shape."""
    told = dict(headers)
    if problem["type"].rpartition("/")[2] in NOT_AGAIN:
        told["X-Should-Retry"] = "false"
    if problem.get("turn_id"):
        told["X-Turn-Id"] = problem["turn_id"]
    return JSONResponse(error_of(problem), status_code=status_of(problem), headers=told)


def _type(status: int) -> str:
    return "server_error" if status >= 500 else TYPES.get(status, "invalid_request_error")


def _param(field: str | None) -> str | None:
    if not field:
        return None
    first, _, rest = field.partition(".")
    named = ".".join(filter(None, (PARAMS.get(first, first), rest)))
    return re.sub(r"\.(\d+)", r"[\1]", named)
