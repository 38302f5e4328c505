"""What the flags say, as they were last read: evaluated in process by OpenFeature's flagd core, and typed."""

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, Literal, TypeVar, cast

import structlog
from openfeature.contrib.tools.flagd.core import FlagdCore
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import OpenFeatureError

from app.domain.switch import EVERYTHING, Off, subject_of
from app.errors import BadInput
from app.store.flags import FlagRow

log = structlog.get_logger(__name__)
Kind = Literal["boolean", "string", "number", "object"]
Value = bool | str | int | float | Mapping[str, Any]
V = TypeVar("V", bound=Value)
# Whom a flag is asked for; the others of the context are attributes that its targeting may name.
PERSON = "targetingKey"


class Rules:
    """The flags at one moment; a change with an end is over when its time is, whether or not anybody settles it."""

    def __init__(self, rows: Sequence[FlagRow], now: datetime) -> None:
        rows = [row for row in rows if _is_sound(row)]
        self.rows: Mapping[str, FlagRow] = {row["key"]: row for row in rows}
        self._core = FlagdCore()
        # A copy: the core takes parts out of what it is given.
        self._core.set_flags(json.loads(json.dumps({"flags": {row["key"]: in_force(row, now) for row in rows}})))
        ends = [row["until"] for row in rows if row["until"] is not None and row["until"] > now]
        self.ends_at = min(ends, default=None)
        self._answers: dict[tuple[str, Any], Any] = {}
        # Why a flag had the default instead of what it says, by key.
        self.faults: dict[str, str] = {}
        self.off: Mapping[str, Off] = {off.subject: off for row in rows if (off := self._off(row, now))}

    def value(self, key: str, default: V, context: Mapping[str, Any] | None = None) -> V:
        """Evaluate a flag of the default's type; an unknown one, or one of another type, has the default."""
        if context:
            return self._evaluated(key, default, context)
        # Asked for nobody in particular, several times a turn: the answer holds until the flags change.
        place = (key, default if isinstance(default, bool | str | int | float) else None)
        if place not in self._answers:
            self._answers[place] = self._evaluated(key, default, {})
        return cast(V, self._answers[place])

    def is_known(self, key: str) -> bool:
        """Say whether there is such a flag."""
        return key in self.rows

    def expired(self, today: date) -> list[FlagRow]:
        """Give the flags whose day of review has passed."""
        return [row for row in self.rows.values() if row["expires_on"] < today]

    def _evaluated(self, key: str, default: V, context: Mapping[str, Any]) -> V:
        attributes = {name: value for name, value in context.items() if name != PERSON}
        asked = EvaluationContext(str(context[PERSON]) if PERSON in context else None, attributes)
        try:
            return cast(V, self._resolve(key, default, asked))
        except Exception as error:
            # Targeting is somebody's own logic, and may break in ways that no list holds: no turn breaks with it.
            self.faults[key] = f"{type(error).__name__}: {error}" if key in self.rows else "there is no such flag"
            return default

    def _resolve(self, key: str, default: Value, asked: EvaluationContext) -> Any:
        if isinstance(default, bool):
            return self._core.resolve_boolean_value(key, default, asked).value
        if isinstance(default, str):
            return self._core.resolve_string_value(key, default, asked).value
        if isinstance(default, int):
            return self._core.resolve_integer_value(key, default, asked).value
        if isinstance(default, float):
            return self._core.resolve_float_value(key, default, asked).value
        return self._core.resolve_object_value(key, default, asked).value

    def _off(self, row: FlagRow, now: datetime) -> Off | None:
        subject = subject_of(row["key"])
        # A flag that says nothing leaves on what it is about, but for the one switch of everything.
        if not subject or self.value(row["key"], subject != EVERYTHING):
            return None
        is_over = row["until"] is None or row["until"] <= now
        return Off(subject, row["reason"], row["changed_by"], None if is_over else row["until"])


def in_force(row: FlagRow, now: datetime) -> dict[str, Any]:
    """Give the definition that holds now: the one before, once the change's end has come."""
    is_over = row["until"] is not None and row["until"] <= now
    return row["back"] if is_over and row["back"] is not None else row["definition"]


def _is_sound(row: FlagRow) -> bool:
    try:
        kind_of(row["key"], row["definition"])
    except BadInput as error:
        # Somebody wrote it past us; the other flags count all the same.
        log.error("flag.unreadable", key=row["key"], why=error.detail)
        return False
    return True


def kind_of(key: str, definition: Mapping[str, Any]) -> Kind:
    """Give the type of a flag's values, having checked that flagd can read it. Raises BadInput with what is wrong."""
    try:
        written = json.dumps(definition, ensure_ascii=False, allow_nan=False)
        # PostgreSQL keeps neither halves of surrogate pairs, which cannot be encoded, nor this character.
        if b"\\u0000" in written.encode():
            raise _unreadable("the character U+0000 is not allowed")
        FlagdCore().set_flags({"flags": {key: json.loads(written)}})
    except (OpenFeatureError, TypeError, ValueError, RecursionError) as error:
        raise _unreadable(str(error) or "write state, variants, defaultVariant and, if need be, targeting") from error
    kinds = {_kind(value) for value in definition["variants"].values()}
    if len(kinds) != 1:
        raise _unreadable("its variants must all be of one type")
    chosen = definition.get("defaultVariant")
    named = str(chosen).lower() if isinstance(chosen, bool) else str(chosen)
    if chosen is not None and named not in definition["variants"]:
        raise _unreadable("defaultVariant names none of its variants")
    return kinds.pop()


def _kind(value: Any) -> Kind:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    return "string" if isinstance(value, str) else "object"


def _unreadable(why: str) -> BadInput:
    return BadInput(f"This is no flag in flagd's format: {why}.", errors=[{"field": "definition", "wrong": why}])
