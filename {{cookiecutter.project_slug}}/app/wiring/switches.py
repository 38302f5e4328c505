"""The switches put together: where flags live, what there is to turn off, and which flags there are from the start."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import date
from typing import Any

from app.control.break_glass import BreakGlass
from app.control.flag_rules import kind_of
from app.control.flag_sources import Ofrep, OwnTable, Source
from app.control.flags import Flags, switch_definition
from app.control.subjects import Subjects
from app.control.switches import pauses
from app.domain.switch import EVERYTHING, switch_key
from app.domain.usecase import UseCase
from app.errors import BadInput, CannotStart
from app.llm.catalog import Catalog
from app.settings import Settings
from app.wiring.ground import Ground

FILE = "config/flags.toml"
_WRITTEN = ("key", "owner", "expires_on", "reason")


def flags(on: Ground, units: Iterable[str], doors: Callable[[UseCase], Collection[str]]) -> Flags:
    """Build the flags; `units` are those of config/budgets.toml, `doors` gives the models of a use case.

    Raises CannotStart for a flag that cannot be read.
    """
    settings = on.settings
    made = Flags(
        _source(settings, on),
        on.broadcast,
        poll_s=settings.flags_poll_s,
        database=on.database,
        subjects=Subjects(
            on.database,
            on.cases,
            models=tuple(_models(on.models, settings)),
            groups=(*_groups(on), *_of_people(settings, "groups")),
            units=(*units, *_of_people(settings, "unit")),
            doors=doors,
        ),
        glass=BreakGlass(paused=settings.paused, file=settings.paused_file),
    )
    on.turnstile.heed(made.why_closed)
    on.relay.heed(lambda: pauses(made.off))
    made.on_change.append(on.turnstile.look_again)
    return made


def _source(settings: Settings, on: Ground) -> Source:
    if settings.flags_source:
        return Ofrep(settings.flags_source, token=settings.flags_token.get_secret_value())
    return OwnTable(on.database, seeds(settings, on.cases))


def _groups(on: Ground) -> tuple[str, ...]:
    roles = on.roles
    return tuple({*roles.by_group, *roles.members, *roles.nesting, *roles.clearance, *roles.regions})


def _of_people(settings: Settings, part: str) -> Iterator[str]:
    """Give the groups, or units, of the development identities; production knows its people from the issuer alone."""
    is_there = (settings.config_dir / "people.toml").exists()
    people = settings.config("people") if is_there and not settings.is_production else {}
    for person in people.values():
        value = person.get(part, ())
        yield from (value,) if isinstance(value, str) else value


def _models(catalog: Catalog, settings: Settings) -> Iterator[str]:
    for provider, roles in catalog.roles.items():
        yield from (str(ref) for role in roles if (ref := catalog.model_for(provider, role)))
    if settings.openai_compatible_model:
        yield f"openai_compatible:{settings.openai_compatible_model}"
    if catalog.embeddings.model:
        yield catalog.embeddings.model
    if catalog.rerank.model:
        yield f"rerank:{catalog.rerank.model}"


def seeds(settings: Settings, cases: Mapping[str, UseCase]) -> list[dict[str, Any]]:
    """Give the flags that there are from the start: those of config/flags.toml, and a switch for each use case."""
    named = [_seed(flag) for flag in settings.config("flags").get("flag", [])]
    everything = next((flag for flag in named if flag["key"] == switch_key(EVERYTHING)), None)
    if everything is None:
        raise CannotStart(f"{FILE}: there is no flag `{switch_key(EVERYTHING)}`; restore it from the template")
    enabled = {"definition": switch_definition(enabled=True), "kind": "boolean"}
    switches = [
        {**everything, **enabled, "key": switch_key(name), "owner": case.contract.owners.workflow}
        for name, case in cases.items()
    ]
    return [{**row, "changed_by": FILE} for row in [*named, *switches]]


def _seed(flag: Mapping[str, Any]) -> dict[str, Any]:
    key = flag.get("key", "a flag without a key")
    if lacking := [name for name in _WRITTEN if not flag.get(name)]:
        raise CannotStart(f"{FILE}, {key}: write {', '.join(lacking)}; every flag has an owner and a day of review")
    if not isinstance(flag["expires_on"], date):
        raise CannotStart(f"{FILE}, {key}: expires_on is {flag['expires_on']!r}; write a day as 2027-01-31, unquoted")
    definition = _definition(key, flag)
    try:
        kind = kind_of(key, definition)
    except BadInput as error:
        raise CannotStart(f"{FILE}, {key}: {error.detail}") from error
    return {**{name: flag[name] for name in _WRITTEN}, "definition": definition, "kind": kind}


def _definition(key: str, flag: Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(flag.get("enabled"), bool):
        return switch_definition(enabled=flag["enabled"])
    if "variants" not in flag or "default" not in flag:
        raise CannotStart(f"{FILE}, {key}: write `enabled = true` or false; or `variants` with a `default`, its name")
    targeting = {"targeting": flag["targeting"]} if "targeting" in flag else {}
    return {"state": "ENABLED", "variants": flag["variants"], "defaultVariant": flag["default"], **targeting}
