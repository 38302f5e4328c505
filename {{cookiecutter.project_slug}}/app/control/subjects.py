"""What there is to turn off: use cases, models, providers, tools, groups, units; and what a name means in words."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

from app.domain.access import EVERYONE
from app.domain.switch import EVERYTHING
from app.domain.usecase import UseCase
from app.store import subjects as seen
from app.store.db import Database


def _no_doors(_: UseCase) -> Collection[str]:
    return ()


@dataclass(frozen=True, slots=True)
class Subjects:
    """`models` are written `provider:name`; `groups` are those that config/ names; the database knows of more.

    `doors` gives the models that answers of a use case may come from, written in the same way.
    """

    database: Database
    cases: Mapping[str, UseCase] = field(default_factory=dict)
    models: Iterable[str] = ()
    groups: Iterable[str] = ()
    units: Iterable[str] = ()
    doors: Callable[[UseCase], Collection[str]] = _no_doors

    async def known(self) -> dict[str, str]:
        """Give each subject with its title, in the order in which people look for them."""
        async with self.database.work() as work:
            groups, units = await seen.groups(work), await seen.units(work)
        named = {case.contract.access.groups for case in self.cases.values()}
        groups = {*groups, *self.groups, *(group for each in named for group in each)} - {EVERYONE, ""}
        units = {*units, *self.units} - {""}
        return {
            EVERYTHING: "Everything",
            **{name: case.contract.title for name, case in self.cases.items()},
            **self._of_models(),
            **self._of_tools(),
            **{f"group:{group}": f"Questions of the group {group}" for group in sorted(groups)},
            **{f"unit:{unit}": f"Questions of the business unit {unit}" for unit in sorted(units)},
        }

    async def has_met(self, subject: str) -> bool:
        """Say whether a unit that no list names has asked lately."""
        kind, _, unit = subject.partition(":")
        if kind != "unit" or not unit:
            return False
        async with self.database.work() as work:
            return await seen.has_asked(work, unit)

    def _of_models(self) -> dict[str, str]:
        doors = [model.partition(":") for model in self.models]
        providers = {f"provider:{provider}": f"Every model of {provider}" for provider, _, _ in doors}
        return providers | {f"model:{name}": f"The model {name} of {provider}" for provider, _, name in doors}

    def _of_tools(self) -> dict[str, str]:
        owned = [(name, tool.name) for name, case in self.cases.items() for tool in case.tools]
        return {f"tool:{tool}": f"The tool {tool}, wherever it is used" for _, tool in owned} | {
            f"tool:{name}.{tool}": f"The tool {tool} in {self.cases[name].contract.title}" for name, tool in owned
        }
