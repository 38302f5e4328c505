"""Every error the service raises on purpose, with the HTTP status that each becomes.

AppError
├─ BadInput 422 ── TooLarge 413 · HeadersTooLarge 431 · KeyReused 422 · Unreadable 422
│                 NotText · Repetitive · OtherLanguage
├─ Malformed 400 ── UnknownHost
├─ Unauthenticated 401
├─ Forbidden 403
├─ NotFound 404
├─ Conflict 409 ── SessionBusy · RequestInProgress · Held
├─ OverBudget 402
├─ OverRate 429 ── Restricted 429
├─ Paused 503
├─ DependencyDown 503
├─ ModelFailed 502
├─ SourceFailed 502
├─ DeadlinePassed 504
├─ Unsealable 500
└─ CannotStart 500 (raised before anything is served)
"""

import re
from typing import Any, ClassVar

# Ids of ours may hold digits, but a row as long as this is somebody's card or account.
_NAME = re.compile(r"(?!.*\d{13})[\w.:@-]{1,100}")
# Also pydantic's names of types, such as `list[str]`.
_FIELD = re.compile(r"[A-Za-z_\[\],-]{1,60}\d{0,2}[a-z_]{0,40}")


def quoted(name: str) -> str:
    """Give a name as an error may repeat it: in quotes; what is no name may be a person's data, and is not repeated."""
    return repr(name) if _NAME.fullmatch(name) else "that was sent"


def field_name(name: str) -> str:
    """Give a field's name as an error may repeat it: whoever sends it may have put a value or a secret in its place."""
    return name if _FIELD.fullmatch(name) else "a field that was sent"


class AppError(Exception):
    """Something went wrong that the caller is told about; `detail` says what, and what is allowed instead."""

    status: ClassVar[int] = 500
    slug: ClassVar[str] = "internal"
    title: ClassVar[str] = "The service failed"

    def __init__(self, detail: str = "", *, retry_after_s: int | None = None, **extra: Any) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.retry_after_s = retry_after_s
        self.extra = extra

    def problem(self) -> dict[str, Any]:
        """Give the RFC 9457 problem document of this error."""
        return {
            "type": f"/problems/{self.slug}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            **self.extra,
        }


class BadInput(AppError):
    """The request can be read but not accepted; `errors` names each field, what was wrong and what is allowed."""

    status = 422
    slug = "bad-input"
    title = "The input is not acceptable"


class TooLarge(BadInput):
    """The body or upload is larger than the service accepts."""

    status = 413
    slug = "too-large"
    title = "The request is too large"


class HeadersTooLarge(BadInput):
    """The headers of the request are larger than the service accepts."""

    status = 431
    slug = "headers-too-large"
    title = "The headers are too large"


class KeyReused(BadInput):
    """The same Idempotency-Key came with a different request; use a new key for a new request."""

    slug = "idempotency-key-reused"
    title = "The Idempotency-Key belongs to another request"


class Unreadable(BadInput):
    """No text could be read from a document; `reason` is one of those that docs/reference/formats.md explains."""

    slug = "unreadable-document"
    title = "The document cannot be read"
    REASONS: ClassVar = (
        *("empty", "scanned", "encrypted", "unsupported", "mislabelled"),
        *("malformed", "oversized", "bomb", "too_slow", "crashed"),
    )


class NotText(BadInput):
    """A text holds binary data, or a file that was encoded as text; send files as documents."""

    slug = "not-text"
    title = "This is no text"


class Repetitive(BadInput):
    """A text says the same over and over: it would cost much and ask nothing."""

    slug = "repetitive-input"
    title = "The text says the same over and over"


class OtherLanguage(BadInput):
    """The text is in a language that the use case's contract does not list."""

    slug = "other-language"
    title = "Not in this language"


class Malformed(AppError):
    """The request contradicts itself or cannot be read; the detail says which part of it."""

    status = 400
    slug = "malformed"
    title = "The request is malformed"


class UnknownHost(Malformed):
    """The request names a host that this service does not answer to: APP_ALLOWED_HOSTS, or APP_PUBLIC_URL's own."""

    slug = "unknown-host"
    title = "This service has another name"


class Unauthenticated(AppError):
    """The request carries no valid identity; sign in, or send a valid bearer token."""

    status = 401
    slug = "unauthenticated"
    title = "Sign in first"


class Forbidden(AppError):
    """The identity is known and lacks the permission that this action needs."""

    status = 403
    slug = "forbidden"
    title = "Not permitted"


class NotFound(AppError):
    """There is no such thing, or you may not know of it."""

    status = 404
    slug = "not-found"
    title = "Not found"


class Conflict(AppError):
    """The request clashes with the present state of the thing it is about."""

    status = 409
    slug = "conflict"
    title = "Conflict"


class SessionBusy(Conflict):
    """Another turn of this session is being answered; wait for it, then send this one again."""

    slug = "session-busy"
    title = "This session is answering another turn"


class RequestInProgress(Conflict):
    """The request with this Idempotency-Key is still being answered; ask again for its result."""

    slug = "request-in-progress"
    title = "The same request is still in progress"


class Held(Conflict):
    """This data is under a legal hold: it is neither deleted nor erased until the hold is released."""

    slug = "held"
    title = "This must be kept for now"


class OverBudget(AppError):
    """A money or token budget is used up; the detail says whose and when it is renewed."""

    status = 402
    slug = "over-budget"
    title = "The budget is used up"


class OverRate(AppError):
    """Too many requests; Retry-After says when to come back."""

    status = 429
    slug = "over-rate"
    title = "Too many requests"


class Restricted(OverRate):
    """You may not ask, or not come in, for the time that the detail says; operators can lift it."""

    slug = "restricted"
    title = "Restricted for now"


class Paused(AppError):
    """An operator has paused the AI; the detail holds the sentence of the use case's contract."""

    status = 503
    slug = "paused"
    title = "The AI is paused"


class Overloaded(AppError):
    """This process has as many turns under way as it can answer in time; nothing was done, ask again in a moment."""

    status = 503
    slug = "overloaded"
    title = "Too much at once"


class DependencyDown(AppError):
    """A part that this request needs (database, queue) does not answer; try again."""

    status = 503
    slug = "dependency-down"
    title = "A dependency does not answer"


class ModelFailed(AppError):
    """No rung of the ladder could give an answer; nothing was done."""

    status = 502
    slug = "model-failed"
    title = "No answer could be made"


class SourceFailed(AppError):
    """A source of documents cannot be listed or read now; what was read from it before stays as it is."""

    status = 502
    slug = "source-failed"
    title = "The source cannot be read"


class DeadlinePassed(AppError):
    """The use case's time limit passed before an answer was ready."""

    status = 504
    slug = "deadline-passed"
    title = "The answer took too long"


class Unsealable(AppError):
    """A sealed field does not open: its key is missing, or it was altered or moved; nothing else is affected."""

    status = 500
    slug = "unsealable"
    title = "A sealed field does not open"


class CannotStart(AppError):
    """Settings or a contract are unusable; the detail lists file, key and cure, all at once."""

    slug = "cannot-start"
    title = "The service cannot start"
