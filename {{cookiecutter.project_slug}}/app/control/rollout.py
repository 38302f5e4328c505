"""Who is answered by what: the flag `rollout.<use case>`, evaluated for each person, where a rollout is under way."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from app.control.flag_rules import PERSON, in_force
from app.control.flags import Flags
from app.domain.identity import Principal
from app.domain.plan import PREFIX, Plan, key_of, plan_of
from app.domain.rollout import CLOSED, CURRENT, UNSEEN, Candidate
from app.domain.usecase import UseCase


@dataclass(frozen=True, slots=True)
class Placed:
    """What a person is answered by: the use case as it answers, and the `arm` that the ledger keeps ("" for none)."""

    arm: str
    usecase: UseCase


def challenger(usecase: UseCase, candidate: Candidate) -> UseCase:
    """Give the use case as a candidate answers it: its role first on the ladder, its version of the prompt.

    What the ladder had before stays below: where the candidate's model fails, people are answered all the same.
    """
    contract = usecase.contract
    changed: dict[str, object] = {}
    if candidate.role:
        ladder = (candidate.role, *(rung for rung in contract.models.ladder if rung != candidate.role))
        changed["models"] = contract.models.model_copy(update={"ladder": ladder})
    if candidate.prompt_version is not None:
        changed["prompt"] = contract.prompt.model_copy(update={"version": candidate.prompt_version})
    return replace(usecase, contract=contract.model_copy(update=changed))


class Rollouts:
    """The rollouts as this process knows them, and the use cases as their candidates answer."""

    def __init__(self, flags: Flags, usecases: Mapping[str, UseCase]) -> None:
        self._flags, self._usecases = flags, usecases
        # Made once: what is cached under a use case is found by its being the same object.
        self._made: dict[tuple[str, str], tuple[UseCase, UseCase]] = {}
        self._plans: dict[str, Plan | None] | None = None
        flags.on_change.append(self._forget)

    @property
    def plans(self) -> Mapping[str, Plan | None]:
        """Give the plan of each use case that has a flag; None where the flag is somebody else's, and holds values."""
        if self._plans is None:
            now = datetime.now(UTC)
            rows = [row for row in self._flags.rows if row["key"].startswith(PREFIX)]
            self._plans = {row["key"].removeprefix(PREFIX): plan_of(in_force(row, now)) for row in rows}
        return self._plans

    def challengers(self) -> list[UseCase]:
        """Give every use case as each of its candidates answers it."""
        named = [(name, each.name) for name, case in self._usecases.items() for each in case.contract.candidates]
        return [made for name, candidate in named if (made := self.challenger(name, candidate))]

    def challenger(self, usecase: str, candidate: str) -> UseCase | None:
        """Give the use case as this candidate answers; None where the contract does not name it (any more)."""
        case = self._usecases.get(usecase)
        known = self._made.get((usecase, candidate))
        if known and known[0] is case:
            return known[1]
        found = next((each for each in case.contract.candidates if each.name == candidate), None) if case else None
        if case is None or found is None:
            return None
        self._made[usecase, candidate] = (case, challenger(case, found))
        return self._made[usecase, candidate][1]

    def placed(self, usecase: UseCase, who: Principal) -> Placed:
        """Say what answers this person; the arm is CLOSED where nothing does, UNSEEN where it is not shown."""
        name, plans = usecase.name, self.plans
        if name not in plans:
            return Placed("" if usecase.contract.rollout.stage == "general" else CLOSED, usecase)
        said = self._flags.value(key_of(name), CLOSED, context={PERSON: who.user_id, "groups": list(who.groups)})
        if said in (CLOSED, UNSEEN):
            return Placed(said, usecase)
        made = self.challenger(name, said)
        # A candidate that the contract no longer names has nothing to answer with: the contract does.
        return Placed(said, made) if made else Placed(self._usual(name), usecase)

    def is_open(self, usecase: UseCase, who: Principal) -> bool:
        """Say whether the rollout lets this person in."""
        return self.placed(usecase, who).arm != CLOSED

    def shadowed(self, usecase: str) -> Candidate | None:
        """Give the candidate that answers unseen at this stage of its rollout."""
        plan, case = self.plans.get(usecase), self._usecases.get(usecase)
        if plan is None or case is None or plan.stage != "shadow":
            return None
        return next((each for each in case.contract.candidates if each.name == plan.candidate), None)

    def _usual(self, name: str) -> str:
        plan = self.plans.get(name)
        is_compared = plan is not None and plan.is_partial
        return CURRENT if is_compared else ""

    def _forget(self) -> None:
        self._plans = None
