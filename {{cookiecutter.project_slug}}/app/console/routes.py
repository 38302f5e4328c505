"""Routes that speak HTML: what goes wrong on a page is told on a page, and strangers are sent to sign in."""

from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import quote

import structlog
from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from app.console.html import fault_page
from app.console.session import SIGN_IN
from app.control.auth import SAFE
from app.errors import AppError, BadInput, Malformed, NotFound, TooLarge, Unauthenticated, field_name

log = structlog.get_logger(__name__)
Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class PageRoute(APIRoute):
    """A route whose errors are pages."""

    def get_route_handler(self) -> Handler:
        """Wrap the handler."""
        handle = super().get_route_handler()

        async def handled(request: Request) -> Response:
            try:
                response = await handle(request)
            except Unauthenticated as error:
                # Answered with a page; the limit of failed sign-ins counts it all the same.
                request.state.is_stranger = True
                return _to_sign_in(request) if request.method in SAFE else fault_page(request, error)
            except RequestValidationError as error:
                return fault_page(request, _readable(error))
            except HTTPException as error:
                # A form that cannot be read at all, or a body that is too large.
                kind = TooLarge if error.status_code == TooLarge.status else Malformed
                return fault_page(request, kind(str(error.detail)))
            except AppError as error:
                return fault_page(request, error)
            except Exception:
                log.exception("page.broke", route=getattr(request.scope.get("route"), "path", ""))
                return fault_page(request, AppError("Something broke on our side; the request id helps us find it."))
            # What one person saw must not come back from a cache for the next.
            response.headers.setdefault("Cache-Control", "no-store")
            return response

        return handled


def _to_sign_in(request: Request) -> Response:
    path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    target = SIGN_IN if path == "/" else f"{SIGN_IN}?next={quote(path, safe='')}"
    return RedirectResponse(target, status_code=303)


def _readable(error: RequestValidationError) -> AppError:
    faults = error.errors()
    if all(fault["loc"][0] == "path" for fault in faults):
        return NotFound("There is no such page.")
    return BadInput("; ".join(f"{field_name(str(fault['loc'][-1]))}: {fault['msg']}" for fault in faults))
