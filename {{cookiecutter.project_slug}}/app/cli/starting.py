"""Start a use case of your own."""

import re
import shutil
from pathlib import Path
from typing import Annotated

import typer

from app.cli.session import out
from app.errors import BadInput
from app.llm import prompts, revision
from app.settings import ROOT

STARTER = Path(__file__).with_name("starter")
NAME = re.compile(r"^[a-z][a-z0-9_]{1,40}$")


def new(
    what: Annotated[str, typer.Argument(help='only "usecase" so far')],
    name: Annotated[str, typer.Argument(help="small letters, digits and _, for example contract_questions")],
) -> None:
    """Write a new use case that answers from its own documents, ready to be changed."""
    if what != "usecase":
        raise BadInput(f"There is no {what!r} to make; `app new usecase NAME` makes a use case.")
    if not NAME.match(name):
        raise BadInput(f"{name!r} cannot be a use case's name; allowed: {NAME.pattern}")
    folder = ROOT / "usecases" / name
    if folder.exists():
        raise BadInput(f"{folder} exists already; choose another name.")
    shutil.copytree(STARTER, folder)
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".toml", ".md", ".yaml", ".txt"):
            path.write_text(
                path.read_text().replace("USECASE_TITLE", name.replace("_", " ").capitalize()).replace("USECASE", name)
            )
    for path in folder.rglob("*.py.txt"):
        path.rename(path.with_suffix(""))
    revision.pin(folder / "prompts", prompts.load(folder / "prompts"))
    out.print(f"usecases/{name} is ready: start with its contract.toml, then `make up` and ask it something:")
    out.print(f'  uv run app ask --usecase {name} "What is this use case called?"', markup=False)


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command()(new)
