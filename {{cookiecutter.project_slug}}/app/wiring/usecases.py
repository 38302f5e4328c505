"""Find the use cases: a folder with a contract.toml is one. Every fault in every contract is told at once."""

import importlib
import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import ValidationError

from app.domain.contract import Contract
from app.domain.usecase import UseCase
from app.errors import AppError, CannotStart
from app.llm import prompts
from app.settings import ROOT

SERVICE = "service"


def load(folder: Path, *, owners: Mapping[str, str], rungs: Collection[str]) -> dict[str, UseCase]:
    """Read every use case below the folder. Raises CannotStart listing file, key and cure of each fault."""
    found: dict[str, UseCase] = {}
    faults: list[str] = []
    for path in sorted(folder.glob("*/contract.toml")):
        try:
            usecase = _usecase(path.parent, owners)
        except (AppError, ValueError) as error:
            faults.append(str(error))
            continue
        faults += _faults(usecase, path, rungs)
        found[usecase.name] = usecase
    if faults:
        raise CannotStart("\n".join(faults))
    return found


def _usecase(folder: Path, owners: Mapping[str, str]) -> UseCase:
    contract = _contract(folder / "contract.toml", owners)
    checks, sources = _module(folder, "checks"), _module(folder, "sources")
    workflow, rules = _module(folder, "workflow"), _module(folder, "rules")
    return UseCase(
        name=folder.name,
        folder=folder,
        contract=contract,
        checks=tuple(getattr(checks, "CHECKS", ())),
        sources=tuple(getattr(sources, "SOURCES", ())),
        workflow=getattr(workflow, "run", None),
        rules=getattr(rules, "answer", None),
        prompts=prompts.load(folder / "prompts"),
    )


def _contract(path: Path, owners: Mapping[str, str]) -> Contract:
    try:
        raw = tomllib.loads(path.read_text())
        return Contract.model_validate({**raw, "owners": _owners(raw.get("owners", {}), owners)})
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"- {path}: not valid TOML: {error}") from error
    except ValidationError as error:
        lines = [
            f"- {path}: {'.'.join(map(str, fault['loc']))}: {fault['msg']} (found: {fault['input']!r:.60})"
            for fault in error.errors()
        ]
        raise ValueError("\n".join(lines)) from error


def _owners(named: Mapping[str, str], owners: Mapping[str, str]) -> dict[str, Any]:
    # "escalation" has no person of its own in config/service.toml: by default it is the workflow's owner.
    everybody = {**owners, "escalation": owners.get("escalation") or owners.get("workflow", "")}
    return {role: everybody.get(role, "") if name == SERVICE else name for role, name in named.items()}


def _module(folder: Path, name: str) -> ModuleType | None:
    if not (folder / f"{name}.py").exists():
        return None
    package = ".".join(folder.relative_to(ROOT).parts)
    return importlib.import_module(f"{package}.{name}")


def _faults(usecase: UseCase, path: Path, rungs: Collection[str]) -> list[str]:
    faults = [
        f"- {path}: models.ladder: there is no rung {rung!r}; there are: {', '.join(sorted(rungs))}"
        for rung in usecase.contract.models.ladder
        if rung not in rungs
    ]
    chosen = usecase.contract.prompt
    key = f"{chosen.name}.v{chosen.version}"
    if key not in usecase.prompts:
        faults.append(
            f"- {path}: prompt: there is no prompts/{key}.md; there are: {', '.join(usecase.prompts) or 'none'}"
        )
    if "rules" in usecase.contract.models.ladder and usecase.rules is None:
        faults.append(f"- {path}: models.ladder: `rules` needs a rules.py with a function `answer(turn)`")
    if "extractive" in usecase.contract.models.ladder and not usecase.contract.retrieval.enabled:
        faults.append(f"- {path}: models.ladder: `extractive` needs retrieval.enabled = true")
    return faults
