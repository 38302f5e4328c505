"""A finished turn as an HTTP answer: its JSON, or the problem it ended with."""

from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse, Response

from app.api.problems import answer
from app.domain.turn import Turn
from app.errors import AppError
from app.turn.response import response


def told(request: Request, turn: Turn) -> Response:
    """Answer with a finished turn: its JSON, or the problem it ended with."""
    if turn.error is None:
        return JSONResponse(response(turn))
    return answer(request, problem_of(turn, turn.error), retry_after_s=turn.error.retry_after_s)


def problem_of(turn: Turn, error: AppError) -> dict[str, Any]:
    """Give the problem document of a turn that ended with an error."""
    return {**error.problem(), "turn_id": str(turn.id), "outcome": turn.outcome.value if turn.outcome else None}
