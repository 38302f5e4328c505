"""What a model does with tools inside a turn: checked, bounded in time, masked both ways, and always written down."""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, Literal

import structlog
from opentelemetry.trace import Span, Status, StatusCode

from app.domain.masking import Masks
from app.domain.tool import BadArguments, Tool, Waits
from app.domain.turn import ToolUse, Turn
from app.guard.exits import Exit
from app.guard.injection import is_suspicious
from app.guard.pii import masked, remasked, unmask
from app.guard.stream import Withheld
from app.llm.spotlight import tagged
from app.store.reviews import Proposed
from app.telemetry import tracing

log = structlog.get_logger(__name__)
RESULT_CHARS = 8000
NAME_CHARS = 64
NOT_FOR_ASKER = "it may not be used for the person who asks"
TURNED_OFF = "an operator has turned it off"
WITHHELD = "the result was withheld: it holds instructions to the model"
Ended = Literal["ran", "failed", "refused", "waits"]


def nothing_off(_: str) -> str:
    """Say of no tool that it is turned off."""
    return ""


@dataclass(slots=True)
class InTurn:
    """The hands of a model within one turn; they run with the asker's rights, as every tool is given the turn."""

    turn: Turn
    masks: Masks
    waiting_: list[ToolUse] = field(default_factory=list)
    exit: Exit | None = None
    why_off: Callable[[str], str] = nothing_off

    @property
    def tools(self) -> Sequence[Tool]:
        """Give the tools of the use case that may be used for who asks."""
        return [tool for tool in self.turn.usecase.tools if tool.admits(self.turn.principal)]

    @property
    def waiting(self) -> tuple[ToolUse, ...]:
        """Give the uses that wait for a person."""
        return tuple(self.waiting_)

    async def use(self, name: str, arguments: Mapping[str, Any]) -> str:
        """Use a tool; gives what the model is told, masked. Raises Waits where a person must approve first."""
        name, arguments = plain(name), _each_text(arguments, plain)
        # As the model wrote them, but for what it may have made up itself.
        arguments = await remasked(arguments, self.masks)
        tool = next((tool for tool in self.tools if tool.name == name), None)
        with tracing.span(f"execute_tool {tool.name if tool else 'unknown'}") as span:
            if tool is None:
                self._note(span, name, arguments, ended="refused", error=self._why_not(name))
                # Whoever made the model ask is not told which tools others have.
                return f"There is no tool {name[:NAME_CHARS]!r}."
            span.set_attribute("gen_ai.operation.name", "execute_tool")
            span.set_attribute("gen_ai.tool.name", tool.name)
            if self.why_off(tool.name):
                self._note(span, tool.name, arguments, ended="refused", error=TURNED_OFF)
                return f"The tool {tool.name} is not available: it is turned off. Say so where that leaves a gap."
            self._inside(span, tool, arguments, as_text(arguments))
            try:
                checked = tool.check(_each_text(arguments, lambda text: unmask(text, self.masks)))
            except BadArguments as error:
                why = await remasked(str(error), self.masks)
                self._note(span, tool.name, arguments, ended="refused", error=why)
                return f"Not done, the arguments do not fit: {why}"
            if not tool.effects:
                return await self._run(span, tool, checked, arguments=arguments)
            self.waiting_.append(self._note(span, tool.name, arguments, ended="waits"))
        raise Waits

    def _why_not(self, name: str) -> str:
        known = any(tool.name == name for tool in self.turn.usecase.tools)
        return NOT_FOR_ASKER if known else "there is no such tool"

    async def _run(self, span: Span, tool: Tool, checked: dict[str, Any], *, arguments: Mapping[str, Any]) -> str:
        started = perf_counter()
        try:
            async with asyncio.timeout(tool.timeout_s):
                text = as_text(await tool.run(self.turn, **checked))
        except asyncio.CancelledError:
            ms = (perf_counter() - started) * 1000
            self._note(span, tool.name, arguments, ended="failed", error="stopped with the turn", ms=ms)
            raise
        except Exception as error:
            ms = (perf_counter() - started) * 1000
            why = describe(error, tool)
            log.warning("tool.failed", tool=tool.name, turn_id=str(self.turn.id), exc_info=True)
            self._note(span, tool.name, arguments, ended="failed", error=why, ms=ms)
            return f"The tool failed ({why}). Its arguments were fine."
        ms = (perf_counter() - started) * 1000
        if is_suspicious(text):
            self._note(span, tool.name, arguments, ended="failed", error=WITHHELD, ms=ms)
            return f"The tool ran, but {WITHHELD}."
        self._inside(span, tool, arguments, text)
        self._note(span, tool.name, arguments, ended="ran", ms=ms)
        (told,), grown = await masked((text,), self.masks)
        self.masks.update(grown)
        self.turn.tape.told.append(told)
        return tagged("result", told, mark=self.turn.mark)

    def _inside(self, span: Span, tool: Tool, arguments: Mapping[str, Any], text: str) -> None:
        """End the turn where a tool is handed, or gives, what must stay inside: our instructions, our secrets."""
        if self.exit and (finding := self.exit.inside(text)):
            self._note(span, tool.name, {}, ended="refused", error=finding.detail)
            sentence = self.turn.usecase.contract.sentences.unsafe
            raise Withheld(finding, said=as_text(arguments), sentence=sentence)

    def _note(
        self, span: Span, name: str, arguments: Mapping[str, Any], *, ended: Ended, error: str = "", ms: float = 0.0
    ) -> ToolUse:
        use = ToolUse(name[:NAME_CHARS], dict(arguments), ended, round(ms, 3), error)
        self.turn.tape.tools.append(use)
        span.set_attribute("app.outcome", ended)
        if ended == "failed":
            span.set_status(Status(StatusCode.ERROR, error))
        return use


def proposed(turn: Turn) -> Proposed:
    """Give what a person is asked to approve, with the real arguments: a person must see what will be done."""
    uses = turn.draft.actions if turn.draft else ()
    actions = [
        {"tool": use.tool, "arguments": _each_text(use.arguments, lambda text: unmask(text, turn.masks))}
        for use in uses
    ]
    return Proposed(actions, turn.principal.token_groups, turn.principal.unit)


def as_text(result: Any) -> str:
    """Write a tool's result as text, cut at 8,000 characters."""
    text = result if isinstance(result, str) else json.dumps(result, ensure_ascii=False, default=str)
    return plain(text if len(text) <= RESULT_CHARS else f"{text[:RESULT_CHARS]} (cut: there is more)")


def plain(text: str) -> str:
    """Give the text without what PostgreSQL cannot store: U+0000, and halves of surrogate pairs."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode()


def describe(error: Exception, tool: Tool) -> str:
    """Name a tool's failure without its words: they may tell of our inside."""
    if isinstance(error, TimeoutError):
        return f"no answer within {tool.timeout_s:g} seconds"
    return type(error).__name__


def _each_text(arguments: Mapping[str, Any], change: Callable[[str], str]) -> dict[str, Any]:
    return {change(name): _changed(value, change) for name, value in arguments.items()}


def _changed(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return _each_text(value, change)
    return [_changed(item, change) for item in value] if isinstance(value, list) else value
