"""Signing a browser in at the company's issuer: the authorization code flow with PKCE, state and nonce."""

import re
import time
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from hmac import compare_digest
from secrets import token_urlsafe
from typing import Any
from urllib.parse import quote_plus, urlencode

import httpx2
import orjson
import structlog
from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from app.control.claims import Person, Reading
from app.control.discovery import Provider, Published
from app.control.oidc import verified
from app.errors import BadInput, DependencyDown, Unauthenticated

log = structlog.get_logger(__name__)
# From the first redirect to the return: somebody may have to find their second factor.
PATIENCE_S = 600
COOKIE = "sign_in_"
ALGORITHMS = ["dir", "A256GCM"]
_WORD = re.compile(r"[a-z_]{1,50}")


@dataclass(frozen=True, slots=True)
class Client:
    """This service as the issuer knows it; a public client has no secret. `audience` is that of bearer tokens."""

    id: str
    secret: str = field(repr=False)
    scopes: str
    callback: str
    home: str
    audience: str


@dataclass(frozen=True, slots=True)
class Begun:
    """Where to send the browser, and the cookie by which it is known when it comes back."""

    address: str
    cookie: str
    sealed: str


@dataclass(frozen=True, slots=True)
class Arrived:
    """Who came back, and where they wanted to go."""

    person: Person
    id_token: str
    wanted: str


