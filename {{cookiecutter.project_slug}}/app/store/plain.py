"""JSON as PostgreSQL takes it."""

from typing import Any

import orjson

_NUL = "\\u0000"


def as_json(value: Any) -> str:
    """Give the JSON text of a value; money is written as text, and NUL, which no column can hold, is left out."""
    text = orjson.dumps(value, default=str).decode()
    return text if _NUL not in text else orjson.dumps(_without_nul(orjson.loads(text))).decode()


def _without_nul(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\x00", "")
    if isinstance(value, dict):
        return {key.replace("\x00", ""): _without_nul(part) for key, part in value.items()}
    return [_without_nul(part) for part in value] if isinstance(value, list) else value
