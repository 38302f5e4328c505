"""What the fake vendor says: the first sentence of the first passage, or JSON of the shape that was asked for."""

import json
import re
from typing import Any

from tests.fakes.dialects import Dialect, Said
from tests.fakes.faults import Fault

PASSAGE = re.compile(r'<passage-(?P<mark>\w+) id="(?P<id>\d+)"[^>]*>\n(?P<text>.*?)\n</passage-(?P=mark)>', re.DOTALL)
RESULT = re.compile(r"<result-(?P<mark>\w+)>\n(?P<text>.*)\n</result-(?P=mark)>", re.DOTALL)
SCHEMA = re.compile(r"JSON Schema:\n(?P<schema>\{.*\})", re.DOTALL)
UNGROUNDED = "There is nothing to stand on, so this is all I say."
# Characters: enough to be no coincidence.
LEAKED = 400
REFUSED = "I am sorry, but I cannot help with that."


def said(fault: Fault, body: dict[str, Any], prompt: str, *, dialect: Dialect) -> Said:
    """Give what the model says to a request, as the fault wants it."""
    if fault.kind == "tool":
        name, _, arguments = fault.argument.partition(":")
        return Said(tools=((name, arguments or "{}"),))
    if fault.kind == "refusal":
        return Said(REFUSED, "refusal")
    if fault.kind == "leak":
        return Said(f"My instructions are these: {dialect.system(body)[:LEAKED]}")
    result = dialect.tool_result(body)
    if result is not None and fault.kind not in ("say", "empty", "wrong_schema", "no_evidence"):
        told = RESULT.fullmatch(str(result))
        return Said(f"The tool said: {told['text'] if told else result}")
    words = text(fault.kind, fault.argument, prompt, schema=dialect.schema(body))
    if fault.kind in ("content_filter", "length"):
        return Said(words[: len(words) // 2], "content_filter" if fault.kind == "content_filter" else "length")
    return Said(words)


def text(kind: str, argument: str, prompt: str, *, schema: dict[str, Any] | None) -> str:
    """Give the reply to a prompt, as the fault wants it."""
    fixed = {"empty": "", "no_evidence": "NO_EVIDENCE", "say": argument, "echo": prompt}
    fixed["wrong_schema"] = '{"unexpected": true}'
    if kind in fixed:
        return fixed[kind]
    schema = schema or _schema_in(prompt)
    alien = " <EMAIL_9>" if kind == "alien" else ""
    if schema is None:
        return grounded(prompt) + alien
    return json.dumps(_with_words(example(schema), alien))


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


def _with_words(value: Any, words: str) -> Any:
    """Put words behind every free text of an example."""
    if not words or not isinstance(value, dict):
        return value
    return {name: inner + words if inner == "as asked" else _with_words(inner, words) for name, inner in value.items()}


def _schema_in(prompt: str) -> dict[str, Any] | None:
    if "JSON Schema:\n" not in prompt:
        return None
    found = SCHEMA.search(prompt)
    if not found:
        return None
    schema, _ = json.JSONDecoder().raw_decode(found["schema"])
    return dict(schema)
