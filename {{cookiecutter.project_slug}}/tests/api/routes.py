"""Every route of the application, and a request that would do on each: paths filled, bodies made from their models."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from fastapi import FastAPI, params
from fastapi.routing import APIRoute
from pydantic import TypeAdapter

from app.api.permissions import PUBLIC, flat, need_of

HOLE = re.compile(r"\{(\w+)(?::\w+)?\}")
UNSEEN = {"HEAD", "OPTIONS"}
# The first that a pattern lets through is taken.
FORMS = {"uuid": lambda: str(uuid4()), "date-time": lambda: "2126-01-01T00:00:00Z", "date": lambda: "2126-01-01"}
WORDS = ("everyone", "a", "2026-01-01T00:00:00Z", "group:a", "0")


@dataclass(frozen=True)
class Entry:
    """One method of one route."""

    method: str
    route: APIRoute

    @property
    def need(self) -> str:
        return need_of(self.route)

    @property
    def path(self) -> str:
        return self.route.path

    @property
    def label(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def is_page(self) -> bool:
        return not self.path.startswith(("/v1/", "/openai/"))

    @property
    def holes(self) -> list[str]:
        return HOLE.findall(self.path)

    def url(self, values: Mapping[str, str]) -> str:
        """Fill the path; what has no value gets an id that nothing has."""
        return HOLE.sub(lambda hole: values.get(hole[1], str(uuid4())), self.path)

    def sent(self) -> dict[str, Any]:
        """Give query and body that the route accepts, as arguments of a client's request."""
        found: dict[str, Any] = {"params": _needed(self.route.dependant.query_params)}
        fields = self.route.dependant.body_params
        if fields:
            is_form = any(isinstance(field.field_info, params.Form) for field in fields)
            alone = len(fields) == 1 and hasattr(fields[0].field_info.annotation, "model_fields")
            body = _made(fields[0]) if alone else _needed(fields)
            found["data" if is_form else "json"] = body
        return found


def entries(app: FastAPI) -> Iterator[Entry]:
    """Give every method of every route."""
    for route in flat(app.routes):
        for method in sorted((route.methods or set()) - UNSEEN):
            yield Entry(method, route)


def closed(app: FastAPI) -> list[Entry]:
    """Give those that are not public."""
    return [entry for entry in entries(app) if entry.path not in PUBLIC]


def _needed(fields: Any) -> dict[str, Any]:
    return {field.alias: _made(field) for field in fields if field.field_info.is_required()}


def _made(field: Any) -> Any:
    info = field.field_info
    whole = TypeAdapter(info.annotation).json_schema()
    narrowed = [part for each in info.metadata if (part := getattr(each, "pattern", None))]
    return _sample({**whole, **({"pattern": narrowed[0]} if narrowed else {})}, whole.get("$defs", {}))


def _sample(schema: Mapping[str, Any], known: Mapping[str, Any]) -> Any:
    if "$ref" in schema:
        return _sample(known[schema["$ref"].rpartition("/")[2]], known)
    if "anyOf" in schema:
        return _sample(schema["anyOf"][0], known)
    if "enum" in schema or "const" in schema:
        return schema.get("const") or schema["enum"][0]
    kind = schema.get("type")
    if kind == "object":
        # A form may leave its reason out; what it is for may not.
        named = {*schema.get("required", ()), *({"reason"} & set(schema.get("properties", ())))}
        return {name: _sample(schema["properties"][name], known) for name in sorted(named)}
    if kind == "array":
        return [_sample(schema["items"], known) for _ in range(schema.get("minItems", 0))]
    if kind in ("integer", "number"):
        return schema.get("minimum", 1)
    if kind == "boolean":
        return False
    if schema.get("format") in FORMS:
        return FORMS[schema["format"]]()
    word = _word(schema.get("pattern", ""))
    return word + "a" * (schema.get("minLength", 0) - len(word))


def _word(pattern: str) -> str:
    return next((word for word in WORDS if re.search(pattern, word)), "a")
