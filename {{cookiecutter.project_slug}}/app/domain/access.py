"""Who may read a document, what an asker brings, and the rule between the two, in plain Python.

The rule is written down, with a table of cases, in docs/explanation/rights-on-documents.md; `may_read` here is the
reference that the filter in SQL and row-level security are held against.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.errors import BadInput, quoted

EVERYONE = "everyone"
_NAME = re.compile(r"^(everyone|(group|user):[^\s,\x00]{1,200})\Z")
_ATTRIBUTE = re.compile(r"^[\w.-]{1,50}\Z")
# A row of a unique index holds no more than 2,700 bytes.
_MOST_BYTES = 2000
# What an entry of readers.toml, an upload or a row of a source may say about rights.
KEYS = ("readers", "denied", "classification", "regions")


@dataclass(frozen=True, slots=True)
class Access:
    """What a document carries: who may read it, who must not, how secret it is, and for which regions it is.

    Names are `everyone`, `group:<name>` or `user:<id>`. No classification is the lowest level; no regions are all.
    Sorted and without doubles. Raises BadInput for another form, for no readers, and for too many names.
    """

    readers: tuple[str, ...]
    denied: tuple[str, ...] = ()
    classification: str = ""
    regions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check and sort what was given."""
        for field, form in (("readers", _NAME), ("denied", _NAME), ("regions", _ATTRIBUTE)):
            object.__setattr__(self, field, _checked(field, getattr(self, field), form))
        if not self.readers:
            raise BadInput(f"A document needs at least one of `readers`: {_FORMS}; got nobody.")
        if self.classification and not (isinstance(self.classification, str) and _ATTRIBUTE.match(self.classification)):
            said = quoted(str(self.classification))
            raise BadInput(f"`classification` is one of the levels of config/roles.toml; {said} is none.")
        names = (*self.readers, *self.denied, *self.regions)
        if sum(len(name.encode()) + 4 for name in names) > _MOST_BYTES:
            raise BadInput("These are too many readers for one document; put the people into a group.")


@dataclass(frozen=True, slots=True)
class Claims:
    """What an asker brings: every name they answer to, the level up to which they are cleared, and their regions."""

    names: tuple[str, ...] = ()
    clearance: int = 0
    regions: tuple[str, ...] = ()


def may_read(access: Access, claims: Claims, levels: Sequence[str]) -> bool:
    """Say whether who brings these claims may read what carries this access; `levels` are the names, the lowest first.

    A classification that is none of the levels is read by nobody.
    """
    names = set(claims.names)
    if not names & set(access.readers) or names & set(access.denied):
        return False
    level = level_of(access.classification, levels)
    if level is None or level > claims.clearance:
        return False
    return not access.regions or bool(set(access.regions) & set(claims.regions))


def level_of(classification: str, levels: Sequence[str]) -> int | None:
    """Give the place of a classification among the levels, 0 for none given; None when it is not among them."""
    if not classification:
        return 0
    return levels.index(classification) if classification in levels else None


def parse(given: Mapping[str, Any], *, levels: Sequence[str]) -> Access:
    """Read `readers`, `denied`, `classification` and `regions` of an entry or a form; what else it holds is left alone.

    Raises BadInput with what is wrong and what is allowed.
    """
    classification = given.get("classification") or ""
    if level_of(classification, levels) is None:
        known = ", ".join(levels) or "none: add `[classification] levels` to config/roles.toml"
        raise BadInput(
            f"`classification` {quoted(str(classification))} is unknown; the levels of config/roles.toml are: {known}."
        )
    lists = {}
    for key in ("readers", "denied", "regions"):
        value = given.get(key) or ()
        if isinstance(value, str) or not isinstance(value, Sequence):
            raise BadInput(f"`{key}` is a list of names; got {type(value).__name__}.")
        lists[key] = tuple(value)
    return Access(classification=classification, **lists)


_FORMS = '"everyone", "group:<name>" or "user:<id>"'


def _checked(field: str, given: Sequence[str], form: re.Pattern[str]) -> tuple[str, ...]:
    strange = [name for name in given if not isinstance(name, str) or not form.match(name)]
    if strange:
        allowed = _FORMS if form is _NAME else "words of letters, digits, `.`, `_` and `-`, up to 50 long"
        raise BadInput(f"`{field}` are {allowed}; got {', '.join(quoted(str(name)) for name in strange)}.")
    return tuple(sorted(set(given)))


def is_name(name: str) -> bool:
    """Say whether a document can carry this name; a claim of another form can never match one."""
    return bool(_NAME.match(name))
