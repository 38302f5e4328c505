"""A tool: a function of a use case that a model may use, and what it accepts."""

import inspect
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol, get_type_hints

from pydantic import BaseModel, ConfigDict, PydanticUserError, ValidationError, create_model

from app.domain.access import EVERYONE
from app.domain.identity import Permission, Principal

if TYPE_CHECKING:
    from app.domain.turn import ToolUse

KEY = "key"
# What vendors accept as a name.
NAME = re.compile(r"^[a-zA-Z][a-zA-Z0-9_]{0,63}$")
Run = Callable[..., Awaitable[Any]]


class BadArguments(Exception):
    """The arguments do not fit the tool; the message says which and why, and holds none of their values."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that a model may use: `async (turn, **arguments) -> str or JSON`; its docstring says what for.

    `effects` says that it changes something in the world: it then runs only after a person has approved the arguments,
    and takes a text `key`, the same for every attempt at one approved use. `timeout_s` bounds one use, in seconds.
    `groups` (one of which the asker must be in; "everyone") and `permission` say for whom a model may use it: for
    others it does not know that there is such a tool, and a use is refused.
    """

    run: Run
    effects: bool = False
    timeout_s: float = 10.0
    groups: tuple[str, ...] = (EVERYONE,)
    permission: Permission | None = None

    def admits(self, who: Principal) -> bool:
        """Say whether a model may use it for this person."""
        is_in = EVERYONE in self.groups or bool(set(self.groups) & set(who.groups))
        return is_in and (self.permission is None or who.may(self.permission))

    @property
    def name(self) -> str:
        """Give the name under which the model knows it."""
        return str(getattr(self.run, "__name__", self.run))

    @property
    def about(self) -> str:
        """Give its docstring: the model decides by it."""
        return inspect.getdoc(self.run) or ""

    @property
    def schema(self) -> dict[str, Any]:
        """Give the JSON Schema of its arguments."""
        schema = _accepted(self).model_json_schema()
        return {name: part for name, part in schema.items() if name != "title"}

    def check(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Give the arguments as the function's own types. Raises BadArguments."""
        model = _accepted(self)
        try:
            checked = model.model_validate(dict(arguments))
        except ValidationError as error:
            faults = [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()]
            raise BadArguments("; ".join(faults)) from error
        return {name: getattr(checked, name) for name in model.model_fields}


class Waits(Exception):
    """This use is not for the model to make: a person decides on it after the turn."""


class Hands(Protocol):
    """What uses the tools: checks, runs, records and masks, all with the asker's rights."""

    @property
    def tools(self) -> Sequence[Tool]:
        """Give the tools that may be used for who asks."""
        ...

    @property
    def waiting(self) -> "tuple[ToolUse, ...]":
        """Give the uses that wait for a person."""
        ...

    async def use(self, name: str, arguments: Mapping[str, Any]) -> str:
        """Use a tool; gives what the model is told. Raises Waits."""
        ...


def faults_of(tools: Sequence[Tool]) -> list[str]:
    """Say what is wrong with a use case's tools, one line per fault, each with its cure."""
    faults = [fault for tool in tools for fault in _faults(tool)]
    twice = [name for name, times in Counter(tool.name for tool in tools).items() if times > 1]
    return faults + [f"two tools are called {name!r}; rename one" for name in twice]


def _faults(tool: Tool) -> list[str]:
    if not inspect.iscoroutinefunction(tool.run):
        return [f"{tool.name}: write it as `async def`"]
    own, faults = inspect.signature(tool.run).parameters, []
    if not NAME.match(tool.name):
        faults.append("give it a name of at most 64 plain letters, digits and _")
    if not tool.about:
        faults.append("write a docstring: the model decides by it when to use the tool")
    if next(iter(own), "") != "turn":
        faults.append("make `turn` its first parameter: who asks, and when it must be done")
    if any(each.kind in (each.VAR_POSITIONAL, each.VAR_KEYWORD, each.POSITIONAL_ONLY) for each in own.values()):
        faults.append("name each parameter: *args, **kwargs and positional ones cannot be described to a model")
    bare = [name for name, each in list(own.items())[1:] if each.annotation is each.empty]
    faults += [f"annotate the parameter `{name}`" for name in bare]
    if tool.effects and KEY not in own:
        faults.append(f"it has effects, so it takes `{KEY}: str`: hand it to the other system as its idempotency key")
    if isinstance(tool.groups, str) or not tool.groups:
        faults.append('groups must be a tuple of names, such as ("finance",); ("everyone",) opens it to all')
    if tool.timeout_s <= 0:
        faults.append("timeout_s must be more than 0 seconds")
    return [f"{tool.name}: {fault}" for fault in faults or _undescribed(tool)]


def _undescribed(tool: Tool) -> list[str]:
    try:
        _accepted(tool).model_json_schema()
    except (PydanticUserError, NameError, TypeError, ValueError) as error:
        return [f"its parameters cannot be described to a model: {str(error).splitlines()[0]}"]
    return []


@lru_cache(maxsize=1000)
def _accepted(tool: Tool) -> type[BaseModel]:
    hints = get_type_hints(tool.run, include_extras=True)
    fields: dict[str, Any] = {
        name: (hints[name], ... if each.default is each.empty else each.default)
        for name, each in list(inspect.signature(tool.run).parameters.items())[1:]
        if not (tool.effects and name == KEY)
    }
    return create_model(tool.name, __config__=ConfigDict(extra="forbid"), **fields)
