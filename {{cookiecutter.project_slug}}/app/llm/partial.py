"""Reads a JSON object while it is still being written, and gives only what is finished."""

import re
from collections.abc import Mapping
from typing import Any

from jsonschema import Draft202012Validator

from app.llm import structure

# What may stand before the object: nothing, or the fence that some models put around JSON.
START = re.compile(r"\A\s*(?:```(?:json)?\s*)?\{")
LONGEST_START = 40


class Reader:
    """Takes pieces of text; `fields` holds each top-level field once it is whole, known and valid for its schema.

    A field is whole when the comma or brace behind it has come: before that, 12 may become 120.
    """

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._validator = Draft202012Validator(schema)
        self._known: Mapping[str, Any] = schema.get("properties", {})
        self._text = ""
        self._seen = 0
        self._depth = 0
        self._in_string = self._escaped = self._is_over = False
        self.fields: dict[str, Any] = {}

    def feed(self, text: str) -> None:
        """Take the next piece."""
        if self._is_over:
            return
        self._text += text
        if not self._depth and not self._begin():
            return
        for place in range(self._seen, len(self._text)):
            if self._ends_field(self._text[place]):
                self._take(self._text[:place])
            if self._is_over:
                break
        self._seen = len(self._text)

    def _begin(self) -> bool:
        started = START.match(self._text)
        if started:
            self._text, self._depth = self._text[started.end() - 1 :], 1
            self._seen = 1
        elif len(self._text.lstrip()) > LONGEST_START:
            self._is_over = True
        return bool(started)

    def _ends_field(self, letter: str) -> bool:
        if self._in_string:
            if self._escaped:
                self._escaped = False
            elif letter == "\\":
                self._escaped = True
            elif letter == '"':
                self._in_string = False
            return False
        if letter == '"':
            self._in_string = True
        elif letter in "{[":
            self._depth += 1
        elif letter in "}]":
            self._depth -= 1
            self._is_over = not self._depth
        return self._is_over or (letter == "," and self._depth == 1)

    def _take(self, whole: str) -> None:
        try:
            read = structure.loads(whole + "}")
        except ValueError:
            self._is_over = True
            return
        self.fields = {
            name: value
            for name, value in read.items()
            if name in self._known and self._validator.evolve(schema=self._known[name]).is_valid(value)
        }
