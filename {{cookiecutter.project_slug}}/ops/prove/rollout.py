"""Rollouts at 10 %: a slow, a wrong and a dear candidate are halted by themselves, a good one is not, run after run."""

import argparse
import asyncio
import random
import tempfile
import time
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import httpx2
from rich.console import Console

from app.control.comparison import METRICS, Tally, judge
from app.control.development import DevelopmentIssuer
from app.domain.contract import Contract
from ops.drills.stack import SECRET
from ops.prove.report import Claim, Proof
from ops.prove.site import USECASES, site

NAME, CANDIDATE = "rolled", "trial"
# What the vendor does to the candidate's calls, and the metric that has to find it.
BAD = {
    "slow": ("hang*=3", "slow"),
    "wrong": ("alien*", "check_failures"),
    "dear": (f"say*={'And so on, at length. ' * 60}", "cost"),
}
PEOPLE, WAVE, AT_ONCE, PATIENCE_S = 1000, 40, 16, 60.0
# A bad candidate has to be halted within so many of its turns.
MOST = 300
PARTS = ("api", "worker-documents", "beat")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a rollout is tried: a service that runs, with its guard, and the fake vendor behind it."""

    url: str
    vendor_url: str
    operator: Mapping[str, str]
    people: Sequence[Mapping[str, str]]
    name: str = NAME
    mark: str = CANDIDATE
    step: str = "percent:10"

    @property
    def moves(self) -> str:
        """Give the path by which the rollout is seen and moved."""
        return f"/v1/admin/rollouts/{self.name}"

    @property
    def turns(self) -> str:
        """Give the path by which people ask."""
        return f"/v1/usecases/{self.name}/turns"


@dataclass(slots=True)
class Tried:
    """What became of a candidate: whether it was halted, what for, and after how much."""

    halted: str = ""
    step: str = ""
    turns: int = 0
    all_turns: int = 0
    seconds: float = 0.0
    breach: str = ""
    failed: list[int] = field(default_factory=list)


def options(parser: argparse.ArgumentParser) -> None:
    """Declare what can be chosen."""
    parser.add_argument("--runs", type=int, default=20, help="rollouts of a good candidate")
    parser.add_argument("--turns", type=int, default=600, help="turns of each of these, a tenth by the candidate")
    parser.add_argument("--simulated", type=int, default=400, help="further ones that are only calculated")


def prove(arguments: argparse.Namespace, console: Console) -> Proof:
    """Start a service with its guard, and put candidates on 10 %."""
    with tempfile.TemporaryDirectory(prefix="prove-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        console.print("starting a service, its housekeeping and a vendor", markup=False)
        with site(folder, parts=PARTS) as running:
            place = Place(running.url, running.vendor_url, running.headers[-1], crowd(PEOPLE))
            return asyncio.run(_all(place, arguments, console))


def crowd(count: int) -> list[dict[str, str]]:
    """Give the headers of so many people."""
    named = {f"person-{number}": {"name": f"Person {number}", "groups": ["staff"]} for number in range(count)}
    issuer = DevelopmentIssuer(SECRET, named)
    return [{"Authorization": f"Bearer {issuer.token(person)}"} for person in named]


async def _all(place: Place, arguments: argparse.Namespace, console: Console) -> Proof:
    contract = Contract.model_validate(tomllib.loads((USECASES / NAME / "contract.toml").read_text()))
    bad: dict[str, Tried] = {}
    for kind, (plan, _) in BAD.items():
        bad[kind] = await tried(place, plan, most=MOST)
        console.print(f"{kind}: {bad[kind].halted or 'not halted'}", markup=False)
    good = [await tried(place, "ok*", most=MOST, turns=arguments.turns) for _ in range(arguments.runs)]
    return judged(bad, good, simulated(contract, arguments.simulated))


async def tried(place: Place, plan: str, *, most: int, turns: int = 0) -> Tried:
    """Put the candidate on a stage and ask until it is halted, or `turns` are asked, or `most` are the candidate's."""
    found, started = Tried(), time.monotonic()
    free = asyncio.Semaphore(AT_ONCE)
    async with httpx2.AsyncClient(base_url=place.url, timeout=PATIENCE_S) as door:
        async with httpx2.AsyncClient(base_url=place.vendor_url, timeout=30) as vendor:
            (await vendor.post("/_plans", json={place.mark: [plan]})).raise_for_status()
        await _move(door, place, action="start", candidate=CANDIDATE, step=place.step)
        while not found.halted and found.turns < most and (not turns or found.all_turns < turns):
            found.failed += await asyncio.gather(
                *(_ask(door, place, free, f"{number} {uuid4().hex}") for number in range(WAVE))
            )
            await _look(door, place, found)
        found.seconds = time.monotonic() - started
        if not found.halted:
            await _move(door, place, action="back")
    return found


