"""What the fake vendor says: the first sentence of the first passage, or JSON of the shape that was asked for."""

import json
import re
from typing import Any

PASSAGE = re.compile(r'<passage id="(?P<id>\d+)"[^>]*>\n(?P<text>.*?)\n</passage>', re.DOTALL)
SCHEMA = re.compile(r"JSON Schema:\n(?P<schema>\{.*\})", re.DOTALL)
UNGROUNDED = "There is nothing to stand on, so this is all I say."


def text(kind: str, argument: str, prompt: str, *, schema: dict[str, Any] | None) -> str:
    """Give the reply to a prompt, as the fault wants it."""
    schema = schema or _schema_in(prompt)
    if kind == "empty":
        return ""
    if kind == "no_evidence":
        return "NO_EVIDENCE"
    if kind == "say":
        return argument
    if kind == "wrong_schema":
        return json.dumps({"unexpected": True})
    return json.dumps(example(schema)) if schema else grounded(prompt)


def grounded(prompt: str) -> str:
    """Quote the first passage, and cite it."""
    found = PASSAGE.search(prompt)
    if not found:
        return UNGROUNDED
    sentence = re.split(r"(?<=[.!?])\s", found["text"].strip(), maxsplit=1)[0]
    return f"{sentence} [{found['id']}]"


def example(schema: dict[str, Any]) -> Any:
    """Make the smallest value that is valid against a schema."""
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type", "string")
    if kind == "object":
        return {name: example(part) for name, part in schema.get("properties", {}).items()}
    simple = {"string": "as asked", "integer": 1, "number": 1.0, "boolean": True, "array": [], "null": None}
    return simple[kind]


def _schema_in(prompt: str) -> dict[str, Any] | None:
    found = SCHEMA.search(prompt)
    if not found:
        return None
    schema, _ = json.JSONDecoder().raw_decode(found["schema"])
    return dict(schema)
