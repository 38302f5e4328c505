"""Who asks, and what they may do."""

from dataclasses import dataclass
from enum import StrEnum

from app.domain.access import EVERYONE, Claims, is_name


class Permission(StrEnum):
    """A thing a person may do; groups receive permissions in config/roles.toml."""

    ASK = "turns.ask"
    READ_ALL_TURNS = "turns.read_all"
    SUBMIT_JOBS = "jobs.submit"
    WRITE_DOCUMENTS = "documents.write"
    INSPECT_DOCUMENTS = "documents.inspect"
    INGEST_SOURCES = "sources.ingest"
    OPEN_CONSOLE = "console.open"
    FLIP_SWITCHES = "switches.flip"
    DECIDE_REVIEWS = "reviews.decide"
    READ_AUDIT = "audit.read"
    READ_COSTS = "costs.read"


@dataclass(frozen=True, slots=True)
class Principal:
    """A person or service that has proven who it is; `groups` hold those reached by nesting too."""

    user_id: str
    name: str = ""
    groups: tuple[str, ...] = ()
    permissions: frozenset[Permission] = frozenset()
    unit: str = ""
    clearance: int = 0
    regions: tuple[str, ...] = ()
    # What the identity token itself said: kept with queued work, because everything else is looked up anew.
    token_groups: tuple[str, ...] = ()

    @property
    def claims(self) -> Claims:
        """Give what this person brings when documents are read: names, clearance, regions."""
        names = (EVERYONE, *(f"group:{group}" for group in self.groups), f"user:{self.user_id}")
        return Claims(tuple(name for name in names if is_name(name)), self.clearance, self.regions)

    def may(self, permission: Permission) -> bool:
        """Say whether this person holds the permission."""
        return permission in self.permissions
