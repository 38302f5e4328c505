"""A person's groups, anew each time: of a group that the directory lists, it alone says who is in it."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.control.people import People
from app.control.roles import Roles
from app.errors import BadInput, DependencyDown
from app.store.db import Database
from app.work.directory import DirectoryKeeper
from ops.local.engines import Engines
from ops.prove.rights import another_database

pytestmark = pytest.mark.proves("SEC-4", "SEC-1")
ROLES = Roles.read({"nesting": {"staff": ["hr"], "guild": ["union"]}, "members": {"hr": ["bot"]}})


class Desk:
    """A directory in a file, its keeper, and people who are looked up."""

    def __init__(self, url: str, file: Path) -> None:
        self.reading, self.writing, self.file = Database(url), Database(url, role="app_ingest"), file
        self.keeper = DirectoryKeeper(self.writing, (), str(file), every_s=3600)
        self.people = People(ROLES, self.reading, has_directory=True)

    async def says(self, **groups: list[str]) -> None:
        """Have the directory list these; a member with `@` is a group."""
        listed = [
            {
                "displayName": name,
                "members": [
                    {"value": who.removeprefix("@"), "type": "Group" if who.startswith("@") else "User"}
                    for who in members
                ],
            }
            for name, members in groups.items()
        ]
        self.file.write_text(json.dumps({"Resources": listed}))
        await self.keeper.sync()

    async def groups(self, person: str, *token: str) -> set[str]:
        return set((await self.people.principal(person, groups=token)).groups)


@pytest.fixture
async def desk(engines: Engines, tmp_path: Path) -> AsyncIterator[Desk]:
    made = Desk(another_database(engines.database_url), tmp_path / "groups.json")
    yield made
    await made.reading.close()
    await made.writing.close()


async def test_the_token_speaks_for_groups_that_the_directory_does_not_list(desk: Desk) -> None:
    assert await desk.groups("ada", "hr", "chess") == {"hr", "staff", "chess"}
    await desk.says(hr=["bob"])
    assert await desk.groups("ada", "hr", "chess") == {"chess"}
    assert await desk.groups("bob") == {"hr", "staff"}


async def test_who_is_taken_out_has_lost_the_group_though_their_token_names_it(desk: Desk) -> None:
    await desk.says(hr=["ada"])
    assert await desk.groups("ada", "hr") == {"hr", "staff"}
    await desk.says(hr=["bob"])
    assert await desk.groups("ada", "hr") == set()


async def test_a_group_that_the_directory_drops_comes_back_by_no_token_until_it_is_released(desk: Desk) -> None:
    await desk.says(hr=["ada"], it=["ada"])
    await desk.says(it=["ada"])
    assert await desk.groups("ada", "hr") == {"it"}
    assert not await desk.keeper.release("it"), "what is listed is not released"
    assert await desk.keeper.release("hr")
    assert await desk.groups("ada", "hr") == {"it", "hr", "staff"}


async def test_both_nestings_are_gone_up_in_turn(desk: Desk) -> None:
    # union is in staff (directory), guild holds union (roles.toml), board holds guild (directory).
    await desk.says(union=["@hr"], board=["@guild"], guild=[], hr=["ada"])
    assert await desk.groups("ada") == {"hr", "staff", "union", "guild", "board"}
    assert await desk.groups("bot") == {"hr", "staff", "union", "guild", "board"}, "by [members], all the same"
    assert await desk.groups("eve", "guild") == set()


async def test_the_last_known_groups_hold_while_the_directory_cannot_be_read(desk: Desk) -> None:
    await desk.says(hr=["ada"])
    desk.file.write_text('{"Resources": []}')
    with pytest.raises(BadInput):
        await desk.keeper.sync()
    assert (await desk.keeper.standing()).error
    desk.file.unlink()
    with pytest.raises(DependencyDown):
        await desk.keeper.sync()
    standing = await desk.keeper.standing()
    assert standing.groups == 1 and standing.people == 1 and "No such file" in standing.error and standing.synced_at
    assert await desk.groups("ada", "hr") == {"hr", "staff"}
    await desk.says(hr=["ada"])
    assert (await desk.keeper.standing()).error == ""


async def test_housekeeping_syncs_when_it_is_time_and_lets_no_fault_out(desk: Desk) -> None:
    desk.file.write_text("rubbish")
    await desk.keeper.keep()
    assert (await desk.keeper.standing()).error
    await desk.says(hr=["ada"])
    desk.file.write_text("rubbish")
    await desk.keeper.keep()
    assert (await desk.keeper.standing()).error == "", "not yet time"


async def test_without_a_directory_what_it_once_said_does_not_count(desk: Desk) -> None:
    await desk.says(hr=["bob"])
    without = People(ROLES, desk.reading)
    assert set((await without.principal("ada", groups=("hr",))).groups) == {"hr", "staff"}


async def test_the_role_that_answers_people_cannot_put_anybody_into_a_group(desk: Desk) -> None:
    for statement in (
        "INSERT INTO directory_people VALUES ('eve', '{hr}')",
        "UPDATE directory_people SET groups = '{hr}'",
        "DELETE FROM directory_groups",
        "UPDATE classifications SET level = 0",
    ):
        with pytest.raises(Exception, match="permission denied"):
            async with desk.reading.work() as work:
                await work.sql(statement)
