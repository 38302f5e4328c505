"""A start in production refuses everything unsafe at once: settings, contracts, vendors and the database."""

from collections.abc import Callable, Iterator, Sequence

from app import refusals
from app.domain.source import AnySource, Bucket, Query
from app.errors import CannotStart
from app.llm import catalog
from app.llm.providers import Providers
from app.settings import Settings, read
from app.store import standing
from app.store.standing import DatabaseStanding
from app.wiring import embedding, sources, usecases, vendors

LOOK_S = 3


def settings_to_start_with() -> Settings:
    """Read the settings and refuse what must not run. Raises CannotStart with every fault and its cure.

    A database that does not answer stops nothing: the service waits for it, and refuses to work until it is there.
    """
    settings = read()
    found = [f"- {fault}" for fault in refusals.faults(settings)]
    if settings.is_production:
        found += written(settings)
        if settings.database_url:
            found += [f"- {fault}" for fault in stored(standing.database(settings.database_url, timeout_s=LOOK_S))]
    if found:
        raise CannotStart("\n".join(dict.fromkeys(found)))
    return settings


def written(settings: Settings) -> list[str]:
    """List the faults of contracts, prompts and models, as production sees them; each line names file and cure."""
    try:
        models = catalog.parse(settings.config("models"))
        owners = settings.service.get("owners", {})
    except CannotStart as error:
        return error.detail.splitlines()
    found: list[str] = []
    cases = {}

    def read_cases() -> None:
        cases.update(usecases.load(settings.usecases_dir, owners=owners, rungs=models.rungs, strict=True))

    def ask_vendors() -> None:
        vendors.ensure_keys(models, Providers(*vendors.vendors(settings)), cases)

    def ask_embedding() -> None:
        embedding.ensure_reached(models, settings)

    for look in (read_cases, ask_vendors, ask_embedding):
        found += _refused(look)
    for case in cases.values():
        found += owner_faults(case.name, case.contract.owners.model_dump())
        found += [f"- {case.folder / 'sources.py'}: {fault}" for fault in plain_sources(case.sources, settings)]
    return found


def owner_faults(usecase: str, owners: dict[str, str]) -> list[str]:
    """List the roles of a contract that nobody fills."""
    return [
        f"- usecases/{usecase}/contract.toml, owners.{role} is {who!r}; name a person who answers"
        for role, who in owners.items()
        if refusals.PLACEHOLDER in who
    ]


def plain_sources(given: Sequence[AnySource], settings: Settings) -> Iterator[str]:
    """List the sources whose documents would travel without TLS."""
    for source in given:
        url, cure = "", "write https://"
        if isinstance(source, Bucket):
            url = source.endpoint_url
        elif isinstance(source, Query):
            url, cure = sources.secret(source.url_env), refusals.TLS_OF_DATABASE
        if fault := refusals.plain_fault(url, cure=cure, plain_hosts=settings.plain_hosts):
            yield f"{source.name} {fault}"


def stored(found: DatabaseStanding) -> list[str]:
    """List what forbids to work on this database; nothing where it could not be asked."""
    if found.away:
        return []
    faults = []
    if found.is_super:
        faults.append(
            f"DATABASE_URL signs in as {found.login}, a superuser or above row-level security: make a login of its own"
            " with `CREATE ROLE app_login LOGIN NOINHERIT PASSWORD '...' IN ROLE app_service, app_ingest, app_keeper`"
        )
    if found.role_fault:
        faults.append(f"DATABASE_URL: {found.role_fault}; `app migrate` with DATABASE_OWNER_URL sets the roles right")
    if found.behind:
        faults.append(f"the database lacks the migrations {', '.join(found.behind)}; run `app migrate`")
    return faults


def _refused(look: Callable[[], None]) -> list[str]:
    try:
        look()
    except CannotStart as error:
        return error.detail.splitlines()
    return []
