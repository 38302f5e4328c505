"""The question says how many words, 50 ms each."""

import asyncio

from app.sdk import Draft, Kit, Outcome, Turn

WORD_S = 0.05


async def run(turn: Turn, kit: Kit) -> Draft:
    """Say as many words as the question asks for."""
    said = []
    for number in range(int(turn.question.split()[0])):
        said.append(f"word{number} ")
        if turn.listener:
            await turn.listener(said[-1])
        await asyncio.sleep(WORD_S)
    return Draft(text="".join(said).strip(), rung="rules", outcome=Outcome.ANSWERED_RULES)
