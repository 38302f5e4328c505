"""Runs turns against a vendor that fails as planned, many at once, and gathers what came back and what was written."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from shutil import copytree
from typing import Any
from uuid import UUID

import httpx2

from app.api.app import create
from app.domain.usecase import UseCase
from app.settings import ROOT
from app.wiring.service import Service, build
from tests.api.asking import parsed
from tests.conftest import CONFIG, SECRET, make_settings
from tests.fakes.fixtures import RunningVendor

# Ladders, by what stands below the model that fails; `{n}` makes every case's models its own, so that one case's
# breaker never meets another's.
LADDERS: Mapping[str, tuple[str, ...]] = {
    "nothing": ("standard-{n}",),
    "other model": ("standard-{n}", "backup-{n}"),
    "cached": ("standard-{n}", "cached"),
    "extractive": ("standard-{n}", "extractive"),
    "rules": ("standard-{n}", "rules"),
    "person": ("standard-{n}", "person"),
}
FORMS = ("text", "text streamed", "json", "json streamed")
# Long enough that only a vendor who keeps silent meets it; a cell that differs gets the patient one, nearly alone.
DEADLINE_S, PATIENT_S = 6.0, 20.0
# Beyond its deadline a turn may take this long to be written down and handed out, on a busy machine.
SLACK_S = 6.0
AT_ONCE, WAITING_AT_ONCE = 6, 24
# The mark of the plan stands behind it: a number, so that the passages still cover most of the question.
LEAVE = "How many days of annual leave does every employee have in a year?"
LETTER = "The invoice of March is wrong, please send it again."
CALLS = (
    "SELECT turn_id, rung, provider, model, attempt, purpose, error, cost_usd, price, input_tokens, output_tokens,"
    " cached_tokens FROM calls WHERE turn_id = ANY(:ids) ORDER BY turn_id, attempt, latency_ms"
)
TURNS = "SELECT id, outcome, rung, cost_usd, skipped, reason FROM turns WHERE id = ANY(:ids)"


@dataclass(frozen=True, slots=True)
class Case:
    """One cell of the table: what goes wrong call by call, what stands below the model, and what is asked for.

    `rows` are the table's names of the faults, `plan` what the vendor is told; `is_lasting`: the first model stays ill.
    """

    rows: tuple[str, ...]
    plan: tuple[str, ...]
    ladder: str
    form: str
    is_lasting: bool = False

    @property
    def is_structured(self) -> bool:
        return self.form.startswith("json")

    @property
    def is_streamed(self) -> bool:
        return self.form.endswith("streamed")

    @property
    def waits(self) -> bool:
        """Say whether the vendor keeps silent, so that the turn costs time but no work."""
        return any(entry.startswith(("hang", "stall", "slow")) or entry.endswith("=30") for entry in self.plan)


@dataclass(slots=True)
class Ended:
    """What came of a case."""

    case: Case
    status: int
    body: dict[str, Any]
    seconds: float
    limit_s: float
    name: str
    shown: list[Any] = field(default_factory=list)
    turn: Mapping[str, Any] = field(default_factory=dict)
    calls: Sequence[Mapping[str, Any]] = ()

    @property
    def outcome(self) -> str:
        return str(self.body.get("outcome"))

    @property
    def rung(self) -> str:
        """Give the name of the rung without the number of the case."""
        return str(self.turn.get("rung", "")).partition("-")[0]

    @property
    def tried(self) -> list[tuple[str, str, str]]:
        """Give the ledger's rows: the rung, its error, and whether it was free, priced or unpriced."""
        return [(row["rung"].partition("-")[0], row["error"], _kind(row["cost_usd"])) for row in self.calls]


def _kind(cost: Decimal | None) -> str:
    return "unpriced" if cost is None else "priced" if cost else "free"


def models(cases: int) -> str:
    """Give config/models.toml with models of its own for every case, of two vendors, all priced."""
    names = [(f"standard-{n}", f"openai:prim-{n}") for n in range(cases)]
    names += [(f"backup-{n}", f"anthropic:back-{n}") for n in range(cases)]
    roles = "\n".join(f'{role} = "{model}"' for role, model in names)
    prices = "\n".join(f'"{model}" = {{ input_usd = "1", output_usd = "4" }}' for _, model in names)
    written = (ROOT / "config" / "models.toml").read_text()
    for table, rows in (("roles.openai", roles), ("prices", prices)):
        # Comments name tables too.
        written = written.replace(f"\n[{table}]\n", f"\n[{table}]\n{rows}\n")
    return written


