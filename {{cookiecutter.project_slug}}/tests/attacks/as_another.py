"""Attempts to be somebody else: tokens, headers, fields, names that look alike."""

import base64
import time
from typing import Any

import orjson
from joserfc import jwt
from joserfc.jwk import OctKey

from tests.attacks.ground import ERIN, SAM, STRANGER, Ground, Person, attack
from tests.conftest import SECRET

THEME = "asking as another"
# Signed by the right issuer: somebody's company lets people choose such names.
LOOK_ALIKES = {
    "in capitals": "EXECUTIVES",
    "with one capital": "Executives",
    "with a space behind it": "executives ",
    "with a Cyrillic letter": "ex\u0435cutives",
    "in full-width letters": "\uff45xecutives",
    "with an invisible letter": "exec\u200butives",
    "with a soft hyphen": "execu\u00adtives",
    "that smuggles the separator": "staff\x1fgroup:executives",
    "that begins with the separator": "\x1fgroup:executives",
    "with a comma": "staff,group:executives",
    "that is a list of the database": "{group:executives}",
    "with quotes of the database": "x','group:executives",
    "that names a kind": "group:executives",
    "that names a user": "user:erin.holt",
    "that is a wildcard": "*",
    "that is a pattern": "exec%",
    "that is a null": "executives\x00",
    "with a line break": "staff\ngroup:executives",
}
SUBJECTS = {
    "in capitals": "Erin.Holt",
    "with a space behind it": "erin.holt ",
    "that smuggles the separator": "x\x1fgroup:executives\x1fuser:erin.holt",
    "that names a group": "x,group:executives",
    "that is a null": "erin.holt\x00",
}


def _part(value: dict[str, Any]) -> bytes:
    return base64.urlsafe_b64encode(orjson.dumps(value)).rstrip(b"=")


def _claims() -> dict[str, Any]:
    return dict(jwt.decode(ERIN.token(), OctKey.import_key(SECRET)).claims)


def _unsigned(header: dict[str, str], *, signature: bytes = b"") -> str:
    told = base64.urlsafe_b64encode(signature).rstrip(b"=")
    return b".".join((_part({"typ": "JWT", **header}), _part(_claims()), told)).decode()


def _with_own_key() -> str:
    own = OctKey.import_key("a key of the attacker's own, long enough")
    header = {"alg": "HS256", "jwk": own.as_dict(private=True)}
    return jwt.encode(header, _claims(), own)


def _exchanged() -> str:
    head, _, signature = SAM.token().split(".")
    return f"{head}.{_part(_claims()).decode()}.{signature}"


FORGED: dict[str, Any] = {
    "signed with another key": lambda: ERIN.token(secret="another secret, which is long enough to sign"),
    "signed with an empty key": lambda: _unsigned({"alg": "HS256"}, signature=b"\x00" * 32),
    "not signed at all (alg none)": lambda: _unsigned({"alg": "none"}),
    "not signed, alg in capitals (nOnE)": lambda: _unsigned({"alg": "nOnE"}),
    "another algorithm (HS512)": lambda: ERIN.token(alg="HS512"),
    "that brings its own key in the header": _with_own_key,
    "with a key id that is a path": lambda: _unsigned({"alg": "HS256", "kid": "../../../../dev/null"}),
    "expired yesterday": lambda: ERIN.token(exp=int(time.time()) - 86_400),
    "that never expires": lambda: ERIN.token(exp=None),
    "not valid yet": lambda: ERIN.token(nbf=int(time.time()) + 86_400),
    "of another issuer": lambda: ERIN.token(iss="https://issuer.example"),
    "for another audience": lambda: ERIN.token(aud="another-service"),
    "without a subject": lambda: ERIN.token(sub=None),
    "whose groups are texts in one": lambda: ERIN.token(groups="executives,sales"),
    "whose groups are a table": lambda: ERIN.token(groups={"executives": True}),
    "whose groups are nested lists": lambda: ERIN.token(groups=[["executives"]]),
    "with its payload exchanged": _exchanged,
    "cut short": lambda: ERIN.token()[:-8],
}


def _forged(name: str) -> None:
    @attack(THEME, f"a token {name}")
    async def attempt(ground: Ground) -> None:
        secret = await ground.secret()
        headers = {"Authorization": f"Bearer {FORGED[name]()}"}
        for method, url in (
            ("POST", "/v1/usecases/vault/turns"),
            ("GET", f"/v1/documents/{secret.id}"),
            ("GET", "/v1/me"),
        ):
            body = {"json": {"question": secret.question}} if method == "POST" else {}
            refused = await ground.send(STRANGER, method, url, headers=headers, **body)
            assert refused.status_code == 401, refused.text


def _alike(name: str) -> None:
    @attack(THEME, f"a group {name}")
    async def attempt(ground: Ground) -> None:
        secret = await ground.secret()
        await ground.sweep(Person("mallory", (LOOK_ALIKES[name],)), secret)


def _subject(name: str) -> None:
    @attack(THEME, f"a user id {name}")
    async def attempt(ground: Ground) -> None:
        secret = await ground.secret(readers=("user:erin.holt",))
        await ground.sweep(Person(SUBJECTS[name]), secret)


