"""May this person ask this, now?"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID, uuid4

from app.control.budgets import Budgets
from app.control.flags import Flags
from app.control.limits import Limits
from app.control.restrictions import Restrictions
from app.control.rollout import Rollouts
from app.domain.identity import Permission
from app.domain.outcome import Outcome
from app.domain.rollout import CLOSED, UNSEEN
from app.domain.turn import StopTurn, Turn
from app.errors import Forbidden, OverRate, SessionBusy
from app.llm.rungs import paused
from app.store import admission, budgets, idempotency, quoting
from app.store.admission import Terms
from app.store.db import Database
from app.telemetry import tracing
from app.turn.disclosure import disclosure, of_answer

# A holder that has not let go so long after its deadline is dead.
SLACK_S = 6.0
# Money is held a little longer: whoever is slow to record must not be taken for dead.
HOLD_S = 15.0


@dataclass(frozen=True, slots=True)
class Admit:
    """Permission, kill switch, restriction, limits; then the session is taken and the money held, both or neither."""

    database: Database
    flags: Flags
    limits: Limits
    restrictions: Restrictions
    budgets: Budgets
    rollouts: Rollouts

    async def __call__(self, turn: Turn) -> Turn:
        """Let the turn in, or stop it with the reason."""
        self._permission(turn)
        turn = self._placed(self._switched(turn))
        try:
            self.restrictions.ensure_person(turn.principal, asks=True)
            # Queued work waits for its workers, and comes in as they have time: its money counts, its minutes do not.
            if turn.is_interactive:
                await self.limits.enter(turn)
        except OverRate as error:
            raise StopTurn(Outcome.REFUSED_RATE, error=error) from error
        return await self._held(turn)

    def _permission(self, turn: Turn) -> None:
        contract, who = turn.usecase.contract, turn.principal
        if not (who.may(Permission.ASK) and turn.usecase.admits(who)):
            open_to = ", ".join(contract.access.groups)
            error = Forbidden(f"You may not use {turn.usecase.name!r}; it is open to: {open_to}.")
            raise StopTurn(Outcome.REFUSED_PERMISSION, error=error)
        # Fields that the contract does not know at all are told by the screen.
        takes = contract.access.takes_field
        if closed := [name for name, value in turn.fields.items() if not takes(who, name, value)]:
            error = Forbidden(f"You may not send {', '.join(closed)} with this value to {turn.usecase.name!r}.")
            raise StopTurn(Outcome.REFUSED_PERMISSION, error=error)

    def _placed(self, turn: Turn) -> Turn:
        """Choose the arm of the rollout that answers this person; what measures candidates brings its own."""
        if turn.channel in ("evaluation", "shadow"):
            return turn
        placed = self.rollouts.placed(turn.usecase, turn.principal)
        if placed.arm == CLOSED:
            error = Forbidden(f"{turn.usecase.name!r} is not open to you yet.")
            raise StopTurn(Outcome.REFUSED_PERMISSION, error=error, reason="closed by its rollout")
        if placed.arm:
            tracing.note(arm=placed.arm)
        listener = None if placed.arm == UNSEEN else turn.listener
        return turn.with_(usecase=placed.usecase, arm=placed.arm, listener=listener) if placed.arm else turn

    def _switched(self, turn: Turn) -> Turn:
        """Stop a turn that a switch is off for, or let it go on without a model where the contract says so."""
        off = self.flags.pause(turn.usecase.name, turn.principal)
        if off is None:
            return turn
        # Queued work waits instead: it has time, and deserves the better answer.
        if off.hard or not turn.is_interactive or turn.usecase.contract.paused.answer == "sentence":
            raise paused(turn, off)
        return turn.with_(paused=off.told)

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
            history, known = await admission.admit(self.database, turn, terms)
        except SessionBusy as error:
            raise StopTurn(Outcome.REFUSED_BUSY, error=error) from error
        except budgets.BudgetSpent as spent:
            raise StopTurn(Outcome.REFUSED_BUDGET, error=self.budgets.refusal(turn, spent)) from spent
        return turn.with_(history=history, masks=known) if history or known else turn


@dataclass(frozen=True, slots=True)
class Leave:
    """Gives back, however the turn ended, what the limits hold for it; then `record` writes it down."""

    limits: Limits
    record: Callable[[Turn], Awaitable[Turn]]

    async def __call__(self, turn: Turn) -> Turn:
        """Let go and record."""
        self.limits.leave(turn)
        return await self.record(turn)


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
        if stored is None:
            return None
        shown = of_answer(stored, disclosure(turn.principal, turn.usecase.contract.access))
        if await quoting.withheld(work, [UUID(stored["turn_id"])], claims=claims):
            return {**shown, "answer": quoting.WITHHELD, "data": None, "citations": []}
        return shown
