"""What goes wrong between us and a vendor, named as ledger and traces have named it from the start.

ModelAPIError                    what came back cannot be understood, or ends before it is complete
  ModelConnectionError           the vendor was not reached, or the connection broke (`phase`: connect, read, None)
    ModelTimeoutError            no connection in time
  ModelHTTPError                 the vendor says no, with a status: at once, or (`in_stream`) in the middle of an answer
    ModelRequestRejectedError    this request, for what it is
    ModelAuthenticationError     our key
    ModelNotFoundError           the model
    ModelRateLimitError          for now: too many
    ModelQuotaExceededError      until somebody pays
    ModelServerError, ModelUnavailableError, ModelOverloadedError    the vendor's own trouble
UnexpectedModelBehavior          an answer of a form that no vendor of this dialect gives
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from math import inf
from typing import Any, Literal

Phase = Literal["connect", "write", "read"]
QUOTA_CODES = frozenset(
    {
        "insufficient_quota",
        "billing_hard_limit_reached",
        "credit_balance_exhausted",
        "organization_spend_limit_exceeded",
        "project_spend_limit_exceeded",
        "organization_usage_limit_exceeded",
        "billing_error",
    }
)
NO_CREDIT = "credit balance is too low"
OVERLOADED = 529


class ModelAPIError(Exception):
    """The vendor gave no usable answer."""

    def __init__(self, message: str = "", *, in_stream: bool = False, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.in_stream, self.retry_after = in_stream, retry_after


class UnexpectedModelBehavior(Exception):
    """The vendor's answer has a form that we do not know."""


class ModelConnectionError(ModelAPIError):
    """The vendor was not reached, or the connection broke."""

    def __init__(self, message: str = "", *, phase: Phase | None = None) -> None:
        super().__init__(message)
        self.phase = phase


class ModelTimeoutError(ModelConnectionError):
    """There was no connection in time."""


class ModelHTTPError(ModelAPIError):
    """The vendor refuses with a status; the message is ours, because the vendor's may quote the prompt."""

    def __init__(self, status: int, *, in_stream: bool = False, retry_after: float | None = None) -> None:
        super().__init__(f"status {status}", in_stream=in_stream, retry_after=retry_after)
        self.status_code = status


class ModelRequestRejectedError(ModelHTTPError):
    """The request cannot be answered as it is."""


class ModelAuthenticationError(ModelRequestRejectedError):
    """The key is wrong, or may not do this."""


class ModelNotFoundError(ModelRequestRejectedError):
    """There is no such model."""


class ModelRateLimitError(ModelHTTPError):
    """Too many requests for now."""


class ModelQuotaExceededError(ModelHTTPError):
    """The account's money or quota is used up: waiting does not help."""


class ModelServerError(ModelHTTPError):
    """The vendor failed."""


class ModelUnavailableError(ModelHTTPError):
    """The vendor cannot answer for now."""


class ModelOverloadedError(ModelUnavailableError):
    """The vendor has too much to do."""


_BY_STATUS: dict[int, type[ModelHTTPError]] = {
    HTTPStatus.BAD_REQUEST: ModelRequestRejectedError,
    HTTPStatus.UNPROCESSABLE_ENTITY: ModelRequestRejectedError,
    HTTPStatus.UNAUTHORIZED: ModelAuthenticationError,
    HTTPStatus.FORBIDDEN: ModelAuthenticationError,
    HTTPStatus.NOT_FOUND: ModelNotFoundError,
    HTTPStatus.PAYMENT_REQUIRED: ModelQuotaExceededError,
    HTTPStatus.TOO_MANY_REQUESTS: ModelRateLimitError,
    HTTPStatus.SERVICE_UNAVAILABLE: ModelUnavailableError,
    OVERLOADED: ModelOverloadedError,
}


def refused(status: int, body: Any, *, headers: Mapping[str, str] | None = None) -> ModelHTTPError:
    """Give the error for a status that is no success, and for the error object that came with it."""
    return _kind(status, told(body))(status, retry_after=retry_after_s(headers or {}))


def broken(error: Any, *, statuses: Mapping[str, int]) -> ModelAPIError:
    """Give the error for an error object in the middle of a stream; `statuses` are the dialect's, by type or code."""
    known = error if isinstance(error, dict) else {}
    code, kind = str(known.get("code") or ""), str(known.get("type") or "")
    status = statuses.get(code) or statuses.get(kind) or (int(code) if code.isdigit() else 0)
    if status < HTTPStatus.BAD_REQUEST:
        return ModelAPIError("the vendor broke the answer off", in_stream=True)
    return _kind(status, known)(status, in_stream=True)


def told(body: Any) -> Mapping[str, Any]:
    """Give the error object of a body: vendors put it under `error`, some proxies at the top."""
    inner = body.get("error", body) if isinstance(body, dict) else {}
    return inner if isinstance(inner, dict) else {}


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Give the seconds that the vendor asks us to wait: from milliseconds, seconds or a date; None when it does not."""
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            wait_s = float(headers[name]) / unit
        except (KeyError, ValueError):
            continue
        return wait_s if 0 <= wait_s < inf else None
    try:
        until = parsedate_to_datetime(headers.get("retry-after", ""))
    except (ValueError, TypeError):
        return None
    aware = until if until.tzinfo else until.replace(tzinfo=UTC)
    return max(0.0, (aware - datetime.now(UTC)).total_seconds())


def _kind(status: int, error: Mapping[str, Any]) -> type[ModelHTTPError]:
    if QUOTA_CODES & {str(error.get("code")), str(error.get("type"))} or NO_CREDIT in str(error.get("message")).lower():
        return ModelQuotaExceededError
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return _BY_STATUS.get(status, ModelServerError)
    return _BY_STATUS.get(status, ModelHTTPError)
