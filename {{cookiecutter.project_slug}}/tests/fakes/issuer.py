"""An OpenID Connect issuer: discovery, keys, authorize, token, userinfo, end_session, as the standards have them.

It rotates its keys, goes away and comes back, and is as strict as a company's: registered addresses, PKCE with S256,
codes that work once. A person signs in by choosing themselves; the issuer then knows the browser for the next time.

Run it by hand with `python -m tests.fakes.issuer CLIENT_ID AUDIENCE CALLBACK HOME`; it prints its address.
"""

import argparse
import asyncio
import html
import threading
import time
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from secrets import token_urlsafe
from typing import Any
from urllib.parse import unquote_plus, urlencode

from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey
from joserfc.jws import JWSRegistry
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from tests.fakes.vendor import listen, server

START_S = 10.0
PEOPLE: dict[str, dict[str, Any]] = {
    "ada": {"name": "Ada Byron", "groups": ["operators"], "unit": "Research"},
    "grace": {"name": "Grace Hopper", "groups": ["sales"], "unit": "Sales"},
}
SSO = "issuer_knows"


@dataclass
class Registration:
    """A program as it is registered here; without a secret it is a public client."""

    id: str = "the-console"
    secret: str = ""
    audience: str = "the-service"
    callbacks: tuple[str, ...] = ()
    homes: tuple[str, ...] = ()


