"""Everything a use case may import; what is not here is the platform's own business.

contract.toml    the promise (app.domain.contract.Contract)
prompts/         <name>.v<N>.md with front matter
sources.py       SOURCES: list of Folder, Bucket, Web, Query, or of one's own class of the form Source
checks.py        CHECKS: list[Check], each `(turn, draft) -> Finding | None`; `@while_streaming`: of half a draft too
tools.py         TOOLS: list[Tool], each an `async (turn, **arguments)` that a model may use through `kit.agent(turn)`
rules.py         answer: Rules, the rung that needs no model, `(turn) -> Draft | None`
workflow.py      run: Workflow, `async (turn, kit) -> Draft`, in place of the one call down the ladder
"""

from app.domain.access import Access
from app.domain.identity import Permission
from app.domain.outcome import Outcome
from app.domain.source import Body, Bucket, Folder, Item, Query, ReadersFile, Source, Web
from app.domain.tool import Tool
from app.domain.turn import Citation, Draft, Finding, Passage, Turn
from app.domain.usecase import Check, Kit, Rules, Workflow
from app.errors import NotFound, Unreadable

__all__ = [
    "Access",
    "Body",
    "Bucket",
    "Check",
    "Citation",
    "Draft",
    "Finding",
    "Folder",
    "Item",
    "Kit",
    "NotFound",
    "Outcome",
    "Passage",
    "Permission",
    "Query",
    "ReadersFile",
    "Rules",
    "Source",
    "Tool",
    "Turn",
    "Unreadable",
    "Web",
    "Workflow",
    "while_streaming",
]


def while_streaming(check: Check) -> Check:
    """Have a check look at the draft while it streams too: text is then shown by whole sentences that it let pass."""
    check.while_streaming = True  # type: ignore[attr-defined]
    return check
