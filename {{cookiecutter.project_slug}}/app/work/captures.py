"""Captured cases for those who decide which of them the evaluation learns from."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any
from uuid import UUID

import structlog

from app.domain.identity import Principal
from app.domain.review import ensure_reviewer, person
from app.domain.usecase import UseCase, second_person
from app.errors import BadInput, Conflict, Forbidden
from app.guard.privacy import Privacy
from app.store import audit, captured, ledger, quoting
from app.store.captured import Captured, Status
from app.store.db import Database, Work
from app.store.quoting import WITHHELD
from app.work.behind import Behind

log = structlog.get_logger(__name__)
MOST_CHARS = 8000
MOST_WRITTEN = 10_000


@dataclass(frozen=True, slots=True)
class Captures:
    """What people said the right answer is; `privacy` finds the names that this service knows, `behind` who asked.

    The contracts of `usecases` say whether whoever writes the right answer may accept it as well (`second_person`).
    """

    database: Database
    privacy: Privacy
    behind: Behind
    usecases: Mapping[str, UseCase]

    async def keep(self) -> int:
        """Look for known names in what came in lately; gives how many cases were masked."""
        async with self.database.work() as work:
            found = await captured.unmasked(work)
            for case in found:
                await captured.change(work, case.id, **await self._veiled(case), is_masked=True)
        return len(found)

    async def listed(
        self, who: Principal, *, usecase: str | None = None, status: Status | None = None
    ) -> list[dict[str, Any]]:
        """List cases, the newest first, each with what was answered. Raises Forbidden.

        Where that stands on documents that this person may not read, what was said about it is withheld too.
        """
        ensure_reviewer(who, program=True)
        async with self.database.work(claims=who.claims) as work:
            found = await captured.listed(work, usecase=usecase, status=status)
            hidden = await quoting.withheld(work, {case.turn_id for case in found}, claims=who.claims)
            answers = await ledger.answers(work, {case.turn_id for case in found} - hidden)
        return [await self._told(case, answers.get(case.turn_id), is_hidden=case.turn_id in hidden) for case in found]

    async def total(self, *, usecase: str | None = None, status: Status | None = None) -> int:
        """Count cases, also those that a list leaves out."""
        async with self.database.work() as work:
            return await captured.count(work, usecase=usecase, status=status)

    async def decide(
        self, who: Principal, id: UUID, *, status: Status, because: str, expected: str | Mapping[str, Any] | None = None
    ) -> Captured:
        """Accept a case, reject it, or take the decision back (`proposed`).

        Who accepts it with another right answer (`expected`) puts that forward: the case stays `proposed` until
        somebody else accepts it. Who wrote it may reject it, too. Raises Forbidden, also for what one asked or
        proposed oneself, BadInput, NotFound, Conflict.
        """
        ensure_reviewer(who)
        if not because.strip():
            raise BadInput("Say why: the reason is kept with the case.", errors=[{"field": "reason", "wrong": "empty"}])
        if "\\u0000" in json.dumps(expected, default=str):
            raise BadInput("The character U+0000 is not allowed.")
        async with self.database.work(claims=who.claims) as work:
            case = await captured.get(work, id)
            await self._ensure_other(work, case, who)
            if case.status == status:
                raise Conflict(f"This case is {status} already.")
            edit = await self._edit(case, expected, by=person(who.user_id)) if expected else {}
            told = replace(case, **edit)
            if status == "accepted" and not (told.expected or told.expected_data):
                raise BadInput("Say what the right answer is: nobody has yet.")
            if status == "accepted" and not edit and case.edited_by == person(who.user_id):
                raise Forbidden("You wrote what is right here; another person accepts it.")
            # What one wrote oneself waits for somebody else.
            after = replace(told, status="proposed" if status == "accepted" and edit.get("edited_by") else status)
            is_open = after.status == "proposed"
            await captured.change(
                work, id, **edit, status=after.status,
                decided_by=None if is_open else who.user_id, reason=None if is_open else because.strip(),
            )  # fmt: skip
            await work.sql("UPDATE captured_cases SET decided_at = now() WHERE id = :id", id=id)
            await audit.note(
                work, actor=who.user_id, action=f"case.{after.status}", subject=str(id), reason=because.strip(),
                before={"status": case.status}, after={"status": after.status, "edited": bool(edit)},
            )  # fmt: skip
        return after

    async def known(self, usecase: str) -> list[Captured]:
        """Give every case of a use case, masked with all that is known by now."""
        async with self.database.work() as work:
            found = await captured.listed(work, usecase=usecase, most=MOST_WRITTEN)
        return [case if case.is_masked else replace(case, **await self._veiled(case)) for case in found]

    async def written(self, ids: list[UUID]) -> None:
        """Note that these cases stand in a file now."""
        async with self.database.work() as work:
            await captured.written(work, ids)

    async def _ensure_other(self, work: Work, case: Captured, who: Principal) -> None:
        await self.behind.ensure_other(work, who.user_id, case.asker, case.proposed_by)
        if await quoting.withheld(work, [case.turn_id], claims=who.claims):
            raise Forbidden("The answer stands on documents that you may not read; somebody who may has to decide.")

    async def _edit(self, case: Captured, expected: str | Mapping[str, Any], *, by: str) -> dict[str, Any]:
        known = replace(case, **await self._veiled(case))
        told = (
            replace(known, expected_data=dict(expected))
            if isinstance(expected, Mapping)
            else replace(known, expected=expected.strip()[:MOST_CHARS])
        )
        words = await self._veiled(told)
        if replace(known, **words) == known:
            return {}
        may_alone = second_person(self.usecases.get(case.usecase)) == "never"
        return {**words, "is_masked": True, "edited_by": None if may_alone else by}

    async def _veiled(self, case: Captured) -> dict[str, Any]:
        question, expected, remark = await self.privacy.veil([case.question, case.expected, case.remark])
        data = {"expected_data": await self._data(case.expected_data)}
        return {"question": question, "expected": expected, "remark": remark, **data}

    async def _data(self, value: Any) -> Any:
        if isinstance(value, str):
            return (await self.privacy.veil([value]))[0]
        if isinstance(value, Mapping):
            return {key: await self._data(part) for key, part in value.items()}
        return [await self._data(part) for part in value] if isinstance(value, list | tuple) else value

    async def _told(self, case: Captured, answer: str | None, *, is_hidden: bool) -> dict[str, Any]:
        shown = case if case.is_masked else replace(case, **await self._veiled(case))
        told = asdict(shown)
        if is_hidden:
            blank = {"expected": WITHHELD, "remark": WITHHELD, "expected_data": None}
            return {**told, **blank, "answer": WITHHELD, "withheld": True}
        return {**told, "answer": answer, "withheld": False}
