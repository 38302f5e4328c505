"""What is decided of a request before anything of its body is read, and the headers that keep browsers honest."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.types import Scope

from app.errors import AppError, Forbidden, HeadersTooLarge, Malformed, TooLarge, Unauthenticated, UnknownHost

# No `unsafe-inline` and no other site anywhere: a script that somebody smuggles into a page does not run.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Content-Security-Policy": POLICY,
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
YEAR_S = 31_536_000
# Asked for by address, not by name, from inside the network.
NAMELESS = ("/health/live", "/health/ready", "/metrics")
# Whose bodies are files, or many questions at once.
LARGE = ("/v1/documents", "/jobs")
# One header, two values: proxy and service may each believe another one.
SINGLE = ("host", "content-length", "content-type", "transfer-encoding", "authorization", "origin", "idempotency-key")
MOST_HEADER_BYTES = 32_768
WRITING = ("POST", "PUT", "PATCH")
SAFE = ("GET", "HEAD", "OPTIONS")
# `none` is what a person typed or reloads; a page of a neighbouring subdomain is another's.
OWN_SITE = ("same-origin", "none")
BEARERS = ("/v1/", "/openai/")


@dataclass(frozen=True, slots=True)
class Gate:
    """Bounds in bytes; `hosts` are the names this service answers to (none: any), `is_https` that it is reached so."""

    max_body_bytes: int = 10_000_000
    max_json_bytes: int = 1_000_000
    hosts: tuple[str, ...] = ()
    is_https: bool = False

    def fault(self, scope: Scope) -> AppError | None:
        """Say why a request is not let in, if it is not."""
        headers = Headers(scope=scope)
        return (
            _of_headers(scope, headers)
            or self._of_host(scope, headers)
            or self._of_length(scope, headers)
            or _of_stranger(scope, headers)
            or _of_other_site(scope, headers)
        )

    def most_bytes(self, scope: Scope) -> int:
        """Give how large the body of this request may be."""
        is_large = scope["method"] == "POST" and scope["path"].endswith(LARGE)
        return self.max_body_bytes if is_large else min(self.max_json_bytes, self.max_body_bytes)

    def headers(self) -> Mapping[str, str]:
        """Give what goes on every response."""
        return ALWAYS | ({"Strict-Transport-Security": f"max-age={YEAR_S}"} if self.is_https else {})

    def _of_host(self, scope: Scope, headers: Headers) -> AppError | None:
        if not self.hosts or scope["path"] in NAMELESS:
            return None
        name = _name(headers.get("host", ""))
        return None if name in self.hosts else UnknownHost()

    def _of_length(self, scope: Scope, headers: Headers) -> AppError | None:
        length, most = headers.get("content-length", ""), self.most_bytes(scope)
        if length and not (length.isascii() and length.isdigit()):
            return Malformed("Content-Length is not a number.")
        return too_large(most) if length and int(length[:20]) > most else None


def too_large(most: int) -> TooLarge:
    """Say how large the body may be."""
    return TooLarge(f"The body is too large; allowed: {most} bytes.")


def _of_headers(scope: Scope, headers: Headers) -> AppError | None:
    if sum(len(name) + len(value) for name, value in scope["headers"]) > MOST_HEADER_BYTES:
        return HeadersTooLarge(f"The headers are too large; allowed: {MOST_HEADER_BYTES} bytes.")
    counts = Counter(name for name, _ in scope["headers"])
    if twice := [name for name in SINGLE if counts[name.encode()] > 1]:
        return Malformed(f"These headers came more than once: {', '.join(twice)}.")
    if "transfer-encoding" in headers and "content-length" in headers:
        return Malformed("Content-Length and Transfer-Encoding contradict each other; send one.")
    return None


def _of_stranger(scope: Scope, headers: Headers) -> AppError | None:
    """Refuse to read what nobody has signed: parsing comes before the route asks who is there."""
    is_written = scope["method"] in WRITING and scope["path"].startswith(BEARERS)
    if is_written and "authorization" not in headers and "cookie" not in headers:
        return Unauthenticated("Send `Authorization: Bearer <token>`, or sign in at /console.")
    return None


def _of_other_site(scope: Scope, headers: Headers) -> AppError | None:
    """Refuse what a browser says another site's page has sent; rooms behind this compare `Origin` as well."""
    site = headers.get("sec-fetch-site", "same-origin")
    if scope["method"] in SAFE or "authorization" in headers or site in OWN_SITE:
        return None
    return Forbidden("Changes by cookie are taken from this site's own pages only.")


def _name(host: str) -> str:
    """Give the name without its port, in small letters; an IPv6 address keeps its brackets."""
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdigit() else host).lower().rstrip(".")
