"""Captured cases as a file of the evaluation: what a person accepted becomes a case, masked, with its turn's id."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from app.domain.usecase import UseCase
from app.errors import BadInput, CannotStart
from app.evaluation.cases import CAPTURED
from app.store.captured import Captured


def case_of(kept: Captured, person: str) -> dict[str, Any]:
    """Give a captured case as the evaluation reads it; `person` of config/people.toml asks it."""
    expect: dict[str, Any] = {}
    if kept.expected:
        expect["says"] = kept.expected
    if kept.expected_data:
        expect["data"] = dict(kept.expected_data)
    told = {"id": _name(kept), "as": person, "question": kept.question, "expect": expect}
    return {**told, "tags": ["captured", kept.kind], "turn": str(kept.turn_id)}


def write(folder: Path, known: Sequence[Captured], person: str) -> tuple[Path, list[Captured]]:
    """Write the accepted cases among those that are known here, and take out what is accepted no more.

    Cases of another database stay as they are, and so does who asks a case that was written before. Gives the file,
    and what was written.
    """
    path, ids = folder / CAPTURED, {_name(each) for each in known}
    before = {str(line["id"]): line for line in _lines(path)}
    accepted = sorted((each for each in known if each.status == "accepted"), key=lambda each: each.created_at)
    stays = [line for name, line in before.items() if name not in ids]
    fresh = [case_of(each, str(before.get(_name(each), {}).get("as", person))) for each in accepted]
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in (*stays, *fresh)))
    return path, accepted


def _name(kept: Captured) -> str:
    return f"captured-{kept.id}"


def _lines(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    try:
        return [orjson.loads(line) for line in path.read_bytes().splitlines() if line.strip()]
    except orjson.JSONDecodeError as error:
        raise CannotStart(f"- {path}: {error}; repair the line, or delete the file") from error


def asker_of(usecase: UseCase, people: Mapping[str, Mapping[str, Any]], wanted: str = "") -> str:
    """Give the person of config/people.toml who asks captured cases: the one `wanted`, else the first who may.

    Raises BadInput, which names those that there are.
    """
    if wanted and wanted not in people:
        raise BadInput(f"config/people.toml has no {wanted!r}; there are: {', '.join(people) or 'none'}.")
    open_to = set(usecase.contract.access.groups)
    may = [name for name, person in people.items() if "everyone" in open_to or open_to & set(person["groups"])]
    if not (wanted or may):
        raise BadInput(f"Nobody of config/people.toml may ask {usecase.name!r}; add a person of: {', '.join(open_to)}.")
    return wanted or may[0]
