"""What somebody may still do before a limit says no: told with every answer that a limit stands before."""

from dataclasses import dataclass, field
from typing import Literal

Unit = Literal["requests", "turns", "tokens", "uploads", "upload-bytes"]
Scope = Literal["asker", "person", "key", "usecase", "address"]


@dataclass(frozen=True, slots=True)
class Quota:
    """One limit and what is left of it: `allowed` units in `window_s` seconds, or at once (0).

    `again_s` is when there is more. Scopes: the `asker` is a person in one use case, the `person` the same in all.
    """

    scope: Scope
    unit: Unit
    allowed: int
    window_s: int
    left: int
    again_s: int
    is_full: bool = False

    @property
    def policy(self) -> str:
        """Give the name under which headers and problems speak of it."""
        return f"{self.scope}-{self.unit}"

    @property
    def is_told(self) -> bool:
        """Say whether an answer may show it: what all people together have used is nobody's business."""
        return self.scope != "usecase" or self.is_full


@dataclass(slots=True)
class Visit:
    """One request from outside: its address ("" where none counts), and what its answer tells of limits."""

    address: str = ""
    quotas: list[Quota] = field(default_factory=list)
