"""From what a token says to the person it stands for now: the token, the directory and config/roles.toml together."""

from dataclasses import dataclass, replace

from app.control.accounts import SERVICE
from app.control.roles import Roles
from app.domain.identity import Principal
from app.errors import Forbidden
from app.store import directory
from app.store.db import Database


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
        held = await self._held(user_id, groups) if self.has_directory else groups
        found = self.roles.principal(user_id, name=name, groups=held, unit=unit)
        return replace(found, token_groups=groups)

    def _of_account(self, user_id: str, groups: tuple[str, ...]) -> tuple[str, ...]:
        account = self.roles.accounts.get(user_id)
        if account is None:
            name = user_id.removeprefix(SERVICE)
            raise Forbidden(f"There is no service account {name!r} in config/roles.toml any more.")
        return tuple(group for group in groups if group in account.groups)

    async def _held(self, user_id: str, groups: tuple[str, ...]) -> tuple[str, ...]:
        """Go up the nesting of both until nothing is added; the directory hardly ever has to be asked twice."""
        asked = set(self.roles.reached(groups, user_id=user_id))
        async with self.database.work() as work:
            known = await directory.of_person(work, user_id, groups=asked)
            parents = dict(known.parents)
            held = {group for group in groups if group not in parents} | set(known.groups)
            if user_id.startswith(SERVICE):  # which no directory lists: only the nesting is the directory's
                held = set(groups)
            while True:
                reached = set(self.roles.reached(held, user_id=user_id))
                reached |= {above for group in reached for above in parents.get(group, ())}
                if new := reached - asked:
                    asked |= new
                    parents |= (await directory.of_person(work, user_id, groups=new)).parents
                if reached == held and not new:
                    return tuple(sorted(held))
                held = reached
