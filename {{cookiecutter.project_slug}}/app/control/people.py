"""From what a token says to the person it stands for now: the token, the directory and config/roles.toml together."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace

from app.control.accounts import SERVICE
from app.control.roles import Roles
from app.domain.identity import Principal
from app.errors import Forbidden
from app.store import directory
from app.store.db import Database
from app.store.directory import Known

# What the directory says of a person and of these groups.
Look = Callable[[Iterable[str]], Awaitable[Known]]


@dataclass(frozen=True, slots=True)
class People:
    """Looks up what a person is granted, anew each time; only with a directory does that ask the database.

    Of a group that the directory lists, it alone says who is in it: what a token says of it, which may be of this
    morning, does not count. Of every other group the token decides. config/roles.toml adds members and nesting to both.
    """

    roles: Roles
    database: Database
    has_directory: bool = False

    async def principal(
        self, user_id: str, *, name: str = "", groups: tuple[str, ...] = (), unit: str = ""
    ) -> Principal:
        """Give the person with everything they are granted now. Raises DependencyDown without the database.

        Of a service account's groups it takes those that config/roles.toml still gives it. Raises Forbidden for one
        that is not there any more.
        """
        if user_id.startswith(SERVICE):
            groups = self._of_account(user_id, groups)
        if not self.has_directory:
            return self._granted(user_id, name, unit, groups=groups, held=groups)
        async with self.database.work() as work:

            async def look(names: Iterable[str]) -> Known:
                return await directory.of_person(work, user_id, groups=names)

            held = await self._held(user_id, groups, look)
        return self._granted(user_id, name, unit, groups=groups, held=held)

    async def everybody(self, known: Iterable[tuple[str, str, tuple[str, ...]]]) -> list[Principal]:
        """Give many people at once, each by id, name and the groups of their token: the directory is read once.

        Raises DependencyDown without the database.
        """
        if not self.has_directory:
            return [await self.principal(user_id, name=name, groups=groups) for user_id, name, groups in known]
        async with self.database.work() as work:
            all_ = await directory.whole(work)
        found = []
        for user_id, name, groups in known:

            async def look(names: Iterable[str], user_id: str = user_id) -> Known:
                return all_.of_person(user_id, names)

            own = self._of_account(user_id, groups) if user_id.startswith(SERVICE) else groups
            found.append(self._granted(user_id, name, "", groups=own, held=await self._held(user_id, own, look)))
        return found

    def _granted(
        self, user_id: str, name: str, unit: str, *, groups: tuple[str, ...], held: tuple[str, ...]
    ) -> Principal:
        return replace(self.roles.principal(user_id, name=name, groups=held, unit=unit), token_groups=groups)

    def _of_account(self, user_id: str, groups: tuple[str, ...]) -> tuple[str, ...]:
        account = self.roles.accounts.get(user_id)
        if account is None:
            name = user_id.removeprefix(SERVICE)
            raise Forbidden(f"There is no service account {name!r} in config/roles.toml any more.")
        return tuple(group for group in groups if group in account.groups)

    async def _held(self, user_id: str, groups: tuple[str, ...], look: Look) -> tuple[str, ...]:
        """Go up the nesting of both until nothing is added; the directory hardly ever has to be asked twice."""
        asked = set(self.roles.reached(groups, user_id=user_id))
        known = await look(asked)
        parents = dict(known.parents)
        held = {group for group in groups if group not in parents} | set(known.groups)
        if user_id.startswith(SERVICE):  # which no directory lists: only the nesting is the directory's
            held = set(groups)
        while True:
            reached = set(self.roles.reached(held, user_id=user_id))
            reached |= {above for group in reached for above in parents.get(group, ())}
            if new := reached - asked:
                asked |= new
                parents |= (await look(new)).parents
            if reached == held and not new:
                return tuple(sorted(held))
            held = reached
