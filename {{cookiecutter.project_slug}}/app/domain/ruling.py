"""Why a person may, or may not, read a document: the rule of the rights algebra that decides, in words."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from app.domain.access import Access, Claims, level_of

Rule = Literal["readers", "denied", "classification", "regions"]


@dataclass(frozen=True, slots=True)
class Ruling:
    """The first rule that keeps a person out or, when none does, `readers` with the names that let them in.

    `names` are those that decide: the person's own among readers or denied, the document's level, or its regions.
    """

    allowed: bool
    rule: Rule
    names: tuple[str, ...]
    said: str
    cure: str = ""


def ruling(access: Access, claims: Claims, levels: Sequence[str]) -> Ruling:
    """Judge as `may_read` does, and say by which rule; `levels` are the names, the lowest first."""
    mine = set(claims.names)
    admitted = tuple(sorted(mine & set(access.readers)))
    if not admitted:
        readers = ", ".join(access.readers)
        return Ruling(
            allowed=False,
            rule="readers",
            names=access.readers,
            said=f"not among the readers: {readers}",
            cure="add the person, or one of their groups, to the readers where the document comes from",
        )
    return _kept_out(access, claims, levels) or Ruling(
        allowed=True, rule="readers", names=admitted, said=f"reads it as {', '.join(admitted)}"
    )


def _kept_out(access: Access, claims: Claims, levels: Sequence[str]) -> Ruling | None:
    denied = tuple(sorted(set(claims.names) & set(access.denied)))
    if denied:
        said = f"denied to {', '.join(denied)}; a deny beats every reader"
        cure = f"take {', '.join(denied)} off the denied names, or the person out of that group"
        return Ruling(allowed=False, rule="denied", names=denied, said=said, cure=cure)
    level = level_of(access.classification, levels)
    if level is None or level > claims.clearance:
        return _above(access, claims, levels)
    if access.regions and not set(access.regions) & set(claims.regions):
        theirs = ", ".join(claims.regions) or "none"
        said = f"for the regions {', '.join(access.regions)}; the person has: {theirs}"
        cure = "give one of the person's groups such a region in config/roles.toml"
        return Ruling(allowed=False, rule="regions", names=access.regions, said=said, cure=cure)
    return None


def _above(access: Access, claims: Claims, levels: Sequence[str]) -> Ruling:
    name = access.classification
    if name in levels:
        theirs = levels[claims.clearance] if claims.clearance < len(levels) else str(claims.clearance)
        said, cure = (
            f"classified {name}; the person is cleared up to {theirs}",
            f"clear one of the person's groups for {name} in config/roles.toml",
        )
    else:
        said, cure = (
            f"classified {name!r}, which is no level of config/roles.toml: nobody reads it",
            "add the level to config/roles.toml, or correct the document's classification",
        )
    return Ruling(allowed=False, rule="classification", names=(name,), said=said, cure=cure)
