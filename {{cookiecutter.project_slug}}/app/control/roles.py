"""Which group may do what, from config/roles.toml."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.domain.identity import EVERYONE, Permission, Principal
from app.errors import CannotStart


@dataclass(frozen=True, slots=True)
class Roles:
    """Permissions by group; what is not granted is denied."""

    by_group: Mapping[str, frozenset[Permission]]

    @classmethod
    def read(cls, config: Mapping[str, Any]) -> "Roles":
        """Read the table `[permissions]` of config/roles.toml. Raises CannotStart for an unknown permission."""
        known = {permission.value for permission in Permission}
        by_group = {}
        for group, names in config.get("permissions", {}).items():
            if unknown := set(names) - known:
                allowed = ", ".join(sorted(known))
                raise CannotStart(
                    f"config/roles.toml, permissions.{group}: unknown {sorted(unknown)}; allowed: {allowed}"
                )
            by_group[group] = frozenset(Permission(name) for name in names)
        return cls(by_group)

    def principal(self, user_id: str, *, name: str = "", groups: tuple[str, ...] = (), unit: str = "") -> Principal:
        """Give the principal with the permissions of its groups and of everyone."""
        held = [self.by_group.get(group, frozenset()) for group in (EVERYONE, *groups)]
        return Principal(user_id, name or user_id, groups, frozenset().union(*held), unit)
