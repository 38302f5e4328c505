"""Who asks, and what they may do."""

from dataclasses import dataclass
from enum import StrEnum

from app.domain.access import EVERYONE, Claims, is_name


class Permission(StrEnum):
    """A thing a person may do; groups receive permissions in config/roles.toml."""

    ASK = "turns.ask"
    READ_ALL_TURNS = "turns.read_all"
    SEE_COST = "turns.see_cost"
    SEE_EVIDENCE = "turns.see_evidence"
    SUBMIT_JOBS = "jobs.submit"
    REPLAY_JOBS = "jobs.replay"
    WRITE_DOCUMENTS = "documents.write"
    INSPECT_DOCUMENTS = "documents.inspect"
    INGEST_SOURCES = "sources.ingest"
    OPEN_CONSOLE = "console.open"
    FLIP_SWITCHES = "switches.flip"
    DECIDE_REVIEWS = "reviews.decide"
    ASSIGN_REVIEWS = "reviews.assign"
    SEE_PERSONAL_DATA = "reviews.see_personal_data"
    READ_AUDIT = "audit.read"
    EXPORT_AUDIT = "audit.export"
    READ_COSTS = "costs.read"
    READ_SETTINGS = "settings.read"
    MANAGE_KEYS = "keys.manage"
    MANAGE_WEBHOOKS = "webhooks.manage"
    MANAGE_ROLLOUTS = "rollouts.manage"
    RESTRICT = "people.restrict"
    EXPORT_PEOPLE = "people.export"
    ERASE_PEOPLE = "people.erase"
    HOLD_PEOPLE = "people.hold"


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
    # The API key behind the request; empty when a person's own token is.
    key_id: str = ""
    # Where an API key is for some use cases only: their names. None: for all that its account may use.
    only_usecases: frozenset[str] | None = None

    @property
    def claims(self) -> Claims:
        """Give what this person brings when documents are read: names, clearance, regions."""
        names = (EVERYONE, *(f"group:{group}" for group in self.groups), f"user:{self.user_id}")
        return Claims(tuple(name for name in names if is_name(name)), self.clearance, self.regions)

    def may(self, permission: Permission) -> bool:
        """Say whether this person holds the permission."""
        return permission in self.permissions

    def may_use(self, usecase: str) -> bool:
        """Say whether the API key behind the request, if any, is meant for this use case."""
        return self.only_usecases is None or usecase in self.only_usecases
