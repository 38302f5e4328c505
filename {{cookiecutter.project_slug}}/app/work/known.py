"""The people whom this service knows by name: the directory's, those of config/ and, of others, their last turn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from app.control.claims import Person
from app.control.people import People
from app.domain.identity import Principal
from app.errors import NotFound, quoted
from app.store import inspection
from app.store.db import Database

GROUP = "group:"


@dataclass(frozen=True, slots=True)
class Known:
    """Gives people with the rights that they would have now; `development` are the identities of config/people.toml."""

    database: Database
    people: People
    development: Mapping[str, Person] = field(default_factory=dict)

    @property
    def levels(self) -> tuple[str, ...]:
        """Give the classifications, the lowest first."""
        return self.people.roles.levels

    async def everybody(self) -> list[Principal]:
        """List everybody who is known by name."""
        named = [(user_id, *self._token(user_id)) for user_id in sorted(await self._names())]
        return await self.people.everybody(named)

    async def called(self, user_id: str, *, groups: Sequence[str] = ()) -> Principal:
        """Give one person; `groups` are those of their identity token.

        Without them, who is known from nowhere else has the names of their last search. Raises NotFound.
        """
        if groups or user_id in await self._names():
            return await self._person(user_id, groups)
        async with self.database.work() as work:
            names = await inspection.last_names(work, user_id)
        if names is None:
            raise NotFound(
                f"Nobody here is called {quoted(user_id)}: not in the directory, config/ or the ledger."
                " Name the groups of their identity token as well."
            )
        return await self._person(user_id, [name.removeprefix(GROUP) for name in names if name.startswith(GROUP)])

    async def _names(self) -> set[str]:
        async with self.database.work() as work:
            listed = await inspection.in_directory(work)
        members = {user_id for ids in self.people.roles.members.values() for user_id in ids}
        return {*self.development, *members, *listed, *self.people.roles.accounts}

    async def _person(self, user_id: str, groups: Sequence[str]) -> Principal:
        name, own = self._token(user_id)
        return await self.people.principal(user_id, name=name, groups=tuple(dict.fromkeys((*own, *groups))))

    def _token(self, user_id: str) -> tuple[str, tuple[str, ...]]:
        person = self.development.get(user_id)
        account = self.people.roles.accounts.get(user_id)
        return person.name if person else "", person.groups if person else account.groups if account else ()
