"""What the platform lends to a workflow: search and models, under the turn's rights, deadline and ledger."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from app.domain.masking import Masks
from app.domain.turn import Draft, Passage, Turn
from app.domain.usecase import FlagValue
from app.guard.exits import Exit
from app.llm.gateway import Gateway
from app.llm.prompts import Prompt
from app.retrieval.search import Searcher
from app.turn.actions import InTurn, nothing_off
from app.turn.retrieve import looked_up


def _without_flags(_: Turn, key: str, default: Any) -> Any:
    return default


@dataclass(frozen=True, slots=True)
class Lent:
    """The kit that a workflow works with; every call through it runs under the turn's rights, deadline and ledger."""

    gateway: Gateway
    searcher: Searcher
    turn: Turn
    masks: Masks
    exit: Exit | None = None
    why_off: Callable[[str], str] = nothing_off
    flagged: Callable[[Turn, str, Any], Any] = _without_flags

    async def search(self, question: str) -> tuple[Passage, ...]:
        """Find passages the asker may read."""
        passages, masks = await looked_up(self.searcher, self.turn, question, self.masks)
        self.masks.update(masks)
        self.turn.tape.told += [f"{passage.title}\n{passage.heading}\n{passage.text}" for passage in passages]
        return passages

    async def ask(self, turn: Turn, *, prompt: str | None = None) -> Draft:
        """Go down the ladder with the contract's prompt, or with another of this use case."""
        return await self.gateway.answer(turn, prompt_of(turn, prompt))

    async def agent(self, turn: Turn, *, prompt: str | None = None) -> Draft:
        """Let a model use the tools of this use case until it has an answer; what has effects is only proposed."""
        hands = InTurn(turn, self.masks, exit=self.exit, why_off=self.why_off)
        return await self.gateway.agent(turn, prompt_of(turn, prompt), hands)

    def flag(self, key: str, default: FlagValue) -> FlagValue:
        """Give what a flag says for the asker now; the default where it cannot say anything of its type."""
        self.turn.tape.flags.append(key)
        value: FlagValue = self.flagged(self.turn, key, default)
        return value


def prompt_of(turn: Turn, name: str | None = None) -> Prompt:
    """Give a prompt of the turn's use case; the contract's own without a name."""
    chosen = turn.usecase.contract.prompt
    prompt: Prompt = turn.usecase.prompts[name or f"{chosen.name}.v{chosen.version}"]
    return prompt
