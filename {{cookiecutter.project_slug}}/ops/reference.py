"""Writes docs/reference/ from the code; sentences that code cannot say stand in reference.toml beside this file.

`python -m ops.reference` writes the pages, `--check` exits 1 when one of them is not what the code says.
"""

import inspect
import re
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import MISSING, fields
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import typer
from fastapi import APIRouter
from fastapi.routing import APIRoute
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from app import errors
from app.api.app import ROUTERS
from app.api.permissions import PUBLIC, SIGN_IN, need_of
from app.api.problems import tree
from app.cli.commands import MODULES
from app.console import pages as console
from app.console.words import OUTCOMES
from app.domain.contract import Contract
from app.domain.identity import Permission
from app.domain.outcome import Outcome
from app.domain.source import Body, Bucket, Folder, Item, Query, Source, Web
from app.domain.switch import EVERYTHING, switch_key
from app.domain.switch import KINDS as SUBJECTS
from app.evaluation.cases import Case, Expect
from app.evaluation.questions import Mark, Question
from app.evaluation.readiness import requirements
from app.llm.prompts import DATA_RULE, EVIDENCE_RULE, KINDS, SCHEMA_RULE
from app.retrieval.sources.rights import Entry
from app.settings import ROOT, Settings
from ops import events, formats, pages
from ops.alerts import reference as metrics
from ops.kinds import default, kind

FOLDER = ROOT / "docs/reference"
WORDS: dict[str, dict[str, Any]] = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
SAFE_METHODS = {"HEAD", "OPTIONS"}
# What any route may answer stands once above the table.
ANYWHERE = {200, 400, 401, 413, 422, 500, 503}


