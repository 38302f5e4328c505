"""Who somebody is here, what they may do and see in each use case, and what is kept of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from app.domain.identity import Principal
from app.domain.usecase import UseCase
from app.store import holdings
from app.store.db import Database


@dataclass(frozen=True, slots=True)
class Rights:
    """Tells a person what they may; `levels` are the classifications, the lowest first."""

    database: Database
    usecases: Mapping[str, UseCase]
    levels: Sequence[str]

    async def of(self, who: Principal) -> dict[str, Any]:
        """Gather everything that this person may do and see, as it stands now."""
        open_ = [case for case in self.usecases.values() if case.admits(who)]
        async with self.database.work(claims=who.claims) as work:
            readable = await holdings.readable(work, claims=who.claims)
            kept = await holdings.kept(work, user_id=who.user_id, claims=who.claims)
            spent = await holdings.spent_today(work, [case.name for case in open_], user_id=who.user_id)
        return {
            **_person(who),
            "clearance": self.levels[who.clearance] if who.clearance < len(self.levels) else "",
            "levels": list(self.levels[: who.clearance + 1]),
            "usecases": [_usecase(case, who, readable, spent) for case in open_],
            "documents": sum(readable.values()),
            "kept": kept,
        }


def _person(who: Principal) -> dict[str, Any]:
    return {
        "user_id": who.user_id,
        "name": who.name,
        "unit": who.unit,
        "groups": list(who.groups),
        "permissions": sorted(who.permissions),
        "readers": list(who.claims.names),
        "regions": list(who.regions),
        "by_key": bool(who.key_id),
    }


def _usecase(
    case: UseCase, who: Principal, readable: Mapping[str, int], spent: Mapping[str, Decimal]
) -> dict[str, Any]:
    contract, access = case.contract, case.contract.access
    sees_cost = access.shows_cost(who)
    return {
        "name": case.name,
        "title": contract.title,
        "workflow": contract.workflow,
        "may": {
            "jobs": access.takes_jobs(who),
            "documents": access.takes_documents(who),
            "see_cost": sees_cost,
            "see_evidence": access.shows_evidence(who),
            "see_others": access.shows_others(who),
        },
        "waits_for_a_person": contract.risk.mode == "advise",
        "personal_data": contract.privacy.personal_data,
        "readable_documents": readable.get(case.name, 0),
        "kept_days": contract.retention.turns_days,
        "day_budget_usd": contract.cost.per_user_day_usd if sees_cost else None,
        "day_spent_usd": spent.get(case.name, Decimal(0)) if sees_cost else None,
    }
