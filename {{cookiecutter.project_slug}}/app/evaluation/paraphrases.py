"""Other words for the questions of evaluation cases: usecases/<name>/evals/paraphrases.yaml."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.errors import CannotStart


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    paraphrases: dict[str, Annotated[tuple[str, ...], Field(min_length=1)]]


def load(folder: Path, *, ids: frozenset[str]) -> Mapping[str, tuple[str, ...]]:
    """Give the other wordings by the id of their case; none where there is no file.

    Raises CannotStart for a file that cannot be read, or that names a case that is not there.
    """
    path = folder / "evals" / "paraphrases.yaml"
    if not path.exists():
        return {}
    try:
        known = _File.model_validate(yaml.safe_load(path.read_text(encoding="utf-8"))).paraphrases
    except yaml.YAMLError as error:
        raise CannotStart(f"{path} is not valid YAML: {error}") from error
    except ValidationError as error:
        faults = [f"- {path}: {'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()]
        raise CannotStart("\n".join(faults)) from error
    if strange := sorted(known.keys() - ids):
        raise CannotStart(f"{path}: there is no case {', '.join(strange)}; use ids of evals/cases.yaml")
    return known
