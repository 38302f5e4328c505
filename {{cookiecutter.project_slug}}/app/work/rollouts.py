"""Moving a rollout: start, advance, halt, back. Each asks for a reason; flag, audit, event stand or fall together."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import structlog

from app.control.flag_rules import in_force
from app.control.flags import CHANNEL, Flags
from app.control.rollout import Rollouts
from app.domain.plan import Plan, definition, key_of, plan_of
from app.domain.rollout import Candidate
from app.domain.usecase import UseCase
from app.errors import AppError, BadInput, Conflict, NotFound, quoted
from app.llm import revision
from app.store import events, rollouts
from app.store import flags as table
from app.store.broadcast import Broadcast
from app.store.db import Database, Work
from app.store.flags import Change

log = structlog.get_logger(__name__)
CONTRACT = "contract.toml"
# Pages that show rollouts look again when something is said here.
PAGES = "console"


@dataclass(frozen=True, slots=True)
class Because:
    """Who moves a rollout, and why."""

    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Moved:
    """A rollout before and after a move."""

    usecase: str
    before: Plan
    after: Plan


class RolloutDesk:
    """Where rollouts are moved. `reaches` says whether a model answers the use case as it is given."""

    def __init__(
        self,
        database: Database,
        flags: Flags,
        rollouts: Rollouts,
        *,
        broadcast: Broadcast,
        reaches: Callable[[UseCase], bool],
    ) -> None:
        self.database, self.flags, self.rollouts = database, flags, rollouts
        self._broadcast, self._reaches = broadcast, reaches

    async def start(self, case: UseCase, candidate: str, step: str, because: Because) -> Moved:
        """Begin, at the first stage where `step` is "": let a candidate answer, or open the use case itself ("").

        Raises BadInput for a candidate that cannot answer or was not approved, Conflict while another rollout runs.
        """
        named = self._named(case, candidate) if candidate else None

        def begun(plan: Plan) -> Plan:
            _ensure_free(case, plan, named)
            if not (named or step) and plan.stage == "general":
                raise BadInput(f"{case.name} is open to everybody: name the stage; at it, it closes to all others.")
            groups = case.contract.rollout.beta_groups
            first = Plan(stage="off", candidate=candidate, beta_groups=groups)
            return first.at(step) if step else first.at("beta" if groups else "percent:1")

        return await self.move(case, begun, because)

    async def halt(self, case: UseCase, because: Because) -> Moved:
        """Go back to the last good stage, and stay there until it is started again."""
        return await self.move(case, lambda plan: plan.returned(halted=_sentence(because.reason)), because)

    async def back(self, case: UseCase, because: Because) -> Moved:
        """Go back to the last good stage, from where it may advance again; not where it was halted."""
        return await self.move(case, lambda plan: plan.returned(), because)

    async def undo(self, case: UseCase, version: int, because: Because) -> Moved:
        """Put it back as it was before the change that made this version. Raises Conflict when it is another."""
        async with self.database.work() as work:
            past = await table.history(work, key_of(case.name), limit=1)
        if not past or past[0]["version"] != version:
            raise Conflict("This rollout was moved meanwhile; look at it again.")
        before = plan_of(past[0]["before"] or {})
        if before is None:
            raise Conflict("This rollout is as it was from the start; there is nothing to undo.")
        if before.candidate and before.stage != "off":
            self._named(case, before.candidate)
        after = plan_of(past[0]["after"])

        def undone(plan: Plan) -> Plan:
            if plan != after:
                raise Conflict("This rollout was moved meanwhile; look at it again.")
            return before

        return await self.move(case, undone, because)

    async def move(
        self, case: UseCase, change: Callable[[Plan], Plan], because: Because, *, told: Mapping[str, Any] | None = None
    ) -> Moved:
        """Change the plan, alone, as it stands now; `told` says what a guard found, for whom it is a halt."""
        self._ensure_ours(case.name)
        if not because.reason.strip():
            wrong = [{"field": "reason", "wrong": "empty"}]
            raise BadInput("Say why: the reason is kept with the change.", errors=wrong)
        async with self.database.work() as work:
            await rollouts.lock(work, case.name)
            before = plan_of(await self._stored(work, case)) or start_of(case)
            after = change(before)
            await _store(work, case.name, after, because)
            await _emit(work, Moved(case.name, before, after), because, told)
            work.after_commit.append(self._tell(case.name))
        return Moved(case.name, before, after)

    async def keep(self, cases: Mapping[str, UseCase]) -> None:
        """Give the flags that nobody has moved yet what the contracts say now."""
        if self.flags.where:
            return
        for name, case in cases.items():
            plan, wanted = self.rollouts.plans.get(name), start_of(case)
            if plan == wanted or (plan is None and wanted.stage == "general") or (plan and not plan.by_contract):
                continue
            async with self.database.work() as work:
                await rollouts.lock(work, name)
                stored = plan_of(await self._stored(work, case))
                if stored is not None and stored.by_contract and stored != wanted:
                    await _store(work, name, wanted, Because(CONTRACT, "the contract says so"))
                work.after_commit.append(self._tell(name))

    async def _stored(self, work: Work, case: UseCase) -> dict[str, Any]:
        row = await table.one(work, key_of(case.name))
        if row is None:
            seeded = {
                "key": key_of(case.name),
                "definition": definition(case.name, start_of(case)),
                "kind": "string",
                "owner": case.contract.owners.workflow,
                "expires_on": date.max,
                "changed_by": CONTRACT,
                "reason": "as the contract says",
            }
            await table.seed(work, [seeded])
            row = await table.one(work, key_of(case.name))
        assert row is not None, "it was just made"
        return in_force(row, datetime.now(UTC))

    def _named(self, case: UseCase, name: str) -> Candidate:
        known = {each.name: each for each in case.contract.candidates}
        if name not in known:
            there = ", ".join(known) or "none; add a [[candidates]] to its contract"
            raise BadInput(f"{case.name} has no candidate {quoted(name)}; there are: {there}.")
        ensure_approved(case, known[name])
        made = self.rollouts.challenger(case.name, name)
        if made is None or not self._reaches(made):
            raise BadInput(f"No model can be reached for the candidate {name!r}: look at its role's provider and key.")
        return known[name]

    def _ensure_ours(self, name: str) -> None:
        if self.flags.where:
            raise Conflict(f"The flags live at {self.flags.where}: change `{key_of(name)}` there.")

    def _tell(self, name: str) -> Callable[[], Any]:
        async def tell() -> None:
            await self._broadcast.publish(CHANNEL, key_of(name))
            await self._broadcast.publish(PAGES, "rollouts")
            # It is stored, whatever becomes of this: the poll finds it as well.
            with suppress(AppError):
                await self.flags.refresh()

        return tell


def start_of(case: UseCase) -> Plan:
    """Give where the contract lets a use case start."""
    said = case.contract.rollout
    percent = said.percent if said.stage == "percent" else 0
    return Plan(stage=said.stage, percent=percent, beta_groups=said.beta_groups, by_contract=True)


def ensure_approved(case: UseCase, candidate: Candidate) -> None:
    """Raise BadInput for a candidate whose prompt is not the approved one, with the commands that approve it."""
    if candidate.prompt_version is None:
        return
    key = f"{case.contract.prompt.name}.v{candidate.prompt_version}"
    prompt = case.prompts.get(key)
    if prompt is None or revision.pinned(case.folder / "prompts").get(key) != prompt.revision:
        raise BadInput(
            f"The prompt {key} of the candidate {candidate.name!r} is not approved as it is. Measure it with"
            f" `app evaluate {case.name} --against {candidate.name}`; once it passes, `app prompts {case.name} --pin`."
        )


def found(cases: Mapping[str, UseCase], name: str) -> UseCase:
    """Give a use case by its name. Raises NotFound."""
    if name not in cases:
        raise NotFound(f"There is no use case {quoted(name)}; there are: {', '.join(cases)}.")
    return cases[name]


def _ensure_free(case: UseCase, plan: Plan, candidate: Candidate | None) -> None:
    name = candidate.name if candidate else ""
    if plan.candidate and plan.candidate != name and plan.stage != "off":
        still = any(each.name == plan.candidate for each in case.contract.candidates)
        if still:
            raise Conflict(
                f"{plan.candidate} answers here already, at the stage {plan.step}: take it back first, or, if it is to"
                " stay, write it into the contract."
            )
    if candidate and not plan.candidate and plan.stage != "general":
        raise Conflict(f"{case.name} itself is still opening, at the stage {plan.step}; open it to everybody first.")


async def _store(work: Work, name: str, plan: Plan, because: Because) -> None:
    change = Change(definition=definition(name, plan), by=because.by, because=because.reason.strip())
    await table.change(work, key_of(name), change)


async def _emit(work: Work, moved: Moved, because: Because, told: Mapping[str, Any] | None) -> None:
    after, before = moved.after, moved.before
    data = {
        "candidate": after.candidate,
        "stage": after.stage,
        "percent": after.percent,
        "before_stage": before.stage,
        "before_percent": before.percent,
        "reason": because.reason,
    }
    subject = f"rollouts/{moved.usecase}"
    if told is None:
        await events.emit(
            work, "rollout.changed", subject=subject, usecase=moved.usecase, data=data | {"by": because.by}
        )
    else:
        await events.emit(work, "rollout.halted", subject=subject, usecase=moved.usecase, data=data | dict(told))


def _sentence(reason: str) -> str:
    words = reason.strip()
    return words if words.endswith((".", "!", "?")) else f"{words}."
