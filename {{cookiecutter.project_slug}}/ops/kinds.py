"""What a field takes and what it has without being told, in words for people who read no Python."""

import builtins
import json
import types
import typing
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from app.settings import ROOT

WORDS: Mapping[Any, str] = {
    str: "text",
    bool: "true or false",
    int: "whole number",
    float: "number",
    Decimal: "US dollars",
    Path: "folder",
    SecretStr: "secret",
    Mapping[str, Any]: "table",
}


def kind(field: FieldInfo) -> str:
    """Say what may be written, such as `list of text`. Raises KeyError for a type without words."""
    return _said(field.annotation)


def default(field: FieldInfo) -> str:
    """Give what holds when nothing is written, as one would write it; "" where that is nothing."""
    value = field.default
    if value is PydanticUndefined:
        return "**needed**"
    if isinstance(value, SecretStr) or value in (None, "", (), {}):
        return ""
    if isinstance(value, Path):
        return f"`{value.relative_to(ROOT)}`"
    return f"`{json.dumps(value) if isinstance(value, bool | tuple) else value}`"


def _said(annotation: Any) -> str:
    inside = get_args(annotation)
    match get_origin(annotation):
        case typing.Annotated:
            return _said(inside[0])
        case typing.Literal:
            return " or ".join(map(str, inside))
        case typing.Union | types.UnionType:
            return " or ".join(_said(each) for each in inside if each is not types.NoneType)
        case builtins.tuple:
            return f"list of {_said(inside[0])}".replace("of table", "of tables")
        case builtins.dict:
            return f"name to {_said(inside[1])}"
    return "table" if isinstance(annotation, type) and issubclass(annotation, BaseModel) else WORDS[annotation]
