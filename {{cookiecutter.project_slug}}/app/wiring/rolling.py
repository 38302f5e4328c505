"""Rollouts: who is answered by what, the desk that moves them, and the guard that watches them."""

from dataclasses import dataclass

from app.control.flags import Flags
from app.control.rollout import Rollouts
from app.domain.usecase import UseCase
from app.llm.gateway import Gateway
from app.wiring.ground import Ground
from app.work.rollout_guard import RolloutGuard
from app.work.rollouts import RolloutDesk


@dataclass(frozen=True, slots=True)
class Rolling:
    """What moves rollouts, and what watches them."""

    desk: RolloutDesk
    guard: RolloutGuard


def rolling(on: Ground, rollouts: Rollouts, *, flags: Flags, gateway: Gateway) -> Rolling:
    """Build it."""

    def reaches(case: UseCase) -> bool:
        # A candidate is compared by its model: the first rung of its ladder has to be one that can be asked.
        contract = case.contract
        prompt = case.prompts.get(f"{contract.prompt.name}.v{contract.prompt.version}")
        return gateway.models.ref(contract.models.ladder[0], prompt) is not None

    desk = RolloutDesk(on.database, flags, rollouts, broadcast=on.broadcast, reaches=reaches)
    return Rolling(desk, RolloutGuard(on.database, on.cases, desk))
