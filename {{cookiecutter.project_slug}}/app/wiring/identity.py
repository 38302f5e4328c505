"""Who may come in: the issuer's tokens, browsers that it signs in, and the keys of service accounts."""

from collections.abc import Collection

from app.control.auth import Authenticator
from app.control.claims import Reading
from app.control.code_flow import Client, CodeFlow
from app.control.development import DevelopmentIssuer
from app.control.keys import Keys
from app.control.oidc import OidcIssuer
from app.control.people import People
from app.control.sign_ins import SignIns
from app.settings import Settings
from app.store.broadcast import Broadcast
from app.store.db import Database
from app.work.keys import KeyDesk


def authenticator(settings: Settings, people: People, database: Database) -> Authenticator:
    """Build what proves who asks; without an issuer, development identities."""
    keys, secret = Keys(database, people), settings.secret_key.get_secret_value()
    if not settings.oidc_issuer:
        # load() refuses production without an issuer, so this is development.
        former = settings.former_secret_key.get_secret_value()
        return Authenticator(DevelopmentIssuer(secret, settings.config("people"), former=former), people, keys=keys)
    issuer = OidcIssuer(settings.oidc_issuer, settings.oidc_audience)
    reading = Reading(settings.oidc_groups_claim, has_directory=people.has_directory)
    flow = CodeFlow(issuer.provider, _client(settings), reading, secret=secret) if settings.oidc_client_id else None
    sign_ins = SignIns.over(database) if flow else None
    return Authenticator(issuer, people, keys=keys, sign_ins=sign_ins, flow=flow, reading=reading)


def _client(settings: Settings) -> Client:
    site = settings.public_url.rstrip("/")
    return Client(
        id=settings.oidc_client_id,
        secret=settings.oidc_client_secret.get_secret_value(),
        scopes=settings.oidc_scopes,
        callback=f"{site}/console/sign-in/callback",
        home=f"{site}/console/sign-in",
        audience=settings.oidc_audience,
    )


def key_desk(database: Database, broadcast: Broadcast, known: Authenticator, *, usecases: Collection[str]) -> KeyDesk:
    """Build the operator's hand on keys."""
    return KeyDesk(database, broadcast, known.people, usecases, known.forget)
