"""A shadow over real processes: the API answers, a worker asks the candidate, and one that is killed is replaced."""

import shutil
import tempfile
import time
from pathlib import Path

import httpx2
import psycopg
import pytest

from app.settings import ROOT
from ops.drills.stack import Stack
from tests.conftest import SECRET

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("shadows")]
PATIENCE_S = 90.0
CHEAP = "gpt-6-luna"


@pytest.fixture
def shadowed(vendor):
    """The service with a model, and a shadow behind every turn of the triage."""
    with tempfile.TemporaryDirectory(prefix="shadowed-", ignore_cleanup_errors=True) as folder:
        usecases = Path(folder) / "usecases"
        # Code of use cases is imported from the project alone: this one goes without.
        shutil.copytree(ROOT / "tests/samples/triage", usecases / "triage", ignore=shutil.ignore_patterns("*.py"))
        contract = usecases / "triage" / "contract.toml"
        alone = contract.read_text().replace('ladder = ["standard", "rules"]', 'ladder = ["standard"]')
        contract.write_text(alone + '\n[shadow]\nrole = "cheap"\nshare = 1.0\n')
        env = {
            "APP_USECASES_DIR": str(usecases),
            "APP_SECRET_KEY": SECRET,
            "APP_MODEL_PROVIDER": "openai",
            "OPENAI_API_KEY": "sk-for-tests",
            "OPENAI_BASE_URL": f"{vendor.url}/v1",
            "APP_JOB_LEASE_S": "3",
        }
        stack = Stack(Path(folder), env, parts=("api", "worker-turns", "beat"))
        try:
            stack.start()
            yield stack
        finally:
            stack.stop()


def waited(condition):
    """Wait until something is so, and give it."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        if found := condition():
            return found
        time.sleep(0.1)
    raise TimeoutError


@pytest.mark.proves("CTL-3")
def test_the_worker_asks_the_candidate_and_one_that_was_killed_over_it_is_replaced(shadowed, vendor, token):
    vendor.plan("killed@" + CHEAP, "hang=600")
    headers = {"Authorization": f"Bearer {token('olga.petrov')}"}
    with httpx2.Client(base_url=shadowed.url, headers=headers, timeout=60) as olga:
        body = olga.post("/v1/usecases/triage/turns", json={"question": "The invoice is wrong [[plan:killed]]"}).json()
    assert body["outcome"] == "escalated_review"
    waited(lambda: vendor.state.begun.get("killed", 0) == 2)
    shadowed.kill("worker-turns")
    shadowed.revive("worker-turns")

    def compared():
        with psycopg.connect(shadowed.engines.database_url) as owner:
            of = "SELECT candidate, shadow_outcome, agrees FROM shadow_runs WHERE turn_id = %s"
            return owner.execute(of, (body["turn_id"],)).fetchall()

    assert waited(compared) == [("cheap", "escalated_review", True)]
    with psycopg.connect(shadowed.engines.database_url) as owner:
        assert owner.execute("SELECT count(*) FROM shadow_waiting").fetchone() == (0,)
    assert {request["model"] for request in vendor.requests} == {"gpt-6-sol", CHEAP}
