"""The tools of a use case as pydantic-ai wants them; what a use does is the business of who gives the hands."""

import json
from dataclasses import dataclass, field
from typing import Any

from pydantic_ai.exceptions import ApprovalRequired
from pydantic_ai.messages import ToolCallPart
from pydantic_ai.tools import RunContext, ToolDefinition
from pydantic_ai.toolsets import AbstractToolset, ToolsetTool

from app.domain.tool import Hands, Waits

UNREADABLE = "__unreadable__"


@dataclass
class Toolset(AbstractToolset[Any]):
    """Our tools as pydantic-ai wants them; checking and running is our hands' business."""

    hands: Hands
    id: str | None = field(default=None)

    async def get_tools(self, ctx: RunContext[Any]) -> dict[str, ToolsetTool[Any]]:
        """Describe the tools to the model."""
        return {
            tool.name: ToolsetTool(
                toolset=self,
                tool_def=ToolDefinition(
                    name=tool.name, description=tool.about, parameters_json_schema=tool.schema, strict=False
                ),
                max_retries=ctx.max_retries,
                args_validator=_Anything(),
            )
            for tool in self.hands.tools
        }

    async def call_tool(
        self, name: str, tool_args: dict[str, Any], ctx: RunContext[Any], tool: ToolsetTool[Any]
    ) -> str:
        """Use a tool; one that must wait ends the loop as a proposal."""
        try:
            return await self.hands.use(name, tool_args)
        except Waits as error:
            raise ApprovalRequired from error


class _Anything:
    """Lets every argument through to our own check, which also writes down what was refused."""

    def validate_json(self, input: str | bytes | bytearray, **_: Any) -> dict[str, Any]:
        return _object(input)

    def validate_python(self, input: Any, **_: Any) -> dict[str, Any]:
        return input if isinstance(input, dict) else {UNREADABLE: str(input)}


def arguments_of(call: ToolCallPart) -> dict[str, Any]:
    """Give the arguments of a call as the model wrote them; text that is no object stands under one name."""
    return _object(call.args) if isinstance(call.args, str) else dict(call.args or {})


def _object(text: str | bytes | bytearray) -> dict[str, Any]:
    try:
        found = json.loads(text or "{}")
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {UNREADABLE: str(text)}
