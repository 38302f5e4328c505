"""Who stands behind an id: the person, or the people who may have asked through a program."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from app.control.accounts import SERVICE
from app.domain.review import ensure_not_own, is_program, person
from app.store import keys
from app.store.db import Work


@dataclass(frozen=True, slots=True)
class Behind:
    """Tells who may have asked under an id; `owners` names who answers for each program."""

    owners: Mapping[str, str] = field(default_factory=dict)

    async def people(self, work: Work, *ids: str) -> frozenset[str]:
        """Give the people behind these ids; behind a program, its owner and whoever made a key for it."""
        found = {person(id) for id in ids}
        for program in filter(is_program, ids):
            # Whoever made a key has seen it, and may have asked with it; that it is revoked since changes nothing.
            found |= {person(each) for each in await keys.makers(work, program.removeprefix(SERVICE))}
            found |= {person(self.owners[program])} if program in self.owners else set()
        return frozenset(found)

    async def ensure_other(self, work: Work, by: str, *ids: str) -> None:
        """Keep people from what they, or a program that they stand behind, asked for or proposed. Raises Forbidden."""
        ensure_not_own(by, await self.people(work, *ids))