def table(head: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """Give a Markdown table."""
    lines = [names := list(head), ["---"] * len(names), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


def words_for(topic: str, names: Iterable[str]) -> Mapping[str, Any]:
    """Give the sentences of a topic. Raises KeyError unless they are about exactly these names."""
    written, wanted = WORDS[topic], set(names)
    if wrong := wanted ^ set(written):
        raise KeyError(f"ops/reference.toml, [{topic}]: missing or too many: {', '.join(sorted(wrong))}")
    return written


def page(name: str, *parts: str) -> str:
    """Put a page together: its title, its introduction, these parts, and what stands below them."""
    said = WORDS["page"][name]
    note = f"<!-- Written from {said['source']} by `make docs`; do not edit. -->"
    every = (f"# {said['title']}", note, said["intro"], *parts, said.get("outro", ""))
    return "\n\n".join(part.strip() for part in every if part) + "\n"


def settings_page() -> str:
    """List every setting with its environment variable."""
    rows = [
        (f"`{variable(name, field)}`", kind(field), default(field), field.description)
        for name, field in Settings.model_fields.items()
    ]
    elsewhere = [(f"`{name}`", says) for name, says in WORDS["environment"].items()]
    return page(
        "settings",
        table(("variable", "kind", "default", "what it does"), rows),
        WORDS["page"]["settings"]["elsewhere"],
        table(("variable", "what it does"), elsewhere),
    )


def variable(name: str, field: FieldInfo) -> str:
    """Give the environment variable of a setting."""
    return str(field.validation_alias or f"APP_{name.upper()}")


def outcomes_page() -> str:
    """List every outcome with what the asker sees."""
    told = words_for("outcomes", (outcome.value for outcome in Outcome))
    rows = [
        (f"`{outcome.value}`", told[outcome.value][0], OUTCOMES[outcome].sentence, told[outcome.value][1])
        for outcome in Outcome
    ]
    return page("outcomes", table(("outcome", "HTTP", "what the chat page says", "when"), rows))


def errors_page() -> str:
    """List every error with its status and meaning."""
    drawn = (errors.__doc__ or "").split("\n\n", 1)[1].strip()
    kinds = [kind for kind in tree() if kind.__module__ == errors.__name__]
    rows = [(f"`/problems/{kind.slug}`", kind.status, kind.title, inspect.getdoc(kind)) for kind in kinds]
    return page("errors", f"```\n{drawn}\n```", table(("type", "status", "title", "meaning"), rows))


def permissions_page() -> str:
    """List every permission, and every route by what it needs."""
    told = words_for("permissions", (permission.value for permission in Permission))
    rows = [(f"`{permission.value}`", told[permission.value]) for permission in Permission]
    needed, said = _by_need(), WORDS["page"]["permissions"]
    routes = [(f"`{need}`", ", ".join(needed.get(need, ["asked for inside"]))) for need in (*Permission, SIGN_IN)]
    return page(
        "permissions",
        table(("permission", "what it allows"), rows),
        said["routes"],
        table(("needs", "routes"), routes),
        said["public"],
        table(("public", "because"), ((f"`{path}`", because) for path, because in PUBLIC.items())),
    )


def _by_need() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for router in (*(module.router for module in ROUTERS), *console.ROUTERS):
        for route in _routes(router):
            found.setdefault(need_of(route), []).append(" ".join(_page_row(route)[:2]))
    return found


def flags_page() -> str:
    """Say which flags there are."""
    rows = [
        (f"`{switch_key(EVERYTHING)}`", "every use case", "`config/flags.toml`"),
        (f"`{switch_key('<name>')}`", "the use case `<name>`", "made by itself for each folder in `usecases/`"),
        *((f"`{switch_key(f'{kind}:<name>')}`", WORDS["switches"][kind], "made when first used") for kind in SUBJECTS),
        ("`rollout.<name>`", "nothing: it says which arm of `<name>` answers whom", "made by `app rollout start`"),
    ]
    return page("flags", table(("flag", "what it turns off", "comes from"), rows))


def http_page() -> str:
    """List every route with what it needs."""
    api = [_api_row(route) for module in ROUTERS for route in _routes(module.router)]
    pages = [_page_row(route) for router in console.ROUTERS for route in _routes(router)]
    return page(
        "http",
        table(("method", "path", "needs", "what", "further answers"), api),
        WORDS["page"]["http"]["pages"],
        table(("method", "path", "needs", "what"), pages),
    )


def _routes(router: APIRouter) -> Iterator[APIRoute]:
    return (route for route in router.routes if isinstance(route, APIRoute))


def _page_row(route: APIRoute) -> tuple[str, str, str, str]:
    methods = ", ".join(sorted(set(route.methods or ()) - SAFE_METHODS))
    need = need_of(route)
    shown = f"`{need}`" if need not in ("", SIGN_IN) else need or "public"
    return methods, f"`{route.path}`", shown, (inspect.getdoc(route.endpoint) or "").split("\n\n")[0]


def _api_row(route: APIRoute) -> tuple[str, ...]:
    further = {int(status) for status in route.responses} | {route.status_code or 200}
    return (*_page_row(route), ", ".join(map(str, sorted(further - ANYWHERE))))


def commands_page() -> str:
    """List every command and every make target."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^([a-z-]+):[^#\n]*## (.*)$", makefile, re.MULTILINE)
    parts = [part for name, command in commands().items() for part in _command(name, command)]
    targets_ = table(("target", "what it does"), ((f"`make {name}`", says) for name, says in targets))
    return page("commands", *parts, WORDS["page"]["commands"]["make"], targets_)


def commands() -> Mapping[str, Any]:
    """Give the commands of the command line by name."""
    app = typer.Typer()
    for module in MODULES:
        import_module(f"app.cli.{module}").register(app)
    return cast(Mapping[str, Any], typer.main.get_command(app).commands)  # type: ignore[attr-defined]


def _command(name: str, command: Any) -> Iterator[str]:
    yield f"## app {name}"
    yield command.help
    rows = [
        (f"`{_spelled(parameter)}`", "yes" if parameter.required else "", _chosen(parameter), parameter.help or "")
        for parameter in command.params
    ]
    if rows:
        yield table(("argument", "needed", "default", "meaning"), rows)


def _spelled(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return str(parameter.name).upper()
    return " / ".join([*parameter.opts, *parameter.secondary_opts])


def _chosen(parameter: Any) -> str:
    return f"`{parameter.default}`" if parameter.default not in (None, "", False) else ""


def requirements_page() -> str:
    """List what production means, by id."""
    rows = requirements()
    head = ("id", "requirement", "still missing", "a person has to see to it that")
    parts = []
    for area in dict.fromkeys(row.area for row in rows):
        parts.append(f"## {area}")
        parts.append(table(head, ((row.id, row.text, row.missing, row.person) for row in rows if row.area == area)))
    return page("requirements", *parts)


def contract_page() -> str:
    """List every key of a contract."""
    keys = dict(contract_keys())
    told = words_for("contract", keys)
    rows = [(f"`{key}`", kind(field), default(field), told[key]) for key, field in keys.items()]
    sections = [
        (f"`[{name}]`", inspect.getdoc(cast(type, field.annotation)))
        for name, field in Contract.model_fields.items()
        if _is_part(field)
    ]
    return page(
        "contract",
        table(("section", "what it says"), sections),
        table(("key", "kind", "default", "what the platform does with it"), rows),
    )


def contract_keys(part: type[BaseModel] = Contract, before: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Give every key of contract.toml with its field."""
    for name, field in part.model_fields.items():
        if _is_part(field):
            yield from contract_keys(cast(type[BaseModel], field.annotation), f"{before}{name}.")
        else:
            yield f"{before}{name}", field


def _is_part(field: FieldInfo) -> bool:
    return isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)


def evaluation_page() -> str:
    """Describe a file of cases."""
    keys = {field.alias or name: field for name, field in Case.model_fields.items()}
    told = words_for("case", keys)
    return page(
        "evaluation",
        table(("key", "kind", "meaning"), ((f"`{key}`", kind(field), told[key]) for key, field in keys.items())),
        WORDS["page"]["evaluation"]["expect"],
        table(
            ("key", "kind", "meaning"),
            ((f"`{name}`", kind(field), field.description) for name, field in Expect.model_fields.items()),
        ),
        WORDS["page"]["evaluation"]["search"],
        _described(Question),
        WORDS["page"]["evaluation"]["marks"],
        _described(Mark),
    )


def _described(part: type[BaseModel]) -> str:
    rows = ((f"`{field.alias or name}`", kind(field), field.description) for name, field in part.model_fields.items())
    return table(("key", "kind", "meaning"), rows)


def prompt_page() -> str:
    """Describe a prompt file."""
    told = words_for("inputs", KINDS)
    inputs = [(f"`{name}`", f"`{kind}`", told[name]) for name, kind in KINDS.items()]
    return page(
        "prompt",
        table(("input", "kind", "what is filled in"), [*inputs, ("any other name", "`field`", "that input's value")]),
        WORDS["page"]["prompt"]["rules"],
        "\n>\n".join(f"> {rule}" for rule in (DATA_RULE, EVIDENCE_RULE, f"{SCHEMA_RULE} …")),
    )


def sources_page() -> str:
    """List the sources that come along, an entry of readers.toml, and the form of one's own."""
    kinds = (Folder, Bucket, Web, Query)
    told = words_for("source", [f"{kind.__name__}.{each.name}" for kind in kinds for each in fields(kind)])
    rows = [
        (f"`{kind.__name__}`", f"`{each.name}`", "" if each.default is MISSING else f"`{each.default!r}`",
         told[f"{kind.__name__}.{each.name}"])
        for kind in kinds
        for each in fields(kind)
    ]  # fmt: skip
    entry = words_for("readers", Entry.model_fields)
    item = words_for("item", [each.name for each in fields(Item)])
    body = words_for("body", [each.name for each in fields(Body)])
    said = WORDS["page"]["sources"]
    return page(
        "sources",
        table(("source", "argument", "default", "meaning"), rows),
        said["readers"],
        table(("key", "meaning"), ((f"`{name}`", entry[name]) for name in Entry.model_fields)),
        said["own"],
        *(f"- `{name}`: {_first_line(member)}" for name, member in _members()),
        said["item"],
        table(("field", "meaning"), ((f"`{name}`", item[name]) for name in item)),
        said["body"],
        table(("field", "meaning"), ((f"`{name}`", body[name]) for name in body)),
    )


def _members() -> Iterator[tuple[str, Any]]:
    for name, member in vars(Source).items():
        if not name.startswith("_") and (inspect.isfunction(member) or isinstance(member, property)):
            yield name, member


def _first_line(member: Any) -> str:
    return " ".join((inspect.getdoc(member) or "").split())


PAGES: dict[str, Callable[[], str]] = {
    "settings.md": settings_page,
    "outcomes.md": outcomes_page,
    "errors.md": errors_page,
    "permissions.md": permissions_page,
    "flags.md": flags_page,
    "http.md": http_page,
    "commands.md": commands_page,
    "requirements.md": requirements_page,
    "contract.md": contract_page,
    "evaluation.md": evaluation_page,
    "prompt.md": prompt_page,
    "sources.md": sources_page,
    **{f"{name}.md": make.page for name, make in (("formats", formats), ("metrics", metrics), ("events", events))},
    "pages.md": pages.page,
}


def main(arguments: list[str]) -> int:
    """Write the pages, or with `--check` name those that are not current; 1 when there are any."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    stale = [
        name
        for name, text in ((name, make()) for name, make in PAGES.items())
        if not (FOLDER / name).exists() or (FOLDER / name).read_text(encoding="utf-8") != text
    ]
    if arguments == ["--check"]:
        print("\n".join(f"docs/reference/{name} is not what the code says; run `make docs`" for name in stale), end="")
        return 1 if stale else 0
    for name in stale:
        (FOLDER / name).write_text(PAGES[name](), encoding="utf-8")
        print(f"docs/reference/{name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
