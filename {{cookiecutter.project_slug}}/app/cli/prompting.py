"""Look at the prompts, what each makes of a model, and approve them as they are."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import orjson
import typer
from rich.markup import escape
from rich.table import Column, Table

from app.cli.session import out
from app.domain.usecase import UseCase
from app.errors import BadInput
from app.llm import catalog, revision
from app.llm.asking import chosen, revision_of, roles
from app.llm.catalog import VENDORS, Catalog, ModelRef, VendorName
from app.llm.prompts import Prompt
from app.llm.providers import Vendor
from app.settings import Settings
from app.wiring import usecases

Case = Annotated[str, typer.Argument(help="one use case; left out: all")]


def prompts(
    usecase: Case = "",
    pin: Annotated[
        bool, typer.Option("--pin", help="approve the prompts as they are now: writes revisions.toml")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="print JSON instead of a table")] = False,
) -> None:
    """List every prompt with its owner, its hash and its revision per model; exits 1 when one is not approved."""
    settings = Settings()
    models = catalog.parse(settings.config("models"))
    cases = _cases(settings, models, usecase)
    if pin:
        for case in cases.values():
            revision.pin(case.folder / "prompts", case.prompts)
    rows = [row for case in cases.values() for row in _rows(case, models, settings.openai_compatible_model)]
    if json:
        print(orjson.dumps(rows, option=orjson.OPT_INDENT_2).decode())
    else:
        _show(rows)
    raise typer.Exit(0 if all(row["approved"] for row in rows) else 1)


def _cases(settings: Settings, models: Catalog, only: str) -> Mapping[str, UseCase]:
    # Neither engines nor an approved prompt are needed: this is how one becomes approved.
    owners = settings.service.get("owners", {})
    cases = usecases.load(settings.usecases_dir, owners=owners, rungs=models.rungs)
    if only and only not in cases:
        raise BadInput(f"There is no use case {only!r}; there are: {', '.join(cases)}.")
    return {name: case for name, case in cases.items() if only in ("", name)}


def _rows(case: UseCase, models: Catalog, compatible_model: str) -> Iterator[dict[str, Any]]:
    approved = revision.pinned(case.folder / "prompts")
    for key, prompt in case.prompts.items():
        yield {
            "usecase": case.name,
            "prompt": key,
            "owner": prompt.owner,
            "hash": prompt.revision,
            "approved": approved.get(key) == prompt.revision,
            "approved_hash": approved.get(key, ""),
            "models": list(_models(case, prompt, models, compatible_model)),
        }


def _models(case: UseCase, prompt: Prompt, models: Catalog, compatible_model: str) -> Iterator[dict[str, str]]:
    for vendor in VENDORS:
        for role in roles(case):
            ref = chosen(models, Vendor(vendor, compatible_model=compatible_model), role, prompt)
            if ref is not None:
                found = revision_of(models, case, prompt, ref=ref)
                yield {"provider": vendor, "role": role, "model": _named(ref, vendor), "revision": found}


def _named(ref: ModelRef, vendor: VendorName) -> str:
    return ref.name if ref.provider == vendor else str(ref)


def _show(rows: list[dict[str, Any]]) -> None:
    listed = Table(Column("prompt", no_wrap=True), "owner", Column("hash", no_wrap=True), "approved")
    each = Table(Column("prompt", no_wrap=True), "provider", "role", "model", Column("revision", no_wrap=True))
    for row in rows:
        key = f"{row['usecase']}/{row['prompt']}"
        good = "[green]yes[/]" if row["approved"] else f"[red]no[/] ({row['approved_hash'] or 'never'})"
        listed.add_row(key, escape(row["owner"]), row["hash"], good)
        for model in row["models"]:
            each.add_row(key, model["provider"], model["role"], escape(model["model"]), model["revision"])
    out.print(listed)
    out.print(each)
    if not all(row["approved"] for row in rows):
        out.print("Production starts with approved prompts only: run `app evaluate`, then `app prompts --pin`.")


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command()(prompts)
