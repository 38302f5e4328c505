"""Writes docs/reference/ from the code; sentences that code cannot say stand in reference.toml beside this file.

`python -m ops.reference` writes the pages, `--check` exits 1 when one of them is not what the code says.
"""

import inspect
import re
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import typer
from fastapi import APIRouter
from fastapi.routing import APIRoute
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from app import errors
from app.api.app import ROUTERS
from app.api.problems import tree
from app.cli.commands import MODULES
from app.console import pages as console
from app.console.words import OUTCOMES
from app.control.flags import EVERYTHING, switch_key
from app.domain.identity import Permission
from app.domain.outcome import Outcome
from app.domain.usecase import Contract
from app.evaluation.cases import Case, Expect
from app.evaluation.readiness import requirements
from app.llm.prompts import DATA_RULE, EVIDENCE_RULE, KINDS, SCHEMA_RULE
from app.settings import ROOT, Settings
from ops.alerts import reference as metrics

FOLDER = ROOT / "docs/reference"
WORDS: dict[str, dict[str, Any]] = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
SAFE_METHODS = {"HEAD", "OPTIONS"}
# What any route may answer stands once above the table.
ANYWHERE = {200, 400, 401, 413, 422, 500, 503}


def table(head: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """Give a Markdown table."""
    names = list(head)
    lines = [names, ["---"] * len(names), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


def words_for(topic: str, names: Iterable[str]) -> Mapping[str, Any]:
    """Give the sentences of a topic. Raises KeyError unless they are about exactly these names."""
    written, wanted = WORDS[topic], set(names)
    if wrong := wanted ^ set(written):
        raise KeyError(f"ops/reference.toml, [{topic}]: missing or too many: {', '.join(sorted(wrong))}")
    return written


def page(title: str, source: str, *parts: str) -> str:
    """Put a page together."""
    note = f"<!-- Written from {source} by `make docs`; do not edit. -->"
    return "\n\n".join([f"# {title}", note, *parts]) + "\n"


def settings_page() -> str:
    """List every setting with its environment variable."""
    rows = [
        (f"`{variable(name, field)}`", _kind(field), _default(field), field.description)
        for name, field in Settings.model_fields.items()
    ]
    return page(
        "Settings",
        "app/settings.py",
        "Read once at the start, from the environment, then from `.env`; an empty value counts as absent. What is\n"
        "unusable stops the start, all faults at once. In development, absent addresses of PostgreSQL and Redis come from\n"
        "`.local/engines.env`, which `make up` writes. Names end in their unit: `_s` seconds, `_bytes` bytes.",
        table(("variable", "kind", "default", "what it does"), rows),
        "Tools and start files also read:",
        table(("variable", "what it does"), ((f"`{name}`", says) for name, says in WORDS["environment"].items())),
        "Who owns the service, which models stand behind a role, who may do what: files in `config/`, each explained by\n"
        "its own comments.",
    )


def variable(name: str, field: FieldInfo) -> str:
    """Give the environment variable of a setting."""
    return str(field.validation_alias or f"APP_{name.upper()}")


def _kind(field: FieldInfo) -> str:
    if field.annotation is SecretStr:
        return "secret"
    return _type(field.annotation)


def _type(annotation: Any) -> str:
    said = annotation.__name__ if isinstance(annotation, type) else str(annotation)
    said = re.sub(r"typing\.|collections\.abc\.|app\.[\w.]+\.", "", said)
    said = re.sub(r"Literal\[(.*?)\]", lambda found: " or ".join(found[1].replace("'", "").split(", ")), said)
    said = re.sub(r"Annotated\[(\w+),.*\]", r"\1", said)
    plain = {"str": "text", "bool": "true or false", "int": "whole number", "float": "number", "Decimal": "US dollars"}
    return {**plain, "tuple[str, ...]": "list of text", "Path": "folder", "Mapping[str, Any]": "table"}.get(said, said)


def _default(field: FieldInfo) -> str:
    value = field.default
    if value is PydanticUndefined:
        return "**needed**"
    if isinstance(value, SecretStr) or value in ("", (), {}):
        return ""
    if isinstance(value, Path):
        return f"`{value.relative_to(ROOT)}`"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def outcomes_page() -> str:
    """List every outcome with what the asker sees."""
    told = words_for("outcomes", (outcome.value for outcome in Outcome))
    rows = [
        (f"`{outcome.value}`", told[outcome.value][0], OUTCOMES[outcome].sentence, told[outcome.value][1])
        for outcome in Outcome
    ]
    return page(
        "Outcomes",
        "app/domain/outcome.py and app/console/words.py",
        "Each turn ends in exactly one of these; the ledger, the metrics and the answer carry it. Its family is the word\n"
        "before the first `_`. Objectives count the family `failed` as down and the others as up.",
        table(("outcome", "HTTP", "what the chat page says", "when"), rows),
        "A status of 400 and above comes as a [problem document](errors.md) that holds `turn_id` and `outcome`. In a stream\n"
        "that has begun, the same document is the data of the event `error`, and every other ending is the event `end`.",
    )


def errors_page() -> str:
    """List every error with its status and meaning."""
    drawn = (errors.__doc__ or "").split("\n\n", 1)[1].strip()
    kinds = [kind for kind in tree() if kind.__module__ == errors.__name__]
    rows = [(f"`/problems/{kind.slug}`", kind.status, kind.title, inspect.getdoc(kind)) for kind in kinds]
    return page(
        "Errors",
        "app/errors.py",
        "On the wire every error is an RFC 9457 problem document (`application/problem+json`): `type`, `title`, `status`,\n"
        "`detail` (what is wrong, and what is allowed), `request_id`, and where they apply `errors` (field by field),\n"
        "`turn_id` and `outcome`. The address in `type` explains itself: `GET /problems/over-rate`. 402, 409, 429 and 503\n"
        "carry `Retry-After` where a time is known.",
        f"```\n{drawn}\n```",
        table(("type", "status", "title", "meaning"), rows),
    )


def permissions_page() -> str:
    """List every permission."""
    told = words_for("permissions", (permission.value for permission in Permission))
    rows = [(f"`{permission.value}`", told[permission.value]) for permission in Permission]
    return page(
        "Permissions",
        "app/domain/identity.py",
        "Groups hold permissions in `config/roles.toml`; what is not granted there is denied. `everyone` stands for every\n"
        "signed-in person. Groups come from the identity token's claim `groups`, in development from `config/people.toml`.\n"
        "Which documents a person may read is another matter: [rights on documents](../explanation/rights-on-documents.md).",
        table(("permission", "what it allows"), rows),
        "Which route asks for which permission: [HTTP](http.md).",
    )


def flags_page() -> str:
    """Say which flags there are."""
    rows = [
        (f"`{switch_key(EVERYTHING)}`", "every use case", "`config/flags.toml`"),
        (f"`{switch_key('<name>')}`", "the use case `<name>`", "made by itself for each folder in `usecases/`"),
    ]
    return page(
        "Flags",
        "app/control/flags.py",
        "Rows of the table `flags`, in flagd's format, evaluated in each process. At the start a flag that the table lacks is\n"
        "added; one that exists keeps its value. Each has an owner, a day on which it is looked at again (`expires_on`), and\n"
        "the reason of its last change; each change is a row of the audit.",
        table(("flag", "off means: refused with `paused_switch`", "comes from"), rows),
        "Turn one with `app pause`, `app resume`, the console's Switches or `POST /v1/admin/flags`; `app flags` lists them.\n"
        "A flag of your own is one more `[[flag]]` in `config/flags.toml`.",
    )


def http_page() -> str:
    """List every route with what it needs."""
    api = [route for module in ROUTERS for route in _routes(module.router)]
    pages_ = [route for router in console.ROUTERS for route in _routes(router)]
    return page(
        "HTTP",
        "app/api and app/console",
        "Version 1. The whole description, with every field: `/docs` or `/openapi.json` of a running service.",
        "- **Who asks**: `Authorization: Bearer <token>`, or the cookie of the pages.\n"
        "- **Any route** may also answer 400, 401, 413, 422, 500 and 503, as [problem documents](errors.md).\n"
        "- **Every response** carries `X-Request-Id` (yours, if you send one) and `traceparent`.\n"
        "- **Streams**: `Accept: text/event-stream` on a turn gives `delta` events, then one `end` or `error`. A job's events\n"
        "  carry numbers; send the last one as `Last-Event-ID` to go on from there.\n"
        "- **`Idempotency-Key`** on turns and jobs makes sending twice safe for a day: the second answer is the first, with\n"
        "  `Idempotency-Replayed: true`; 409 while the first still runs, 422 when the request differs.",
        table(("method", "path", "needs", "what", "further answers"), map(_api_row, api)),
        "## Pages",
        table(("method", "path", "needs", "what"), map(_page_row, pages_)),
    )


def _routes(router: APIRouter) -> Iterator[APIRoute]:
    return (route for route in router.routes if isinstance(route, APIRoute))


def _page_row(route: APIRoute) -> tuple[str, str, str, str]:
    methods = ", ".join(sorted(set(route.methods or ()) - SAFE_METHODS))
    return methods, f"`{route.path}`", _needs(route), (inspect.getdoc(route.endpoint) or "").split("\n\n")[0]


def _api_row(route: APIRoute) -> tuple[str, ...]:
    further = {int(status) for status in route.responses} | {route.status_code or 200}
    return (*_page_row(route), ", ".join(map(str, sorted(further - ANYWHERE))))


def _needs(route: APIRoute) -> str:
    found = [_need(call) for call in _dependencies(route.dependant)]
    return next(filter(None, found), "public")


def _dependencies(dependant: Any) -> Iterator[Callable[..., Any]]:
    for each in dependant.dependencies:
        yield each.call
        yield from _dependencies(each)


def _need(call: Callable[..., Any]) -> str:
    permission = inspect.getclosurevars(call).nonlocals.get("permission")
    if permission:
        return f"`{permission}`"
    return "sign-in" if call.__name__ == "signed_in" else ""


def commands_page() -> str:
    """List every command and every make target."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^([a-z-]+):[^#\n]*## (.*)$", makefile, re.MULTILINE)
    parts = [part for name, command in commands().items() for part in _command(name, command)]
    return page(
        "Commands",
        "app/cli and Makefile",
        "`uv run app …`, or `.venv/bin/app …` without uv on the PATH. Exit codes: 0 good; 1 what was measured fell short; 2 it\n"
        "could not be done, or the call was wrong. `app COMMAND --help` says the same as this page.",
        *parts,
        "## make",
        "Tools and dependencies come by themselves: `make setup` needs Python 3.11 or 3.12 and nothing else.",
        table(("target", "what it does"), ((f"`make {name}`", says) for name, says in targets)),
    )


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
        (f"`{_spelled(parameter)}`", "yes" if parameter.required else "", _choice(parameter), parameter.help or "")
        for parameter in command.params
    ]
    if rows:
        yield table(("argument", "needed", "default", "meaning"), rows)


def _spelled(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return str(parameter.name).upper()
    return " / ".join([*parameter.opts, *parameter.secondary_opts])


def _choice(parameter: Any) -> str:
    return f"`{parameter.default}`" if parameter.default not in (None, "", False) else ""


def requirements_page() -> str:
    """List what production means, by id."""
    rows = requirements()
    areas = dict.fromkeys(row.area for row in rows)
    parts = [
        part
        for area in areas
        for part in (
            f"## {area}",
            table(
                ("id", "requirement", "a person has to see to it that"),
                ((row.id, row.text, row.person) for row in rows if row.area == area),
            ),
        )
    ]
    return page(
        "Requirements",
        "app/evaluation/requirements.toml",
        'What "production" means here. Tests carry these ids (`@pytest.mark.proves`), and so do runbooks. This page does not\n'
        "say what is met: `uv run app readiness` does, from what ran last.",
        *parts,
    )


def contract_page() -> str:
    """List every key of a contract."""
    keys = dict(contract_keys())
    told = words_for("contract", keys)
    rows = [(f"`{key}`", _kind(field), _default(field), told[key]) for key, field in keys.items()]
    sections = [
        (f"`[{name}]`", inspect.getdoc(cast(type, field.annotation)))
        for name, field in Contract.model_fields.items()
        if _is_part(field)
    ]
    return page(
        "The contract of a use case",
        "app/domain/usecase.py",
        "`usecases/<name>/contract.toml`. Checked at the start: an unknown key, a missing owner or a budget of zero stops the\n"
        'service, with file, key and cure. "Stated only" in the last column is a promise to people that no code looks at yet.',
        table(("section", "what it says"), sections),
        table(("key", "kind", "default", "what the platform does with it"), rows),
    )


def contract_keys() -> Iterator[tuple[str, FieldInfo]]:
    """Give every key of contract.toml with its field."""
    for name, field in Contract.model_fields.items():
        if not _is_part(field):
            yield name, field
            continue
        for inner, inner_field in cast(type[BaseModel], field.annotation).model_fields.items():
            yield f"{name}.{inner}", inner_field


def _is_part(field: FieldInfo) -> bool:
    return isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)


def evaluation_page() -> str:
    """Describe a file of cases."""
    about = {
        "id": "a short name, never changed",
        "person": "who asks, from config/people.toml",
        "question": "word for word",
    }
    about |= {"fields": "further inputs of the contract", "expect": "below", "tags": "to see results by kind"}
    about |= {"sealed": "true: run only with `--sealed`, for a release decision; nobody tunes on it"}
    cases = [
        (f"`{field.alias or name}`", _type(field.annotation), about[name]) for name, field in Case.model_fields.items()
    ]
    expected = [
        (f"`{name}`", _type(field.annotation), field.description) for name, field in Expect.model_fields.items()
    ]
    return page(
        "Evaluation cases",
        "app/evaluation/cases.py",
        "`usecases/<name>/evals/cases.yaml`: a list `cases`. A case passes when everything that it expects is so.",
        table(("key", "kind", "meaning"), cases),
        "Under `expect`, each checked only where it is given; capital and small letters are the same:",
        table(("key", "kind", "meaning"), expected),
    )


def prompt_page() -> str:
    """Describe a prompt file."""
    told = words_for("inputs", KINDS)
    inputs = [(f"`{name}`", f"`{kind}`", told[name]) for name, kind in KINDS.items()]
    rules = "\n".join(f"> {rule}" for rule in ("always:", DATA_RULE, "", "with `passages`:", EVIDENCE_RULE))
    return page(
        "Prompts",
        "app/llm/prompts.py",
        "`usecases/<name>/prompts/<name>.v<N>.md`: front matter between two lines `---`, the system part (the same for every\n"
        "question, so that vendors can cache it), a line `---user---`, and the part of the turn. A fault stops the start and\n"
        "names the file.",
        "Front matter: `name` and `version` as in the file's name, `owner`, `inputs` (each one used, each one listed), `output`\n"
        "(`null`, or a JSON Schema that the answer must satisfy), `settings` (`temperature`, `max_tokens`).",
        table(
            ("input", "kind", "what is filled in"),
            [*inputs, ("any other name", "`field`", "that field of the request")],
        ),
        "Values arrive between tags such as `<question>`. The platform adds to the system part:",
        f"{rules}\n>\n> with an `output` schema:\n> {SCHEMA_RULE} …",
    )


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
    "metrics.md": metrics.page,
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
