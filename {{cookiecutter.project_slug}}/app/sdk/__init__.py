"""Everything a use case may import; what is not here is the platform's own business.

contract.toml    the promise (app.domain.contract.Contract)
prompts/         <name>.v<N>.md with front matter
sources.py       SOURCES: list[Source]
checks.py        CHECKS: list[Check], each `(turn, draft) -> Finding | None`
rules.py         answer: Rules, the rung that needs no model, `(turn) -> Draft | None`
workflow.py      run: Workflow, `async (turn, kit) -> Draft`, in place of the one call down the ladder
"""

from app.domain.outcome import Outcome
from app.domain.turn import Citation, Draft, Finding, Passage, Turn
from app.domain.usecase import Check, Kit, Rules, Source, Workflow

__all__ = [
    "Check",
    "Citation",
    "Draft",
    "Finding",
    "Kit",
    "Outcome",
    "Passage",
    "Rules",
    "Source",
    "Turn",
    "Workflow",
]
