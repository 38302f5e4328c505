"""A worker killed by SIGKILL in the middle of an approved action: real processes, and nothing done twice in silence."""

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from app.settings import ROOT
from ops.drills.stack import Stack
from tests.conftest import SECRET
from tests.fakes.fixtures import RunningVendor

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("actions")]
WAIT_S = 90.0
# The tool hangs for ten seconds: long enough to be killed in.
STUCK = 'tool=issue_refund:{"order": "A-300", "usd": "5", "mail": "m"}'


@pytest.fixture
def desk(vendor: RunningVendor) -> Iterator[Stack]:
    """The order desk with the fake vendor's model: API, one worker, and the clock that sweeps."""
    env = {
        "APP_USECASES_DIR": str(ROOT / "tests" / "samples"),
        "APP_SECRET_KEY": SECRET,
        "APP_MODEL_PROVIDER": "openai",
        "OPENAI_API_KEY": "sk-for-tests",
        "OPENAI_BASE_URL": f"{vendor.url}/v1",
    }
    with tempfile.TemporaryDirectory(prefix="desk-", ignore_cleanup_errors=True) as folder:
        stack = Stack(Path(folder), env, parts=("api", "worker-turns", "beat"))
        try:
            stack.start()
            yield stack
        finally:
            stack.stop()


def action(person: httpx2.Client, turn_id: str, *, status: str, is_: str) -> dict[str, Any]:
    """Wait until the turn's action has a status, and give its review."""
    until = time.monotonic() + WAIT_S
    while time.monotonic() < until:
        rows = person.get("/v1/admin/reviews", params={"status": status}).json()
        found = [row for row in rows if row["turn_id"] == turn_id and row["actions"][0]["status"] == is_]
        if found:
            review: dict[str, Any] = found[0]
            return review
        time.sleep(0.1)
    raise AssertionError(f"no {status} review with an action that is {is_}")


@pytest.mark.proves("REL-9", "CTL-4")
def test_a_killed_worker_leaves_a_question_for_a_person_and_repeats_nothing(
    desk: Stack, vendor: RunningVendor, token: Callable[[str], str]
) -> None:
    mark = vendor.plan("killed", STUCK)

    def person(name: str) -> httpx2.Client:
        return httpx2.Client(base_url=desk.url, headers={"Authorization": f"Bearer {token(name)}"}, timeout=60)

    with person("sam.reyes") as sam, person("hana.lind") as hana, person("olga.petrov") as olga:
        asked = sam.post("/v1/usecases/agent/turns", json={"question": f"Pay me back. {mark}"}).json()
        review = action(hana, asked["turn_id"], status="open", is_="waits")
        decision = {"approve": True, "reason": "ok", "seen": review["digest"]}
        hana.post(f"/v1/admin/reviews/{review['id']}", json=decision).raise_for_status()
        action(hana, asked["turn_id"], status="approved", is_="running")
        desk.kill("worker-turns")
        desk.revive("worker-turns")
        again = action(hana, asked["turn_id"], status="open", is_="unknown")
        assert "not known" in again["why"]
        rows = olga.get("/v1/admin/audit").json()
        told = [row["action"] for row in rows if row["subject"] == review["id"]]
        assert told == ["action.unknown", "review.approved"], "one execution, and nobody can say how it ended"
