"""Runs what a person approved: each use once, with the rights of who asked; what nobody can vouch for goes back."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

import structlog
from opentelemetry.trace import Status, StatusCode

from app.control.people import People
from app.domain.identity import Permission, Principal
from app.domain.job import Job
from app.domain.tool import BadArguments
from app.domain.turn import Turn
from app.domain.usecase import UseCase
from app.errors import Conflict
from app.store import actions as table
from app.store import audit, jobs, reviews
from app.store.db import Database, Work
from app.telemetry import tracing
from app.turn.actions import as_text, describe

log = structlog.get_logger(__name__)
UNKNOWN = "whether it was done is not known"


class GoOn(Protocol):
    """Raises when the job must stop, or when this tool, or anything for this person, must not be used now."""

    def __call__(self, who: Principal | None = None, tool: str = "") -> None:
        """Look whether the job may go on."""
        ...


@dataclass(frozen=True, slots=True)
class _Ended:
    status: str
    result: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class Actions:
    """The job of kind `actions`: the approved uses of one review, in order; the first that fails stops the rest."""

    database: Database
    usecases: Mapping[str, UseCase]
    people: People

    async def run(self, job: Job, lease: UUID, go_on: GoOn) -> dict[str, Any]:
        """Run what is approved and not begun; `go_on` raises when the job must stop between two uses.

        Raises Conflict when something failed, or may have been done by a worker that died: the review is open again.
        """
        review_id, ran = UUID(str(job.input["review_id"])), 0
        async with self.database.work() as work:
            await jobs.hold(work, job.id, lease=lease)
            lost = await table.lost(work, review_id)
            for tool in lost:
                await self._written(work, job, review_id, tool=tool, ended=_Ended("unknown", error=UNKNOWN))
        if lost:
            raise Conflict(f"A worker stopped in the middle of {lost[0]}: a reviewer looks at it.")
        while True:
            go_on()
            async with self.database.work() as work:
                review = await reviews.get(work, review_id)
            groups, unit = tuple(review["asker_groups"]), review["asker_unit"]
            who = await self.people.principal(review["asker"], groups=groups, unit=unit)
            async with self.database.work() as work:
                await jobs.hold(work, job.id, lease=lease)
                action = await table.begin(work, review_id)
                if action is not None:
                    # Raised here, nothing has begun: the use waits until it is turned on again.
                    go_on(who, action["tool"])
            if action is None:
                return {"ran": ran}
            ended = await self._use(review, action, who)
            async with self.database.work() as work:
                await jobs.hold(work, job.id, lease=lease)
                how = {"status": ended.status, "result": ended.result, "error": ended.error}
                await table.finish(work, review_id, action["ordinal"], **how)
                await self._written(work, job, review_id, tool=action["tool"], ended=ended)
            if ended.status != "ran":
                raise Conflict(f"{action['tool']}: {ended.error}; a reviewer looks at it.")
            ran += 1

    async def _written(self, work: Work, job: Job, review_id: UUID, *, tool: str, ended: _Ended) -> None:
        reason = ended.error or "approved by a reviewer"
        after = {"tool": tool, "status": ended.status}
        await audit.note(work, actor=f"job:{job.id}", action=f"action.{ended.status}", subject=str(review_id),
                         reason=reason, after=after)  # fmt: skip
        await jobs.progress(work, job.id, note=after)
        if ended.status != "ran":
            await reviews.back_to_a_person(work, review_id, why=f"{tool}: {ended.error}")

    async def _use(self, review: Mapping[str, Any], action: Mapping[str, Any], who: Principal) -> _Ended:
        usecase = self.usecases.get(review["usecase"])
        tool = next((tool for tool in usecase.tools if tool.name == action["tool"]), None) if usecase else None
        if usecase is None or tool is None:
            return _Ended("failed", error="there is no such tool any more")
        if not (who.may(Permission.ASK) and usecase.admits(who)):
            return _Ended("failed", error="the person who asked may no longer use this use case")
        if not tool.admits(who):
            return _Ended("failed", error="the person who asked may no longer use this tool")
        if not table.is_as_approved(action):
            log.error("action.altered", tool=tool.name, review_id=str(review["id"]))
            return _Ended("failed", error="what is stored is not what was approved")
        turn = Turn(
            usecase=usecase,
            principal=who,
            question=review["question"],
            screened=review["question"],
            id=review["turn_id"],
            channel="job",
            deadline_s=asyncio.get_running_loop().time() + tool.timeout_s,
            trace_id=tracing.current_trace_id(),
        )
        with tracing.span(f"execute_tool {tool.name}", review_id=review["id"]) as span:
            span.set_attribute("gen_ai.operation.name", "execute_tool")
            span.set_attribute("gen_ai.tool.name", tool.name)
            try:
                checked = tool.check(action["arguments"])
                async with asyncio.timeout(tool.timeout_s):
                    key = f"{review['id']}:{action['ordinal']}"
                    return _Ended("ran", result=as_text(await tool.run(turn, **checked, key=key)))
            except BadArguments as error:
                ended = _Ended("failed", error=f"the arguments do not fit any more: {error}")
            except TimeoutError as error:
                ended = _Ended("unknown", error=f"{describe(error, tool)}: {UNKNOWN}")
            except Exception as error:
                log.exception("action.failed", tool=tool.name, review_id=str(review["id"]))
                ended = _Ended("failed", error=describe(error, tool))
            # Not the error: it may name what was asked for.
            span.set_status(Status(StatusCode.ERROR, ended.status))
            return ended


async def sweep(work: Work) -> list[UUID]:
    """Give approved uses whose job was cancelled or given up back to a person; gives the reviews."""
    found = await table.stranded(work)
    for review_id in found:
        lost = await table.lost(work, review_id)
        why = f"{lost[0]}: {UNKNOWN}" if lost else "the job that should have run this has ended without it"
        await reviews.back_to_a_person(work, review_id, why=why)
        await audit.note(work, actor="housekeeping", action="action.unknown" if lost else "action.stranded",
                         subject=str(review_id), reason=why)  # fmt: skip
    return found
