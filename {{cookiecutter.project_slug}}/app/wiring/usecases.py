"""Find the use cases: a folder with a contract.toml is one. Every fault in every contract is told at once."""

import importlib
import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import structlog
from pydantic import ValidationError

from app.domain.contract import Contract
from app.domain.tool import faults_of
from app.domain.usecase import UseCase
from app.errors import AppError, CannotStart
from app.llm import prompts, revision
from app.settings import ROOT
from app.wiring import contracts, sources

log = structlog.get_logger(__name__)
SERVICE = "service"


def load(
    folder: Path, *, owners: Mapping[str, str], rungs: Collection[str], strict: bool = False
) -> dict[str, UseCase]:
    """Read every use case below the folder. Raises CannotStart listing file, key and cure of each fault.

    Prompts that are not the approved ones are a fault when `strict`, as in production.
    """
    found: dict[str, UseCase] = {}
    faults: list[str] = []
    for path in sorted(folder.resolve().glob("*/contract.toml")):
        try:
            usecase = _usecase(path.parent, owners)
        except (AppError, ValueError) as error:
            faults.append(str(error))
            continue
        faults += _faults(usecase, path, rungs)
        faults += _unapproved(usecase) if strict else []
        found[usecase.name] = usecase
    if faults:
        raise CannotStart("\n".join(faults))
    return found


def _usecase(folder: Path, owners: Mapping[str, str]) -> UseCase:
    contract = _contract(folder / "contract.toml", owners)
    checks, sources = _module(folder, "checks"), _module(folder, "sources")
    workflow, rules = _module(folder, "workflow"), _module(folder, "rules")
    tools = _module(folder, "tools")
    return UseCase(
        name=folder.name,
        folder=folder,
        contract=contract,
        checks=tuple(getattr(checks, "CHECKS", ())),
        sources=tuple(getattr(sources, "SOURCES", ())),
        workflow=getattr(workflow, "run", None),
        rules=getattr(rules, "answer", None),
        tools=tuple(getattr(tools, "TOOLS", ())),
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
    return [*contracts.faults(usecase, path, rungs), *_tool_faults(usecase), *sources.faults(usecase)]


def warn(cases: Mapping[str, UseCase]) -> None:
    """Say loudly which prompts are not the approved ones: production would not start with them."""
    for usecase in cases.values():
        for fault in _unapproved(usecase):
            log.warning("prompt_not_approved", usecase=usecase.name, fault=fault, production="would not start")


def _unapproved(usecase: UseCase) -> list[str]:
    return revision.faults(usecase.folder / "prompts", usecase.prompts)


def _tool_faults(usecase: UseCase) -> list[str]:
    faults = faults_of(usecase.tools)
    if usecase.tools and usecase.workflow is None:
        faults.append("nothing hands the tools to a model: write a workflow.py that calls `kit.agent(turn)`")
    return [f"- {usecase.folder / 'tools.py'}: {fault}" for fault in faults]