@dataclass
class Issuer:
    """The issuer's state; tests change it while it serves."""

    url: str = "http://127.0.0.1:0"
    client: Registration = field(default_factory=Registration)
    people: dict[str, dict[str, Any]] = field(default_factory=lambda: {**PEOPLE})
    is_up: bool = True
    # Where groups are said: id_token, access_token, userinfo.
    groups_in: tuple[str, ...] = ("id_token", "access_token")
    groups_claim: str = "groups"
    opaque: bool = False
    extra: dict[str, Any] = field(default_factory=dict)
    document: dict[str, Any] = field(default_factory=dict)
    more_keys: list[dict[str, Any]] = field(default_factory=list)
    keys: list[Any] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    answered: list[str] = field(default_factory=list)
    _codes: dict[str, dict[str, str]] = field(default_factory=dict)
    _access: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Have a key to begin with."""
        if not self.keys:
            self.rotate()

    def rotate(self, *, kind: str = "EC", keep: int = 0) -> Any:
        """Sign with a new key from now on; `keep` so many of the old ones published."""
        name = {"kid": f"key-{token_urlsafe(6)}", "use": "sig"}
        key = RSAKey.generate_key(2048, name) if kind == "RSA" else ECKey.generate_key("P-256", name)
        self.keys = [key, *self.keys[:keep]]
        return key

    def token(
        self, person: str = "ada", *, key: Any = None, header: Mapping[str, Any] | None = None, **changes: Any
    ) -> str:
        """Give an access token; `changes` replace claims, None leaves one out."""
        claims = {**self.claims(person, "access_token"), "aud": self.client.audience, **changes}
        return self.sign({name: value for name, value in claims.items() if value is not None}, key=key, header=header)

    def claims(self, person: str, place: str) -> dict[str, Any]:
        """Give what is said of a person in one of the places."""
        known = self.people[person]
        said = {"iss": self.url, "sub": person, "name": known["name"], "unit": known.get("unit", ""), **self.extra}
        said |= {"iat": int(time.time()), "exp": int(time.time()) + 300}
        return said | ({self.groups_claim: known["groups"]} if place in self.groups_in else {})

    def sign(self, claims: dict[str, Any], *, key: Any = None, header: Mapping[str, Any] | None = None) -> str:
        """Sign claims with the newest key, or another one."""
        key = key or self.keys[0]
        head = {"alg": "ES256" if isinstance(key, ECKey) else "RS256", "kid": key.kid, **(header or {})}
        said = {name: value for name, value in head.items() if value is not None}
        # Whatever a test wants to have in the header.
        lenient = JWSRegistry(algorithms=["ES256", "RS256"], strict_check_header=False)
        return jwt.encode(said, claims, key, registry=lenient)

    @property
    def app(self) -> Starlette:
        """Give the HTTP application."""

        async def noted(request: Request, go_on: Any) -> Response:
            self.asked.append(request.url.path)
            answer: Response = await go_on(request) if self.is_up else Response("away", status_code=503)
            self.answered.append(request.url.path)
            return answer

        return Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self._discovery),
                Route("/keys", self._keys),
                Route("/authorize", self._authorize),
                Route("/choose", self._choose, methods=["POST"]),
                Route("/token", self._token, methods=["POST"]),
                Route("/userinfo", self._userinfo),
                Route("/end_session", self._end_session),
            ],
            middleware=[Middleware(BaseHTTPMiddleware, dispatch=noted)],
        )

    async def _discovery(self, _: Request) -> Response:
        names = {
            "authorization_endpoint": "/authorize",
            "token_endpoint": "/token",
            "userinfo_endpoint": "/userinfo",
            "end_session_endpoint": "/end_session",
            "jwks_uri": "/keys",
        }
        said = {"issuer": self.url} | {name: self.url + path for name, path in names.items()}
        more = {"authorization_response_iss_parameter_supported": True, "code_challenge_methods_supported": ["S256"]}
        said_ = {name: value for name, value in {**said, **more, **self.document}.items() if value is not None}
        return JSONResponse(said_)

    async def _keys(self, _: Request) -> Response:
        return JSONResponse({"keys": [*(key.as_dict(private=False) for key in self.keys), *self.more_keys]})

    async def _authorize(self, request: Request) -> Response:
        asked = dict(request.query_params)
        if asked.get("client_id") != self.client.id or asked.get("redirect_uri") not in self.client.callbacks:
            return Response("unknown client or redirect_uri", status_code=400)
        fits = asked.get("response_type") == "code" and "openid" in asked.get("scope", "").split()
        if not (fits and asked.get("code_challenge_method") == "S256" and asked.get("code_challenge")):
            return self._back(asked, {"error": "invalid_request"})
        if (known := request.cookies.get(SSO, "")) in self.people:
            return self._back(asked, {"code": self._code(asked, known)})
        kept = "".join(
            f'<input type="hidden" name="{html.escape(name)}" value="{html.escape(value)}">'
            for name, value in asked.items()
        )
        buttons = "".join(
            f'<button name="person" value="{person}">{html.escape(known["name"])}</button>'
            for person, known in self.people.items()
        )
        no = '<button name="person" value="">Nobody</button>'
        return HTMLResponse(f'<h1>The company</h1><form method="post" action="/choose">{kept}{buttons}{no}</form>')

    async def _choose(self, request: Request) -> Response:
        asked = {name: str(value) for name, value in (await request.form()).items()}
        person = asked.pop("person", "")
        if person not in self.people:
            return self._back(asked, {"error": "access_denied"})
        response = self._back(asked, {"code": self._code(asked, person)})
        response.set_cookie(SSO, person, httponly=True)
        return response

    def _code(self, asked: Mapping[str, str], person: str) -> str:
        code = token_urlsafe(16)
        self._codes[code] = {**asked, "person": person}
        return code

    def _back(self, asked: Mapping[str, str], said: Mapping[str, str]) -> Response:
        query = urlencode({**said, "state": asked.get("state", ""), "iss": self.url})
        return RedirectResponse(f"{asked['redirect_uri']}?{query}", status_code=303)

    async def _token(self, request: Request) -> Response:
        form = {name: str(value) for name, value in (await request.form()).items()}
        if not self._is_client(request, form):
            return JSONResponse({"error": "invalid_client"}, status_code=401)
        kept = self._codes.pop(form.get("code", ""), None)
        digest = sha256(form.get("code_verifier", "").encode()).digest()
        challenge = urlsafe_b64encode(digest).decode().rstrip("=")
        fits = kept and kept["redirect_uri"] == form.get("redirect_uri") and kept["code_challenge"] == challenge
        if not kept or not fits or form.get("grant_type") != "authorization_code":
            return JSONResponse({"error": "invalid_grant"}, status_code=400)
        person = kept["person"]
        said = {**self.claims(person, "id_token"), "aud": self.client.id, "nonce": kept.get("nonce", "")}
        access = token_urlsafe(24) if self.opaque else self.token(person)
        self._access[access] = person
        told = {"token_type": "Bearer", "expires_in": 300, "access_token": access, "id_token": self.sign(said)}
        return JSONResponse(told, headers={"Cache-Control": "no-store"})

    def _is_client(self, request: Request, form: Mapping[str, str]) -> bool:
        if not self.client.secret:
            return form.get("client_id") == self.client.id
        given = request.headers.get("authorization", "")
        if given.startswith("Basic "):
            name, _, secret = b64decode(given.removeprefix("Basic ")).decode().partition(":")
            return (unquote_plus(name), unquote_plus(secret)) == (self.client.id, self.client.secret)
        return (form.get("client_id"), form.get("client_secret")) == (self.client.id, self.client.secret)

    async def _userinfo(self, request: Request) -> Response:
        person = self._access.get(request.headers.get("authorization", "").removeprefix("Bearer "))
        return JSONResponse(self.claims(person, "userinfo")) if person else Response(status_code=401)

    async def _end_session(self, request: Request) -> Response:
        home = request.query_params.get("post_logout_redirect_uri", "")
        known = request.query_params.get("client_id") == self.client.id and home in self.client.homes
        response = RedirectResponse(home, status_code=303) if known else HTMLResponse("<h1>Signed out</h1>")
        response.delete_cookie(SSO)
        return response


@contextmanager
def running(issuer: Issuer) -> Iterator[Issuer]:
    """Serve an issuer by a real HTTP server in a thread; it learns its address."""
    taken = listen()
    issuer.url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    serving = server(issuer.app)
    thread = threading.Thread(target=lambda: asyncio.run(serving.serve(sockets=[taken])), daemon=True)
    thread.start()
    until = time.monotonic() + START_S
    while not serving.started:
        if time.monotonic() > until:
            raise RuntimeError("the issuer did not start")
        time.sleep(0.01)
    yield issuer
    serving.should_exit = serving.force_exit = True
    thread.join(timeout=START_S)


def main() -> None:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("client_id", "audience", "callback", "home"):
        parser.add_argument(name)
    asked = parser.parse_args()
    client = Registration(asked.client_id, "", asked.audience, (asked.callback,), (asked.home,))
    with running(Issuer(client=client)) as issuer:
        print(issuer.url, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
