"""Erases a person everywhere, as a job: one class after the other, until nothing is found, and then the certificate."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import structlog

from app.domain.job import Job, JobKind
from app.domain.usecase import UseCase
from app.errors import BadInput, DependencyDown, Held
from app.store import audit, erasures, forgetting, holds, jobs, kept_answers
from app.store.db import Database, Work
from app.store.erasures import Erasure
from app.store.forgetting import MOST, STEPS, Counts
from app.store.shared import Shared, SharedAway
from app.telemetry import metrics, tracing
from app.work.named_cases import naming
from app.work.outbox import Relay

log = structlog.get_logger(__name__)
KIND: JobKind = "erase"
# In whose name the job runs: its row must not be one more place where the person stands.
OFFICE = "privacy"
SELF = "self"
LOOK_S = 0.5
PASSES = 5
STAYS = (
    ("audit", "who did what as an operator, and entries about this request, stay in the audit, which is append-only"),
    (
        "ledger",
        "turns and calls stay under a pseudonym that leads nowhere: when, for which use case, how long, what cost",
    ),
    ("daily_costs", "sums of money per day, use case, unit and model name nobody"),
    ("erasures", "this certificate names the person, as proof that the request was met"),
)
RULES_STAY = (
    "acls",
    "access rules of documents that a source of the company states name the person; change them there",
)
KEPT_OUT = ("restrictions", "the person is kept out of the service, and that goes on until it is lifted")
CASES_STAY = (
    "evaluation_cases",
    "files of the repository name the person: {places}; take them out with `app people remove-cases {person}`",
)
HOLDS_STAY = ("holds", "legal holds that were released name the person, as proof of why the data was kept")


class StillBusy(Exception):
    """Work of the person is still running; the job goes back into the queue until it has ended."""


@dataclass(frozen=True, slots=True)
class Erasures:
    """`keeper` is the database as the role app_keeper, `ingest` as the one that writes documents."""

    keeper: Database
    ingest: Database
    shared: Shared
    relay: Relay
    usecases: Mapping[str, UseCase]
    patience_s: float = 20.0

    async def request(self, user_id: str, *, by: str, because: str) -> Erasure:
        """Accept a request, or give the one that is open about this person. Raises BadInput, and Held under a hold."""
        if not user_id.strip() or not because.strip():
            raise BadInput("An erasure needs the person's id and a reason, which is kept.")
        async with self.keeper.work() as work:
            found = await erasures.open_of(work, user_id)
            await holds.refuse(work, user_id)
            if found and await self._is_under_way(work, found):
                return found
            job_id = uuid4()
            if found:
                await erasures.resume(work, found.id, job_id=job_id)
                id = found.id
            else:
                id = await erasures.add(work, user_id=user_id, by=by, because=because, job_id=job_id)
            made = await erasures.get(work, id)
            order = jobs.Order(KIND, "", OFFICE, (), {"erasure_id": str(id)})
            await jobs.add(work, job_id, order, trace=tracing.inject())
            actor = SELF if by == user_id else by
            await audit.note(work, actor=actor, action="person.erasure", subject=made.subject, reason=because)
            work.after_commit.append(self.relay.soon)
        return made

    async def release(self, hold_id: UUID, *, by: str, because: str) -> None:
        """End a legal hold; erasures that it stopped go on. Raises BadInput, NotFound, Conflict."""
        if not because.strip():
            raise BadInput("A release needs a reason, which is kept.")
        async with self.keeper.work() as work:
            await holds.release(work, hold_id, by=by, because=because)
        await self.look()

    async def look(self) -> int:
        """Give requests whose job was given up, or whose hold has ended, to a new job; gives how many.

        Shows how long the oldest one waits.
        """
        async with self.keeper.work() as work:
            oldest_s, stranded = await erasures.waiting(work)
        metrics.observe("erasure_oldest_seconds", oldest_s)
        taken_up = 0
        for each in stranded:
            with suppress(Held):
                await self.request(each.user_id, by=each.requested_by, because=each.reason)
                taken_up += 1
        return taken_up

    async def case(self, work: Work, erasure: Erasure) -> Mapping[str, Any]:
        """Give a request as an officer sees it."""
        return (await self.cases(work, [erasure]))[0]

    async def cases(self, work: Work, found: Sequence[Erasure]) -> list[Mapping[str, Any]]:
        """Give requests as an officer sees them.

        One is proven when its certificate is as it was written, and the audit has its hash.
        """
        entries = await audit.newest(work, action="person.erased", subjects=[each.subject for each in found])
        proven = {
            each.id
            for each in found
            if each.is_whole and (entry := entries.get(each.subject)) and entry["after"]["certificate"] == each.hash
        }
        return [{**asdict(each), "proven": each.id in proven} for each in found]

    async def _is_under_way(self, work: Work, found: Erasure) -> bool:
        rows = await work.sql("SELECT FROM jobs WHERE id = :id AND status IN ('queued', 'running')", id=found.job_id)
        return rows.first() is not None

    async def run(self, job: Job, may_go_on: Callable[[], None]) -> dict[str, Any]:
        """Erase until a whole pass finds nothing. Raises StillBusy, DependencyDown, and Held when a hold comes between.

        Every step commits with what it counted: who takes over goes on, and nothing is counted twice.
        """
        id = UUID(str(job.input["erasure_id"]))
        async with self.keeper.work() as work:
            erasure = await erasures.begin(work, id)
        if erasure.status == "done":
            return {"erasure_id": str(id), "hash": erasure.hash}
        try:
            await self._stop_work(erasure)
            for _ in range(PASSES):
                if not await self._pass(erasure, may_go_on):
                    return {"erasure_id": str(id), "hash": await self._certify(id)}
        except Held:
            async with self.keeper.work() as work:
                await erasures.hold(work, id)
            raise
        except SharedAway as error:
            raise DependencyDown("Redis does not answer: the cached answers cannot be erased yet.") from error
        raise StillBusy

    async def _stop_work(self, erasure: Erasure) -> None:
        """Cancel what is queued, and wait for what runs: what it writes afterwards would come too late."""
        until = asyncio.get_running_loop().time() + self.patience_s
        while True:
            async with self.keeper.work() as work:
                await holds.refuse(work, erasure.user_id)
                if await forgetting.stop_work(work, erasure):
                    return
            if asyncio.get_running_loop().time() > until:
                raise StillBusy
            await asyncio.sleep(LOOK_S)

    async def _pass(self, erasure: Erasure, may_go_on: Callable[[], None]) -> int:
        """Run every step until it is done; gives how many rows were erased."""
        found = 0
        for name, step in STEPS[:-1]:
            found += await self._until_done(self.keeper, erasure, step, may_go_on)
            log.info("erasure.step", erasure_id=str(erasure.id), step=name)
        for step in (forgetting.documents, forgetting.names):
            found += await self._until_done(self.ingest, erasure, step, may_go_on)
        async with self.keeper.work() as work:
            erasure = await erasures.get(work, erasure.id)
        quotes = STEPS[-1][1]
        cases = [(case.usecase, case.id) for case in await asyncio.to_thread(naming, self.usecases, erasure.user_id)]
        async with self.keeper.work() as work:
            await work.sql("SET LOCAL statement_timeout = 0")
            await erasures.count(work, erasure.id, await quotes(work, erasure))
            await erasures.count(work, erasure.id, await forgetting.measured(work, cases))
        return found + await self._answers(erasure)

    async def _until_done(
        self, database: Database, erasure: Erasure, step: forgetting.Step, may_go_on: Callable[[], None]
    ) -> int:
        found = 0
        while True:
            may_go_on()
            async with database.work() as work:
                await work.sql("SET LOCAL statement_timeout = 0")
                await holds.refuse(work, erasure.user_id)
                counts: Counts = {name: count for name, count in (await step(work, erasure)).items() if count}
                await erasures.count(work, erasure.id, counts)
            found += sum(counts.values())
            if max(counts.values(), default=0) < MOST:
                return found

    async def _answers(self, erasure: Erasure) -> int:
        """Drop the kept answers of the person's turns, and those that stand on the documents that were erased."""
        gone, erased = 0, set(erasure.documents)
        async for page in kept_answers.pages(self.shared):
            known = {key: kept for key, kept in page.items() if kept}
            async with self.keeper.work() as work:
                mine = await forgetting.answered(work, erasure, [kept.turn_id for kept in known.values()])
                keys = [
                    key for key, kept in known.items()
                    if kept.turn_id in mine or erased & {passage.document_id for passage in kept.passages}
                ]  # fmt: skip
                # What cannot be read may be theirs.
                keys += [key for key in page if key not in known]
                await forgetting.questions(work, keys)
                await erasures.count(work, erasure.id, {"cached_answers": len(keys)} if keys else {})
            gone += await kept_answers.drop(self.shared, keys)
        return gone

    async def _certify(self, id: UUID) -> str:
        async with self.ingest.work() as work:
            rules = await forgetting.rules_left(work, erasure := await erasures.get(work, id))
        cases = await asyncio.to_thread(naming, self.usecases, erasure.user_id)
        places = ", ".join(case.place for case in cases)
        async with self.keeper.work() as work:
            erasure = await erasures.get(work, id)
            certificate = self._certificate(erasure, await holds.listed(work, user_id=erasure.user_id))
            in_files = (CASES_STAY[0], CASES_STAY[1].format(places=places, person=erasure.user_id))
            more = (
                (RULES_STAY, bool(rules)),
                (KEPT_OUT, await forgetting.is_kept_out(work, erasure)),
                (in_files, bool(cases)),
            )
            certificate["stays"] += [{"what": what, "why": why} for (what, why), is_so in more if is_so]
            hashed = await erasures.certify(work, id, certificate)
            await audit.note(
                work, actor="erasure", action="person.erased", subject=erasure.subject, reason="the request was met",
                after={"certificate": hashed, "counts": dict(erasure.counts)},
            )  # fmt: skip
        log.info("erasure.done", erasure_id=str(id))
        return hashed

    def _certificate(self, erasure: Erasure, held: list[dict[str, Any]]) -> dict[str, Any]:
        stays = [*STAYS, *([HOLDS_STAY] if held else [])]
        return {
            "erasure_id": str(erasure.id),
            "person": erasure.user_id,
            "requested_by": erasure.requested_by,
            "requested_at": erasure.requested_at.astimezone(UTC).isoformat(),
            "reason": erasure.reason,
            "finished_at": datetime.now(UTC).isoformat(),
            "erased": dict(sorted(erasure.counts.items())),
            "stays": [{"what": what, "why": why} for what, why in stays],
        }
