"""A use case: its contract, and the code that its folder brings along."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from app.domain.contract import Contract
from app.domain.identity import Principal
from app.domain.review import Reviews, Second
from app.domain.source import AnySource
from app.domain.tool import Tool

if TYPE_CHECKING:
    from app.domain.turn import Draft, Finding, Passage, Turn


FlagValue = TypeVar("FlagValue", bound=bool | str | int | float | Mapping[str, Any])


class Kit(Protocol):
    """What the platform lends to a workflow; every call through it is metered, traced and recorded."""

    async def search(self, question: str) -> "tuple[Passage, ...]":
        """Find passages the asker may read."""
        ...

    async def ask(self, turn: "Turn", *, prompt: str | None = None) -> "Draft":
        """Go down the ladder with the contract's prompt, or with another prompt of this use case."""
        ...

    async def agent(self, turn: "Turn", *, prompt: str | None = None) -> "Draft":
        """Let a model use the tools of this use case until it has an answer; `actions` of the draft wait for a person.

        Bounded by `[agent]`, `cost.per_turn_usd` and the deadline; ends as `ask` does when no model can be reached.
        """
        ...

    def flag(self, key: str, default: FlagValue) -> FlagValue:
        """Give what a flag of your own says for the asker now, of the default's type.

        Targeting may name `targetingKey` (the asker's id), `groups`, `unit` and `usecase`. A flag that is unknown, of
        another type or cannot be evaluated has the default; the log says so once.
        """
        ...


Workflow = Callable[["Turn", Kit], Awaitable["Draft"]]
Check = Callable[["Turn", "Draft"], "Finding | None"]
Rules = Callable[["Turn"], "Draft | None"]


@dataclass(frozen=True, slots=True)
class UseCase:
    """A contract with everything its folder brings."""

    name: str
    folder: Path
    contract: Contract
    checks: tuple[Check, ...] = ()
    sources: tuple[AnySource, ...] = ()
    workflow: Workflow | None = None
    rules: Rules | None = None
    tools: tuple[Tool, ...] = ()
    prompts: Mapping[str, Any] = field(default_factory=dict)

    def admits(self, who: Principal) -> bool:
        """Say whether this person or program may use it: by its contract, and by the API key that asks."""
        return who.may_use(self.name) and self.contract.access.admits(who)


def second_person(usecase: UseCase | None) -> Second:
    """Say when another person clears what a reviewer wrote; a use case that is gone is as one that says nothing."""
    return (usecase.contract.reviews if usecase else Reviews()).second_person