async def _look(door: httpx2.AsyncClient, place: Place, found: Tried) -> None:
    told = (await door.get(place.moves, headers=dict(place.operator))).json()
    found.halted, found.step = told["halted"], told["step"]
    found.all_turns += WAVE
    if found.halted:
        # What the guard had counted when it halted: the last look before may have been long ago.
        found.turns = int(found.halted.partition(" after ")[2].partition(" turns")[0])
    else:
        found.turns = told["watched"]["turns"]
        found.breach = next((each["metric"] for each in told["judged"] if each["is_breach"]), "")


async def _ask(door: httpx2.AsyncClient, place: Place, free: asyncio.Semaphore, words: str) -> int:
    async with free:
        who = dict(random.choice(place.people))  # noqa: S311 - who asks next, not a secret
        answer = await door.post(place.turns, json={"question": f"What is new, {words}?"}, headers=who)
        return answer.status_code


async def _move(door: httpx2.AsyncClient, place: Place, **body: str) -> None:
    told = await door.post(place.moves, json={**body, "reason": "a proof"}, headers=dict(place.operator))
    told.raise_for_status()


def simulated(contract: Contract, runs: int, *, turns: int = 300, seed: int = 1) -> int:
    """Count the halts of candidates that are exactly as good as the current one, looked at after every tenth turn."""
    luck, halted = random.Random(seed), 0  # noqa: S311 - a simulation
    chances = {"errors": 0.01, "slow": 0.05, "refusals": 0.1, "check_failures": 0.02, "thumbs_down": 0.1}
    edge = contract.rollout.guard.model_copy(update=dict.fromkeys(METRICS, 0.0))
    strict = contract.model_copy(update={"rollout": contract.rollout.model_copy(update={"guard": edge})})
    for _ in range(runs):
        sums = {arm: dict.fromkeys(METRICS, 0.0) for arm in ("trial", "current")}
        for turn in range(1, turns + 1):
            for arm, times in (("trial", 1), ("current", 9)):
                for _ in range(times):
                    _add(sums[arm], chances, luck)
            if turn % 10 == 0 and _is_breach(strict, sums, turn):
                halted += 1
                break
    return halted


def _add(sums: dict[str, float], chances: Mapping[str, float], luck: random.Random) -> None:
    for metric, chance in chances.items():
        sums[metric] += luck.random() < chance
    sums["cost"] += luck.random() / 2


def _is_breach(contract: Contract, sums: Mapping[str, Mapping[str, float]], turn: int) -> bool:
    trial = Tally("trial", turn, turn, sums["trial"], 1.0)
    current = Tally("current", 9 * turn, 9 * turn, sums["current"], 1.0)
    return any(each.is_breach for each in judge(contract, trial, current))


def judged(bad: Mapping[str, Tried], good: Sequence[Tried], false: int) -> Proof:
    """Make claims of what became of them."""
    claims = [
        Claim(
            f"a {kind} candidate is halted for it, within the {MOST} turns that it may have",
            bool(each.halted) and _names(BAD[kind][1]) in each.halted and each.turns <= MOST,
            f"{each.halted or 'not halted'}; {each.seconds:.0f} s, {each.all_turns} turns of all people",
        )
        for kind, each in bad.items()
    ]
    halts = [each.halted or each.breach for each in good if each.halted or each.breach]
    claims.append(
        Claim(f"a good one is not halted in {len(good)} rollouts", not halts, "; ".join(halts) or f"0 of {len(good)}")
    )
    figures = {
        **{f"{kind}: the candidate's turns when it was halted": each.turns for kind, each in bad.items()},
        **{f"{kind}: seconds until it was halted": round(each.seconds, 1) for kind, each in bad.items()},
        "a good one: turns of the candidate, all rollouts": sum(each.turns for each in good),
        "a good one: halted": len(halts),
        "calculated: candidates just as good, no increase allowed, halted": false,
    }
    return Proof("rollout", __doc__ or "", claims, figures, {"people": PEOPLE, "share": "10 %", "at once": AT_ONCE})


def _names(metric: str) -> str:
    return {"slow": "slow turns", "check_failures": "check failures"}.get(metric, metric)
