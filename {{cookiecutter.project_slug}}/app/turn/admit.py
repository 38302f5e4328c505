"""May this person ask this, now?"""

from dataclasses import dataclass
from uuid import UUID, uuid4

from app.control.budgets import Budgets
from app.control.flags import Flags
from app.control.limits import Rates
from app.domain.identity import Permission
from app.domain.outcome import Outcome
from app.domain.turn import StopTurn, Turn
from app.errors import Forbidden, OverRate, Paused, SessionBusy
from app.store import admission, budgets, idempotency, quoting
from app.store.admission import Terms
from app.store.db import Database

# A holder that has not let go so long after its deadline is dead.
SLACK_S = 6.0
# Money is held a little longer: whoever is slow to record must not be taken for dead.
HOLD_S = 15.0


@dataclass(frozen=True, slots=True)
class Admit:
    """Permission, kill switch, rate; then the session is taken and the money held, both or neither."""

    database: Database
    flags: Flags
    rates: Rates
    budgets: Budgets

    async def __call__(self, turn: Turn) -> Turn:
        """Let the turn in, or stop it with the reason."""
        self._permission(turn)
        self._switch(turn)
        if turn.is_interactive:
            await self._rate(turn)
        return await self._held(turn)

    def _permission(self, turn: Turn) -> None:
        contract, who = turn.usecase.contract, turn.principal
        if not (who.may(Permission.ASK) and contract.access.admits(who)) or contract.rollout.stage == "off":
            open_to = ", ".join(contract.access.groups)
            error = Forbidden(f"You may not use {turn.usecase.name!r}; it is open to: {open_to}.")
            raise StopTurn(Outcome.REFUSED_PERMISSION, error=error)

    def _switch(self, turn: Turn) -> None:
        if reason := self.flags.why_paused(turn.usecase.name):
            error = Paused(turn.usecase.contract.sentences.paused, retry_after_s=30)
            raise StopTurn(Outcome.PAUSED_SWITCH, error=error, reason=reason)

    async def _rate(self, turn: Turn) -> None:
        per_minute = turn.usecase.contract.limits.per_user_per_minute
        allowance = await self.rates.hit(turn.usecase.name, turn.principal.user_id, per_minute=per_minute)
        if not allowance.allowed:
            error = OverRate(
                f"You may ask {per_minute} times a minute here; come back in {allowance.reset_s} seconds.",
                retry_after_s=max(1, allowance.reset_s),
            )
            raise StopTurn(Outcome.REFUSED_RATE, error=error)

    async def _held(self, turn: Turn) -> Turn:
        is_new = turn.session_id is None if turn.channel == "api" else None
        if is_new:
            turn = turn.with_(session_id=uuid4())
        timeout_s = turn.usecase.contract.latency.timeout_s
        terms = Terms(
            amount=self.budgets.most_usd(turn.usecase),
            limits=self.budgets.limits(turn),
            hold_s=timeout_s + HOLD_S,
            busy_s=timeout_s + SLACK_S,
            is_new=is_new,
        )
        try:
            history = await admission.admit(self.database, turn, terms)
        except SessionBusy as error:
            raise StopTurn(Outcome.REFUSED_BUSY, error=error) from error
        except budgets.BudgetSpent as spent:
            raise StopTurn(Outcome.REFUSED_BUDGET, error=self.budgets.refusal(turn, spent)) from spent
        return turn.with_(history=history) if history else turn


async def replayed(database: Database, turn: Turn) -> dict[str, object] | None:
    """Take the turn's Idempotency-Key, or give the response that the first request with it received.

    Its answer is withheld once it stands on a document that the asker may not read any more.
    """
    if turn.idempotency is None:
        return None
    claims = turn.principal.claims
    async with database.work(claims=claims) as work:
        stored = await idempotency.begin(
            work,
            turn.idempotency,
            user_id=turn.principal.user_id,
            subject_id=turn.id,
            busy_s=turn.usecase.contract.latency.timeout_s + SLACK_S,
        )
        if stored and await quoting.withheld(work, [UUID(stored["turn_id"])], claims=claims):
            return {**stored, "answer": quoting.WITHHELD, "data": None, "citations": []}
        return stored
