"""What config/roles.toml says: which group may do what, which groups hold others, who is cleared for what and where."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from app.control import accounts
from app.control.accounts import SERVICE, ServiceAccount
from app.domain.access import EVERYONE, is_name
from app.domain.identity import Permission, Principal
from app.errors import CannotStart

FILE = "config/roles.toml"
TABLES = ("permissions", "nesting", "members", "classification", "clearance", "regions", "service_accounts")


@dataclass(frozen=True, slots=True)
class Roles:
    """Permissions, nesting, members, levels, clearance and regions by group; what is not granted is denied.

    `levels` are the classifications, the lowest first; `clearance` holds places among them.
    """

    by_group: Mapping[str, frozenset[Permission]]
    nesting: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    members: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    levels: tuple[str, ...] = ()
    clearance: Mapping[str, int] = field(default_factory=dict)
    regions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    # By user id.
    accounts: Mapping[str, ServiceAccount] = field(default_factory=dict)

    @classmethod
    def read(cls, config: Mapping[str, Any]) -> "Roles":
        """Read config/roles.toml. Raises CannotStart with the key, and what it may hold."""
        if unknown := set(config) - set(TABLES):
            raise CannotStart(f"{FILE}: unknown {sorted(unknown)}; there are the tables: {', '.join(TABLES)}")
        nesting = {group: _names(f"nesting.{group}", inside) for group, inside in config.get("nesting", {}).items()}
        _refuse_cycles(nesting)
        levels = _levels(config.get("classification", {}))
        return cls(
            by_group=_permissions(config.get("permissions", {})),
            nesting=nesting,
            members={group: _names(f"members.{group}", ids) for group, ids in config.get("members", {}).items()},
            levels=levels,
            clearance={group: _level(group, name, levels) for group, name in config.get("clearance", {}).items()},
            regions={group: _names(f"regions.{group}", names) for group, names in config.get("regions", {}).items()},
            accounts=accounts.read(config.get("service_accounts", {})),
        )

    def reached(self, groups: Iterable[str], *, user_id: str = "") -> tuple[str, ...]:
        """Give the groups, those that list this person, and every group that holds one of them, however deep."""
        found = dict.fromkeys(groups)
        found.update({group: None for group, ids in self.members.items() if user_id in ids})
        rest = list(found)
        while rest:
            inner = rest.pop()
            for outer, inside in self.nesting.items():
                if inner in inside and outer not in found:
                    found[outer] = None
                    rest.append(outer)
        return tuple(found)

    def level_of(self, place: int) -> str:
        """Give what a clearance is called; a place that has no name (any more) stays a number."""
        return self.levels[place] if place < len(self.levels) else str(place) if place else "the lowest"

    def principal(self, user_id: str, *, name: str = "", groups: tuple[str, ...] = (), unit: str = "") -> Principal:
        """Give the principal with what its groups, the groups these reach, and everyone are granted."""
        held = self.reached(groups, user_id=user_id)
        granted = (EVERYONE, *held)
        return Principal(
            user_id,
            name or user_id,
            held,
            frozenset().union(*(self.by_group.get(group, frozenset()) for group in granted)),
            unit,
            clearance=max((self.clearance.get(group, 0) for group in granted), default=0),
            regions=tuple(sorted({region for group in granted for region in self.regions.get(group, ())})),
            token_groups=groups,
        )


def _permissions(table: Mapping[str, Any]) -> dict[str, frozenset[Permission]]:
    known = {permission.value for permission in Permission}
    by_group = {}
    for group, names in table.items():
        if unknown := set(names) - known:
            allowed = ", ".join(sorted(known))
            raise CannotStart(f"{FILE}, permissions.{group}: unknown {sorted(unknown)}; allowed: {allowed}")
        by_group[group] = frozenset(Permission(name) for name in names)
    return by_group


def _names(key: str, value: Any) -> tuple[str, ...]:
    """Check a list of names; groups of `nesting` are groups, and everyone is none."""
    group, table = key.partition(".")[2], key.partition(".")[0]
    if not isinstance(value, list) or not all(isinstance(name, str) and is_name(f"group:{name}") for name in value):
        raise CannotStart(f"{FILE}, {key}: write a list of names without spaces and commas; got {value!r}")
    if table in ("nesting", "members") and EVERYONE in (group, *value):
        raise CannotStart(f"{FILE}, {key}: everyone is no group; name the groups, or grant to everyone directly")
    if table == "members" and (programs := [name for name in value if name.startswith(SERVICE)]):
        raise CannotStart(f"{FILE}, {key}: write the group into the service account instead: {', '.join(programs)}")
    return tuple(value)


def _refuse_cycles(nesting: Mapping[str, tuple[str, ...]]) -> None:
    def walk(group: str, way: tuple[str, ...]) -> None:
        if group in way:
            circle = " > ".join((*way[way.index(group) :], group))
            raise CannotStart(f"{FILE}, nesting.{group}: these groups hold each other: {circle}; take one of them out")
        for inner in nesting.get(group, ()):
            walk(inner, (*way, group))

    for group in nesting:
        walk(group, ())


def _levels(table: Mapping[str, Any]) -> tuple[str, ...]:
    if unknown := set(table) - {"levels"}:
        raise CannotStart(f"{FILE}, classification: unknown {sorted(unknown)}; it has one key: levels")
    levels = _names("classification.levels", table.get("levels", []))
    if len(set(levels)) != len(levels):
        raise CannotStart(
            f"{FILE}, classification.levels: a level stands there twice; name each once, the lowest first"
        )
    return levels


def _level(group: str, name: Any, levels: tuple[str, ...]) -> int:
    if name not in levels:
        known = ", ".join(levels) or "none; write them into classification.levels, the lowest first"
        raise CannotStart(f"{FILE}, clearance.{group}: {name!r} is none of the levels: {known}")
    return levels.index(name)