class CodeFlow:
    """Sends browsers to the issuer and takes them back."""

    def __init__(self, provider: Provider, client: Client, reading: Reading, *, secret: str) -> None:
        self._provider, self._client, self._reading = provider, client, reading
        self._key = OctKey.import_key(sha256(b"sign-in cookie:" + secret.encode()).digest())

    async def begin(self, wanted: str) -> Begun:
        """Begin a sign-in that is to lead to this page. Raises DependencyDown."""
        published = await self._provider.published()
        endpoint = published.endpoint("authorization_endpoint")
        if not endpoint or not published.endpoint("token_endpoint"):
            raise DependencyDown("The identity provider publishes no address to sign in at.")
        state, nonce, verifier = token_urlsafe(32), token_urlsafe(32), token_urlsafe(48)
        kept = {"state": state, "nonce": nonce, "verifier": verifier, "wanted": wanted, "at": time.time()}
        asked = {
            "response_type": "code",
            "client_id": self._client.id,
            "redirect_uri": self._client.callback,
            "scope": self._client.scopes,
            "state": state,
            "nonce": nonce,
            "code_challenge": urlsafe_b64encode(sha256(verifier.encode()).digest()).decode().rstrip("="),
            "code_challenge_method": "S256",
        }
        return Begun(_with(endpoint, asked), cookie_of(state), self._sealed(kept))

    async def finish(self, given: Mapping[str, str], sealed: str) -> Arrived:
        """Take back a browser with what the issuer gave it and the cookie that we did.

        Raises BadInput where the two do not belong together, Unauthenticated, DependencyDown.
        """
        kept = self._opened(sealed)
        if not kept or not _same(kept["state"], given.get("state", "")):
            raise BadInput("This sign-in was not begun in this browser, or too long ago. Begin again.")
        if "error" in given:
            named = given["error"] if _WORD.fullmatch(given["error"]) else "an error"
            raise Unauthenticated(f"Your company's sign-in did not let you in; it says: {named}.")
        published = await self._provider.published()
        _same_issuer(published, given)
        tokens = await self._tokens(published, given.get("code", ""), kept["verifier"])
        claims = await verified(self._provider, str(tokens.get("id_token", "")), audience=self._client.id)
        if not _same(kept["nonce"], str(claims.get("nonce", ""))):
            raise Unauthenticated("The identity token was made for another sign-in.")
        if claims.get("azp", self._client.id) != self._client.id:
            raise Unauthenticated("The identity token was made for another program.")
        person = self._reading.person(await self._with_groups(published, claims, str(tokens.get("access_token", ""))))
        return Arrived(person, str(tokens["id_token"]), kept["wanted"])

    async def farewell(self, id_token: str) -> str:
        """Give the address at which the issuer signs the person out as well; nothing where it has none."""
        try:
            published = await self._provider.published()
        except DependencyDown:
            return ""
        endpoint = published.endpoint("end_session_endpoint")
        said = {"client_id": self._client.id, "post_logout_redirect_uri": self._client.home}
        return _with(endpoint, said | ({"id_token_hint": id_token} if id_token else {})) if endpoint else ""

    async def _tokens(self, published: Published, code: str, verifier: str) -> dict[str, Any]:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._client.callback,
            "code_verifier": verifier,
        }
        headers = {"Accept": "application/json"}
        how = published.document.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        if self._client.secret and "client_secret_basic" in how:
            pair = f"{quote_plus(self._client.id)}:{quote_plus(self._client.secret)}"
            headers["Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
        else:
            form |= {"client_id": self._client.id}
            form |= {"client_secret": self._client.secret} if self._client.secret else {}
        try:
            answer = await self._provider.http.post(published.endpoint("token_endpoint"), data=form, headers=headers)
            if answer.is_success:
                return dict(answer.json())
        except (httpx2.HTTPError, ValueError, TypeError) as error:
            raise _away() from error
        log.warning("sign_in.refused", status=answer.status_code, error=_error_of(answer))
        if answer.status_code >= 500:
            raise _away()
        raise Unauthenticated("Your company's sign-in did not accept the return; begin again.")

    async def _with_groups(self, published: Published, claims: dict[str, Any], access_token: str) -> dict[str, Any]:
        """Look for the groups where companies put them: identity token, access token, userinfo."""
        if self._reading.says(claims) or not access_token:
            return claims
        for look in (self._of_access_token(access_token), self._of_userinfo(published, access_token)):
            more = await look
            if more.get("sub") == claims["sub"] and self._reading.says(more):
                return {**more, **claims}
        return claims

    async def _of_access_token(self, access_token: str) -> dict[str, Any]:
        try:
            return await verified(self._provider, access_token, audience=self._client.audience)
        except Unauthenticated:  # opaque, or for somebody else
            return {}

    async def _of_userinfo(self, published: Published, access_token: str) -> dict[str, Any]:
        endpoint = published.endpoint("userinfo_endpoint")
        if not endpoint:
            return {}
        headers = {"Accept": "application/json", "Authorization": f"Bearer {access_token}"}
        try:
            found = (await self._provider.http.get(endpoint, headers=headers)).raise_for_status().json()
        except (httpx2.HTTPError, ValueError) as error:
            # Going on without groups could show what one of them is denied.
            raise _away() from error
        return found if isinstance(found, dict) else {}

    def _sealed(self, kept: dict[str, Any]) -> str:
        return jwe.encrypt_compact({"alg": "dir", "enc": "A256GCM"}, orjson.dumps(kept), self._key, ALGORITHMS)

    def _opened(self, sealed: str) -> dict[str, Any]:
        try:
            opened = jwe.decrypt_compact(sealed, self._key, ALGORITHMS)
            kept: dict[str, Any] = orjson.loads(opened.plaintext or b"{}")
        except (JoseError, ValueError):
            return {}
        return kept if time.time() - kept.get("at", 0) < PATIENCE_S else {}


def cookie_of(state: str) -> str:
    """Name the cookie of a sign-in: several windows may be signing in at once."""
    return COOKIE + (state[:8] if re.fullmatch(r"[\w-]{43}", state, re.ASCII) else "")


def _same(one: str, other: str) -> bool:
    return compare_digest(one.encode(), other.encode("utf-8", "replace"))


def _same_issuer(published: Published, given: Mapping[str, str]) -> None:
    """Refuse an answer of another issuer (RFC 9207), and a missing name where ours always gives it."""
    needed = published.document.get("authorization_response_iss_parameter_supported") is True
    said = given.get("iss")
    if said != published.issuer and (needed or said is not None):
        raise Unauthenticated("This answer did not come from your company's sign-in.")


def _with(endpoint: str, query: Mapping[str, str]) -> str:
    return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}"


def _error_of(answer: httpx2.Response) -> str:
    try:
        said = str(answer.json().get("error", ""))
    except (ValueError, AttributeError):
        return ""
    return said if _WORD.fullmatch(said) else ""


def _away() -> DependencyDown:
    return DependencyDown("The identity provider does not answer; try again in a moment.", retry_after_s=5)
