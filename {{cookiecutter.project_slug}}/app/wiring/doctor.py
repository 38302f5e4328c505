"""The doctor: the checks of a start, by hand, and a look at everything that the service leans on."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from app import refusals
from app.llm import accepted
from app.settings import Settings
from app.store import standing
from app.store.standing import DatabaseStanding, RedisStanding
from app.wiring import refusing, vendors

Verdict = Literal["ok", "warning", "fault", "unknown"]
MOST_SKEW_S = 2.0
LEAST_DISK_GB = 1.0
_LOSES = "a full Redis drops queued messages without a word"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found; `cure` says what to do about it."""

    check: str
    verdict: Verdict
    detail: str
    cure: str = ""


def examine(settings: Settings) -> list[Finding]:
    """Make every check; each stands for itself."""
    found = [*_settings(settings)]
    if settings.database_url:
        seen = standing.database(settings.database_url)
        found += [*_database(settings, seen)]
    if settings.redis_url:
        found += [*_redis(settings, standing.broker(settings.redis_url))]
    return [*found, *_vendors(settings), _disk(settings)]


def _settings(settings: Settings) -> Iterator[Finding]:
    faults = refusals.faults(settings)
    yield from (_told("settings", fault) for fault in faults)
    if not faults:
        yield Finding("settings", "ok", f"{settings.environment}: nothing to refuse")
    written = refusing.written(settings)
    # Production refuses these; elsewhere they are work for later.
    verdict: Verdict = "fault" if settings.is_production else "warning"
    yield from (_told("contracts", line.removeprefix("- "), verdict) for line in written)
    if not written:
        yield Finding("contracts", "ok", "every use case could start in production")


def _told(check: str, fault: str, verdict: Verdict = "fault") -> Finding:
    detail, _, cure = fault.partition("; ")
    return Finding(check, verdict, detail, cure or "see the detail")


def _database(settings: Settings, seen: DatabaseStanding) -> Iterator[Finding]:
    if seen.away:
        cure = "start it, or set DATABASE_URL right"
        yield Finding("database", "unknown", f"does not answer: {seen.away}", cure)
        return
    yield Finding("database", "ok", f"answers, signed in as {seen.login}")
    verdict: Verdict = "fault" if settings.is_production else "warning"
    faults = refusing.stored(seen)
    yield from (_told("database rights", fault, "fault" if "migrations" in fault else verdict) for fault in faults)
    if not faults:
        yield Finding("database rights", "ok", "row-level security binds app_service; the ledger is append-only to it")
    if seen.is_owner and not seen.is_super:
        yield Finding("database login", "warning", f"{seen.login} owns the tables and becomes app_service by choice",
                      "make a login in the roles app_service and app_ingest, and use it in DATABASE_URL")  # fmt: skip
    if seen.behind is None:
        yield Finding("migrations", "unknown", "the login may not see them", "look with DATABASE_OWNER_URL")
    elif not seen.behind:
        yield Finding("migrations", "ok", "as new as the code")
    yield _vector(seen)
    yield _encryption("database encryption", settings.database_url, seen.is_encrypted)
    yield _clock(seen.skew_s)


def _vector(seen: DatabaseStanding) -> Finding:
    if seen.vector:
        return Finding("pgvector", "ok", f"version {seen.vector}")
    return Finding("pgvector", "fault", "the extension `vector` is not there", "install pgvector, then `app migrate`")


def _clock(skew_s: float) -> Finding:
    if abs(skew_s) <= MOST_SKEW_S:
        return Finding("clock", "ok", f"{abs(skew_s):.1f} s from the database's")
    return Finding("clock", "fault", f"{skew_s:+.1f} s from the database's: tokens expire too early or too late",
                   "keep the time with NTP on both")  # fmt: skip


def _encryption(check: str, url: str, is_encrypted: bool) -> Finding:
    if not is_encrypted and _is_local(url):
        return Finding(check, "ok", "plain, and it does not leave this machine")
    if not is_encrypted:
        return Finding(check, "warning", "plain: whoever is on the way can read along",
                       "docs/how-to/check-a-deployment.md says how to turn TLS on")  # fmt: skip
    if "sslmode=verify" in url or (url.startswith("rediss") and "ssl_cert_reqs=none" not in url):
        return Finding(check, "ok", "TLS, with the certificate verified")
    return Finding(check, "warning", "TLS, but whose certificate it is nobody looks at",
                   "sslmode=verify-full&sslrootcert=<file of the CA>")  # fmt: skip


def _is_local(url: str) -> bool:
    host = url.rpartition("@")[2] if "@" in url else url.partition("://")[2]
    return host.startswith("/") or any(host.startswith(name) for name in ("127.0.0.1", "localhost", "[::1]", "?"))


def _redis(settings: Settings, seen: RedisStanding) -> Iterator[Finding]:
    if seen.away:
        yield Finding("redis", "unknown", f"does not answer: {seen.away}", "start it, or set REDIS_URL right")
        return
    yield Finding("redis", "ok", f"version {seen.version} answers")
    yield _encryption("redis encryption", settings.redis_url, settings.redis_url.startswith("rediss"))
    if seen.evicts in ("noeviction", ""):
        yield Finding("redis eviction", "ok", seen.evicts or "not told")
    else:
        verdict: Verdict = "fault" if settings.is_production else "warning"
        yield Finding("redis eviction", verdict, f"{seen.evicts}: {_LOSES}", "set maxmemory-policy to noeviction")


def _vendors(settings: Settings) -> Iterator[Finding]:
    asked = [vendor for vendor in vendors.vendors(settings) if vendor.is_configured]
    for vendor in asked:
        check = f"key of {vendor.provider}"
        try:
            refused = accepted.refusal(vendor)
        except OSError as error:
            yield Finding(check, "unknown", f"cannot be asked: {error}", "look at the way out to the internet")
            continue
        if refused:
            yield Finding(check, "fault", refused, f"put a valid key into {vendors.KEYS[vendor.provider]}")  # type: ignore[index]
        else:
            yield Finding(check, "ok", "accepted")
    if not asked:
        yield Finding("vendor keys", "ok", "none: answers are quoted from documents")


def _disk(settings: Settings) -> Finding:
    free_gb = shutil.disk_usage(settings.config_dir).free / 1e9
    if free_gb >= LEAST_DISK_GB:
        return Finding("disk", "ok", f"{free_gb:.0f} GB free")
    return Finding("disk", "warning", f"{free_gb:.1f} GB free", "make room: documents are read in temporary files")
