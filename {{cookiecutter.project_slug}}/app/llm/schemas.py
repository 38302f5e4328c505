"""A prompt's output schema in the part of JSON Schema that each vendor can hold a model to.

Only a help for the model: what it says is checked against the whole schema afterwards, whatever the vendor enforced.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

Schema = dict[str, Any]
# What OpenAI's strict form cannot express.
_BEYOND_STRICT = frozenset(
    {
        "default", "patternProperties", "unevaluatedProperties", "propertyNames", "minProperties", "maxProperties",
        "unevaluatedItems", "contains", "minContains", "maxContains", "uniqueItems", "oneOf",
    }
)  # fmt: skip
_FORMATS = frozenset({"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"})
_LOOKAROUND = ("(?=", "(?!", "(?<=", "(?<!")
_UNSAID = ("title", "$schema", "discriminator")
_MAPS = ("properties", "$defs", "definitions", "patternProperties")
_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
_SINGLE = ("items", "additionalProperties", "not", "contains")
_TYPED = ("type", "$ref", "anyOf", "oneOf", "allOf", "enum", "const")
_CLAIMED_BY_TYPE = {"object": ("properties", "additionalProperties", "required"), "array": ("items",)}
_LITERALS = (str, int, float, bool, type(None))


def for_openai(schema: Mapping[str, Any]) -> tuple[Schema, bool]:
    """Give the schema as OpenAI takes it, and whether it may be enforced strictly: it must say everything outright."""
    said = _without_titles(dict(schema))
    return said, all(_is_strict(part) for part in _parts(said))


def for_anthropic(schema: Mapping[str, Any]) -> Schema:
    """Give the schema as Anthropic takes it: what it cannot enforce is told to the model in the description."""
    left = {name: part for name, part in schema.items() if name != "$schema"}
    made: Schema = {}
    if "$defs" in left:
        made["$defs"] = {name: for_anthropic(part) for name, part in left.pop("$defs").items()}
    if "$ref" in left:
        return {**made, "$ref": left["$ref"]}
    kind = left.pop("type", None)
    literals = [name for name in ("enum", "const") if name in left and _is_literal(left[name])]
    made.update({name: left.pop(name) for name in literals})
    variants = next((name for name in ("anyOf", "oneOf", "allOf") if isinstance(left.get(name), list)), None)
    if variants:
        made["allOf" if variants == "allOf" else "anyOf"] = [for_anthropic(part) for part in left.pop(variants)]
    elif kind is not None and not literals:
        made["type"] = kind
    made.update({name: left.pop(name) for name in ("description",) if name in left})
    left.pop("title", None)
    if "type" in made:
        made.update(_of_type(made["type"], left))
    if left:
        told = "{" + ", ".join(f"{name}: {value}" for name, value in left.items()) + "}"
        made["description"] = f"{made['description']}\n\n{told}" if "description" in made else told
    return made


def _of_type(kind: Any, left: Schema) -> Schema:
    """Take out of `left` what Anthropic enforces for a type."""
    claimed = {name: left.pop(name) for name in _CLAIMED_BY_TYPE.get(str(kind), ()) if name in left}
    if kind == "object":
        properties = {name: for_anthropic(part) for name, part in claimed.get("properties", {}).items()}
        required = {"required": list(claimed["required"])} if "required" in claimed else {}
        return {"properties": properties, "additionalProperties": False, **required}
    if kind == "array":
        items = {"items": for_anthropic(claimed["items"])} if "items" in claimed else {}
        fewest = {"minItems": left.pop("minItems")} if left.get("minItems") in (0, 1) else {}
        return {**items, **fewest}
    if kind == "string" and left.get("format") in (_FORMATS | {"uri"}):
        return {"format": left.pop("format")}
    return {}


def _is_literal(value: Any) -> bool:
    values = value if isinstance(value, list) else [value]
    return bool(values) and all(isinstance(one, _LITERALS) for one in values)


def _without_titles(schema: Schema) -> Schema:
    """Copy a schema without what only people read, its objects closed where they do not say that they are open."""
    made = {name: part for name, part in schema.items() if name not in _UNSAID}
    for name in made.keys() & set(_MAPS):
        made[name] = {key: _copied(part) for key, part in made[name].items()}
    for name in made.keys() & set(_LISTS):
        made[name] = [_copied(part) for part in made[name]]
    for name in made.keys() & set(_SINGLE):
        made[name] = _copied(made[name])
    if made.get("type") == "object":
        made.setdefault("properties", {})
        if made.get("additionalProperties") in (None, False):
            made["additionalProperties"] = False
    return made


def _copied(part: Any) -> Any:
    return _without_titles(part) if isinstance(part, dict) else part


def _parts(schema: Schema) -> Iterator[Schema]:
    """Give a schema and every schema in it."""
    yield schema
    inner: list[Iterable[Any]] = [schema[name].values() for name in _MAPS if name in schema]
    inner += [schema[name] for name in _LISTS if name in schema]
    inner.append([schema[name] for name in _SINGLE if name in schema])
    for parts in inner:
        for part in parts:
            if isinstance(part, dict):
                yield from _parts(part)


def _is_strict(part: Schema) -> bool:
    if _BEYOND_STRICT & part.keys() or part.get("format", "date") not in _FORMATS:
        return False
    if any(token in str(part.get("pattern", "")) for token in _LOOKAROUND):
        return False
    if part.get("type") == "object":
        is_closed = part.get("additionalProperties") is False
        return is_closed and set(part["properties"]) <= set(part.get("required", ())) and "required" in part
    if part.get("type") == "array":
        items = part.get("items")
        return isinstance(items, dict) and any(name in items for name in _TYPED)
    return True
