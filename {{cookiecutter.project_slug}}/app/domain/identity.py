"""Who asks, and what they may do."""

from dataclasses import dataclass
from enum import StrEnum

EVERYONE = "everyone"


class Permission(StrEnum):
    """A thing a person may do; groups receive permissions in config/roles.toml."""

    ASK = "turns.ask"
    READ_ALL_TURNS = "turns.read_all"
    SUBMIT_JOBS = "jobs.submit"
    WRITE_DOCUMENTS = "documents.write"
    INGEST_SOURCES = "sources.ingest"
    OPEN_CONSOLE = "console.open"
    FLIP_SWITCHES = "switches.flip"
    DECIDE_REVIEWS = "reviews.decide"
    READ_AUDIT = "audit.read"
    READ_COSTS = "costs.read"


@dataclass(frozen=True, slots=True)
class Principal:
    """A person or service that has proven who it is."""

    user_id: str
    name: str = ""
    groups: tuple[str, ...] = ()
    permissions: frozenset[Permission] = frozenset()
    unit: str = ""

    @property
    def readers(self) -> tuple[str, ...]:
        """Give every reader name this person answers to, as documents carry them."""
        return (EVERYONE, *(f"group:{group}" for group in self.groups), f"user:{self.user_id}")

    def may(self, permission: Permission) -> bool:
        """Say whether this person holds the permission."""
        return permission in self.permissions
