"""Structured answers: JSON out of a model's text, checked against the prompt's schema."""

import json
import re
from collections.abc import Mapping
from typing import Any

from jsonschema import Draft202012Validator

FENCE = re.compile(r"\A\s*```(?:json)?\s*\n(?P<inside>.*)\n\s*```\s*\Z", re.DOTALL)
SHOWN_FAULTS = 5


class InvalidOutput(Exception):
    """The text is no JSON of the wanted shape; the message lists the faults, for the model and for the ledger."""


def read(text: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """Give the object that the text holds; raises InvalidOutput."""
    fenced = FENCE.match(text)
    try:
        data = loads(fenced["inside"] if fenced else text)
    except json.JSONDecodeError as error:
        raise InvalidOutput(f"not JSON: {error.msg} at character {error.pos}") from error
    faults = [_fault(error.json_path, error.message) for error in Draft202012Validator(schema).iter_errors(data)]
    if faults:
        raise InvalidOutput("; ".join(faults[:SHOWN_FAULTS]))
    if not isinstance(data, dict):
        raise InvalidOutput("not a JSON object")
    return data


def loads(text: str) -> Any:
    """Read JSON strictly: Python would also take NaN and Infinity, which nobody downstream can read."""
    return json.loads(text, parse_constant=_refuse)


def again(error: InvalidOutput) -> str:
    """Phrase the second request after an invalid answer."""
    return f"That was not valid: {error}. Reply again with one JSON object that is valid against the schema."


def as_text(data: Mapping[str, Any]) -> str:
    """Write structured data as lines that people read: one `Label: value` each."""
    return "\n".join(f"{name.replace('_', ' ').capitalize()}: {_value(value)}" for name, value in data.items())


def _fault(path: str, message: str) -> str:
    return f"{path}: {message[:200]}"


def _refuse(word: str) -> Any:
    raise json.JSONDecodeError(f"{word} is no JSON", word, 0)


def _value(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_value(item) for item in value)
    return json.dumps(value) if isinstance(value, dict) else str(value)
