"""One agent loop: the model looks orders up until it can answer, or proposes a refund."""

from app.sdk import Draft, Kit, Turn


async def run(turn: Turn, kit: Kit) -> Draft:
    """Let the model work with the desk's tools."""
    return await kit.agent(turn)