for _name in FORGED:
    _forged(_name)
for _name in LOOK_ALIKES:
    _alike(_name)
for _name in SUBJECTS:
    _subject(_name)


@attack(THEME, "no token")
async def nobody(ground: Ground) -> None:
    secret = await ground.secret()
    refused = await ground.send(STRANGER, "GET", f"/v1/documents/{secret.id}", headers={})
    assert refused.status_code == 401


@attack(THEME, "a token in the address, as basic password, and twice")
async def elsewhere(ground: Ground) -> None:
    secret = await ground.secret()
    url, token = f"/v1/documents/{secret.id}", ERIN.token()
    basic = base64.b64encode(f"erin.holt:{token}".encode()).decode()
    tries: list[tuple[str, Any]] = [
        (f"{url}?access_token={token}&token={token}&authorization={token}", {}),
        (url, {"Authorization": f"Basic {basic}"}),
        (url, {"Authorization": f"Bearer {SAM.token()}, Bearer {token}"}),
    ]
    for address, headers in tries:
        # A token that came over an address would stand in every log on its way.
        refused = await ground.send(STRANGER, "GET", address, headers=headers)
        assert refused.status_code == 401, address


@attack(THEME, "groups and users in headers of a proxy")
async def proxied(ground: Ground) -> None:
    secret = await ground.secret()
    told = dict.fromkeys(("X-Groups", "X-Forwarded-Groups", "X-Remote-Groups", "X-Auth-Groups"), "executives")
    told |= dict.fromkeys(("X-User", "X-Forwarded-User", "X-Remote-User", "X-User-Id", "From"), "erin.holt")
    told |= {"X-Readers": "group:executives", "X-Original-User": "erin.holt", "X-Forwarded-Email": "erin.holt"}
    for who in (SAM, STRANGER):
        signed = who.headers if who is SAM else {}
        await ground.send(who, "GET", f"/v1/documents/{secret.id}", headers={**told, **signed})
        await ground.send(
            who, "POST", "/v1/usecases/vault/turns", headers={**told, **signed}, json={"question": secret.question}
        )


@attack(THEME, "groups, readers and users in the body")
async def in_the_body(ground: Ground) -> None:
    secret = await ground.secret()
    more = ("groups", "readers", "claims", "user_id", "user", "principal", "sub", "as", "permissions")
    for name in more:
        value: Any = ["executives", "group:executives"] if name not in ("user_id", "user", "sub", "as") else "erin.holt"
        refused = await ground.ask(SAM, secret.question, **{name: value})
        assert refused.status_code == 422
    await ground.ask(SAM, secret.question, fields={"groups": "executives", "readers": "group:executives"})
    await ground.send(
        SAM,
        "POST",
        "/v1/usecases/vault/turns?groups=executives&as=erin.holt&readers=group:executives",
        json={"question": secret.question},
    )


@attack(THEME, "a forged cookie, and one's own cookie beside another's header")
async def cookies(ground: Ground) -> None:
    secret = await ground.secret()
    forged = ERIN.token(secret="another secret, which is long enough to sign")
    for headers in (
        {"Cookie": f"identity={forged}"},
        {"Cookie": f"identity={forged}", "Authorization": f"Bearer {SAM.token()}"},
        {"Cookie": "identity=erin.holt; groups=executives; user=erin.holt"},
    ):
        who = SAM if "Authorization" in headers else STRANGER
        await ground.send(who, "GET", f"/v1/documents/{secret.id}", headers=headers)
        await ground.send(who, "GET", f"/console/turns/{secret.id}", headers=headers)


@attack(THEME, "another site that uses a victim's cookie")
async def another_site(ground: Ground) -> None:
    secret = await ground.secret()
    headers = {"Cookie": f"identity={ERIN.token()}", "Origin": "https://evil.example"}
    body = {"question": secret.question}
    refused = await ground.send(STRANGER, "POST", "/v1/usecases/vault/turns", headers=headers, json=body)
    assert refused.status_code == 403
    url = f"/v1/documents/{secret.id}"
    refused = await ground.send(STRANGER, "PUT", f"{url}/access", headers=headers, json={"readers": ["everyone"]})
    assert refused.status_code == 403


@attack(THEME, "a token of before, when the groups of today are fewer")
async def fewer_groups(ground: Ground) -> None:
    secret = await ground.secret()
    today = Person("erin.holt", ())
    await ground.sweep(today, secret)


@attack(THEME, "a use case that is open to others alone")
async def closed(ground: Ground) -> None:
    secret = await ground.secret(usecase="directors", readers=("everyone",))
    secret.readers = ("group:executives",)
    refused = await ground.ask(SAM, secret.question, usecase="directors")
    assert refused.status_code == 403
    body = {"model": "directors", "messages": [{"role": "user", "content": secret.question}]}
    refused = await ground.send(SAM, "POST", "/openai/v1/chat/completions", json=body)
    assert refused.status_code == 403
    refused = await ground.send(SAM, "POST", "/v1/usecases/directors/jobs", json={"items": [body["messages"][0]]})
    assert refused.status_code in (403, 422)
