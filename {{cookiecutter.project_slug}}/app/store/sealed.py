"""Which fields are sealed, and for which place: every column that holds words of persons as they were said."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from app.domain.turn import Message, Turn
from app.errors import Unsealable
from app.store.plain import as_json
from app.store.sealing import Seals

# The database's own rows are mappings whose keys have another type.
Row = Mapping[Any, Any]
UNREADABLE = "(unreadable: this was sealed with a key that the service does not hold, or altered since)"
# What SQL has to see of a job's input; all else in it may be words of a person.
PLAIN_INPUT = ("trace", "source", "space")


@dataclass(frozen=True, slots=True)
class Field:
    """A sealed column: `keys` find its row, and `bound` are the columns that its seal names; usually the same."""

    table: str
    column: str
    keys: tuple[str, ...] = ("id",)
    bound: tuple[str, ...] = ()
    kind: Literal["text", "json", "bytes", "input"] = "text"

    @property
    def name(self) -> str:
        """Name the field as reports do."""
        return f"{self.table}.{self.column}"

    @property
    def needed(self) -> tuple[str, ...]:
        """Give the columns without which the place of a row cannot be named."""
        return self.bound or self.keys

    def place(self, row: Row) -> str:
        """Give the place that the seal of this row's field is bound to."""
        return ":".join((self.name, *(str(row[column]) for column in self.needed)))

    def closed(self, seals: Seals, row: Row) -> Any:
        """Give the field's value sealed; nothing and the empty text stay what they are."""
        value, of = row[self.column], self.place(row)
        if value is None or value == "":
            return value
        if self.kind == "bytes":
            return seals.seal_bytes(bytes(value), of=of)
        if self.kind == "input":
            return _pack(seals, value, of)
        if self.kind == "text":
            return seals.seal(value, of=of)
        return seals.seal(as_json(value), of=of) if seals.wrapping else value

    def opened(self, seals: Seals, row: Row) -> Any:
        """Give the field's value as it was said. Raises Unsealable."""
        value, of = row[self.column], self.place(row)
        if value is None:
            return None
        if self.kind == "bytes":
            return seals.open_bytes(bytes(value), of=of)
        if self.kind == "input":
            return _unpack(seals, value, of)
        if not isinstance(value, str):
            return value
        told = seals.open(value, of=of)
        return told if self.kind == "text" or told is value else orjson.loads(told)


_ITEM = ("job_id", "ordinal")
_ACTION = ("review_id", "ordinal")
# Add a line for a column that holds what a person said: rotation finds it here.
FIELDS = (
    Field("sessions", "title"),
    Field("sessions", "masks"),
    Field("messages", "text", ("session_id", "ordinal"), ("session_id", "turn_id", "role")),
    Field("feedback", "correction", ("turn_id", "user_id")),
    Field("idempotency", "response", ("user_id", "key"), kind="json"),
    Field("jobs", "input", kind="input"),
    Field("job_items", "answer", _ITEM),
    Field("job_items", "data", _ITEM, kind="json"),
    Field("uploads", "content", kind="bytes"),
    Field("reviews", "masks"),
    Field("reviews", "question"),
    Field("reviews", "draft"),
    Field("reviews", "data", kind="json"),
    Field("reviews", "final"),
    Field("reviews", "final_data", kind="json"),
    Field("reviews", "complaint"),
    Field("reviews", "note"),
    Field("review_actions", "proposed", _ACTION, kind="json"),
    Field("review_actions", "arguments", _ACTION, kind="json"),
    Field("review_actions", "result", _ACTION),
    # No words, but who has them can forge what we say.
    Field("webhooks", "secret"),
    Field("webhooks", "former_secret"),
    Field("review_actions", "approved", _ACTION),
    Field("captured_cases", "question"),
    Field("captured_cases", "expected"),
    Field("captured_cases", "expected_data", kind="json"),
    Field("captured_cases", "remark"),
    Field("shadow_waiting", "input", ("turn_id",)),
)
_BY_TABLE: dict[str, tuple[Field, ...]] = {
    table: tuple(field for field in FIELDS if field.table == table) for table in {field.table for field in FIELDS}
}


def field(table: str, column: str) -> Field:
    """Give the sealed field of this name."""
    return next(field for field in _BY_TABLE[table] if field.column == column)


def closed(seals: Seals, table: str, row: Row) -> dict[str, Any]:
    """Give the row with those of its fields sealed that are; it must hold the columns that their places name."""
    changed = {field.column: field.closed(seals, row) for field in _BY_TABLE[table] if field.column in row}
    return {**row, **changed}


def opened(seals: Seals, table: str, row: Row) -> dict[str, Any]:
    """Give the row as it was written; a field that does not open becomes a sentence, or None where it is no text.

    One unreadable field must not take a whole page with it; metric and log name it. A job's input stays sealed.
    """
    return {**row, **{field.column: _told(field, seals, row) for field in _BY_TABLE[table] if field.column in row}}


def message(seals: Seals, turn: Turn, said: Message) -> str:
    """Give the text of a message sealed, for the session of its turn."""
    return str(closed(seals, "messages", _row(turn, turn.id, said.role, said.text))["text"])


def told(seals: Seals, turn: Turn, role: Literal["user", "assistant"], text: str, by_turn: str) -> Message:
    """Give a message of the turn's session as it was said, in the turn `by_turn`."""
    return Message(role, opened(seals, "messages", _row(turn, by_turn, role, text))["text"])


def masks(seals: Seals, table: str, id: object, known: Mapping[str, str]) -> str:
    """Give a map of placeholders sealed, for the row of this id."""
    return str(closed(seals, table, {"id": id, "masks": as_json(known)})["masks"])


def known(seals: Seals, table: str, id: object, kept: str | None) -> dict[str, str]:
    """Give the map again; an empty one where there is none, or none that opens."""
    told = opened(seals, table, {"id": id, "masks": kept})["masks"]
    return {} if told is None or told == UNREADABLE else dict(orjson.loads(told))


def _row(turn: Turn, turn_id: object, role: str, text: str) -> dict[str, object]:
    return {"session_id": turn.session_id, "turn_id": turn_id, "role": role, "text": text}


def _told(field: Field, seals: Seals, row: Row) -> Any:
    try:
        return field.opened(seals, row)
    except Unsealable:
        return UNREADABLE if field.kind == "text" else row[field.column] if field.kind == "input" else None


def _pack(seals: Seals, value: Mapping[str, Any], of: str) -> dict[str, Any]:
    plain = {key: part for key, part in value.items() if key in PLAIN_INPUT}
    rest = {key: part for key, part in value.items() if key not in PLAIN_INPUT}
    if not rest or seals.wrapping is None:
        return dict(value)
    return {**plain, "sealed": seals.seal(as_json(rest), of=of)}


def _unpack(seals: Seals, value: Mapping[str, Any], of: str) -> dict[str, Any]:
    if "sealed" not in value:
        return dict(value)
    plain = {key: part for key, part in value.items() if key != "sealed"}
    return {**plain, **orjson.loads(seals.open(value["sealed"], of=of))}