@asynccontextmanager
async def bench(engines: tuple[str, str], vendor: RunningVendor, folder: Path, *, cases: int) -> AsyncIterator["Bench"]:
    """Build a service whose two vendors are both the fake; the documents of `handbook` were read before."""
    copytree(CONFIG, folder / "config")
    (folder / "config" / "models.toml").write_text(models(cases))
    settings = make_settings(
        *engines,
        config_dir=folder / "config",
        model_provider="openai",
        openai_api_key="k",
        openai_base_url=f"{vendor.url}/v1",
        anthropic_api_key="k",
        anthropic_base_url=vendor.url,
    )
    service = build(settings)
    await service.start()
    transport = httpx2.ASGITransport(app=create(service, pages=()), raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://test", timeout=60) as client:
        yield Bench(service, client, vendor)
    await service.stop()


class Bench:
    """Asks, over the HTTP door of a service of its own."""

    def __init__(self, service: Service, client: httpx2.AsyncClient, vendor: RunningVendor) -> None:
        self.service, self._client, self._vendor = service, client, vendor
        self._number, self._deadline_s = 0, DEADLINE_S
        from app.control.development import DevelopmentIssuer

        issuer = DevelopmentIssuer(SECRET, service.settings.config("people"))
        self._headers = {"Authorization": f"Bearer {issuer.token('olga.petrov')}"}

    async def run(self, cases: Iterable[Case], *, is_patient: bool = False) -> list[Ended]:
        """Run all cases, a few at once (patiently: two); of those that mostly wait, many."""
        few, many = asyncio.Semaphore(2 if is_patient else AT_ONCE), asyncio.Semaphore(WAITING_AT_ONCE)
        self._deadline_s = PATIENT_S if is_patient else DEADLINE_S
        numbered = []
        for case in cases:
            numbered.append((self._number, case))
            self._number += 1
        ended = await asyncio.gather(
            *(self._one(number, case, many if case.waits else few) for number, case in numbered)
        )
        await self._read(ended)
        return list(ended)

    def requests(self, one: Ended) -> int:
        """Give how many calls the vendor saw for this case; what filled the cache does not count."""
        begun = self._vendor.state.begun.get(one.name, 0)
        return begun - (one.case.ladder == "cached")

    async def _one(self, number: int, case: Case, free: asyncio.Semaphore) -> Ended:
        key, name = f"case-{number}", str(number)
        self.service.usecases[key] = self._usecase(case, number)  # type: ignore[index]
        body = {"question": f"{LETTER if case.is_structured else LEAVE} [[{name}]]"}
        async with free:
            if case.waits:
                # So that they do not all wake up at the same moment.
                await asyncio.sleep(number % WAITING_AT_ONCE * self._deadline_s / WAITING_AT_ONCE)
            if case.ladder == "cached":
                first = await self._client.post(f"/v1/usecases/{key}/turns", json=body, headers=self._headers)
                assert first.json()["outcome"] == "answered_model", first.text
            self._vendor.plan(f"{name}@prim-{number}" if case.is_lasting else name, *case.plan)
            return await self._ask(case, key, body, name=name)

    async def _ask(self, case: Case, key: str, body: dict[str, Any], *, name: str) -> Ended:
        started = time.monotonic()
        headers = self._headers | ({"Accept": "text/event-stream"} if case.is_streamed else {})
        answer = await self._client.post(f"/v1/usecases/{key}/turns", json=body, headers=headers)
        seconds = time.monotonic() - started
        if not answer.headers["content-type"].startswith("text/event-stream"):
            return Ended(case, answer.status_code, answer.json(), seconds, self._deadline_s, name)
        events = parsed(answer.text)
        shown = [data for kind, data in events if kind not in ("end", "error")]
        return Ended(case, answer.status_code, events[-1][1], seconds, self._deadline_s, name, shown)

    def _usecase(self, case: Case, number: int) -> UseCase:
        sample = self.service.usecases["triage" if case.is_structured else "handbook"]
        contract = sample.contract
        changed = contract.model_copy(
            update={
                "models": contract.models.model_copy(
                    update={"ladder": tuple(rung.format(n=number) for rung in LADDERS[case.ladder])}
                ),
                "risk": contract.risk.model_copy(update={"mode": "auto"}),
                "latency": contract.latency.model_copy(update={"timeout_s": self._deadline_s, "stream": True}),
                "limits": contract.limits.model_copy(update={"per_user_per_minute": 1_000_000}),
                "cost": contract.cost.model_copy(
                    update={"per_user_day_usd": Decimal(10_000), "per_month_usd": Decimal(10_000)}
                ),
                "cache": contract.cache.model_copy(update={"stale_s": 3600 if case.ladder == "cached" else 0}),
            }
        )
        rules = _rules if case.ladder == "rules" and not case.is_structured else sample.rules
        return replace(sample, contract=changed, rules=rules)

    async def _read(self, ended: Sequence[Ended]) -> None:
        ids = [UUID(one.body["turn_id"]) for one in ended if one.body.get("turn_id")]
        async with self.service.database.work() as work:
            turns = {row["id"]: dict(row) for row in (await work.sql(TURNS, ids=ids)).mappings()}
            calls: dict[UUID, list[Mapping[str, Any]]] = {}
            for row in (await work.sql(CALLS, ids=ids)).mappings():
                calls.setdefault(row["turn_id"], []).append(dict(row))
        for one in ended:
            turn_id = UUID(one.body["turn_id"]) if one.body.get("turn_id") else None
            one.turn = turns.get(turn_id, {}) if turn_id else {}
            one.calls = calls.get(turn_id, []) if turn_id else []


def _rules(turn: Any) -> Any:
    from app.domain.outcome import Outcome
    from app.domain.turn import Draft

    return Draft(text="Staff have 25 days.", rung="rules", outcome=Outcome.ANSWERED_RULES)
