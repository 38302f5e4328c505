"""Evaluation cases: usecases/<name>/evals/cases.yaml, written by people who know the work, and captured.jsonl.

The captured ones came of corrections, complaints and reviews; `app evaluate capture` writes them, one a line.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.errors import CannotStart

CAPTURED = Path("evals") / "captured.jsonl"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Expect(_Part):
    """What a good answer must be; what is left out is not looked at."""

    outcome: str = Field("", description='an outcome, or a whole family such as "answered"')
    cites: tuple[str, ...] = Field((), description="at least one of these documents is cited")
    contains: tuple[str, ...] = Field((), description="each of these stands in the answer")
    absent: tuple[str, ...] = Field((), description="none of these stands in the answer")
    data: Mapping[str, Any] = Field({}, description="these fields of a structured answer have these values")
    says: str = Field("", description="what a person said is right: every figure of it is there, and half of its words")


class Case(_Part):
    """One case; `person` asks, with the rights that config/people.toml gives."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    person: str = Field(alias="as")
    question: str = Field(min_length=1)
    fields: dict[str, str] = {}
    expect: Expect
    tags: tuple[str, ...] = ()
    sealed: bool = False
    turn: str = Field("", description="the turn that a captured case came of")


class Cases(_Part):
    """A file of cases."""

    cases: tuple[Case, ...] = Field(min_length=1)


def load(folder: Path) -> Sequence[Case]:
    """Read the cases of a use case, the captured ones too. Raises CannotStart with every fault."""
    path = folder / "evals" / "cases.yaml"
    try:
        cases = Cases.model_validate(yaml.safe_load(path.read_text(encoding="utf-8"))).cases
    except FileNotFoundError as error:
        raise CannotStart(f"{path} is missing: a use case without cases cannot be measured") from error
    except yaml.YAMLError as error:
        raise CannotStart(f"{path} is not valid YAML: {error}") from error
    except ValidationError as error:
        faults = [f"- {path}: {'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()]
        raise CannotStart("\n".join(faults)) from error
    cases = (*cases, *captured(folder))
    names = [case.id for case in cases]
    if double := {name for name in names if names.count(name) > 1}:
        raise CannotStart(f"{path}: these ids stand twice: {', '.join(sorted(double))}")
    return cases


def captured(folder: Path) -> list[Case]:
    """Read the captured cases of a use case; none where there is no file. Raises CannotStart with every fault."""
    path = folder / CAPTURED
    if not path.exists():
        return []
    cases, faults = [], []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            cases += [Case.model_validate(orjson.loads(line))] if line.strip() else []
        except (orjson.JSONDecodeError, ValidationError) as error:
            wrong = str(error).splitlines()[0]
            faults.append(f"- {path}, line {number}: {wrong}; drop the line, or write the file anew")
    if faults:
        raise CannotStart("\n".join(faults))
    return cases
