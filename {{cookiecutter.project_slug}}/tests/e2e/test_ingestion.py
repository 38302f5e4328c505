"""A worker dies in the middle of a source: the next one goes on where it was, and nothing is there twice."""

import json
import tempfile
import time
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any

import psycopg
import pytest

from app.settings import ROOT
from ops.drills.stack import Stack
from tests.conftest import SECRET
from tests.e2e.usecases.papers.sources import AMOUNT

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("ingestion")]
PATIENCE_S = 120.0
# Papers that a worker has in hand at once.
HANDS = 4


@pytest.fixture(scope="module")
def papers():
    with tempfile.TemporaryDirectory(prefix="papers-", ignore_cleanup_errors=True) as folder:
        changes = {
            "APP_USECASES_DIR": str(ROOT / "tests" / "e2e" / "usecases"),
            "APP_SECRET_KEY": SECRET,
            "APP_JOB_LEASE_S": "2",
            "PAPERS_LOG": str(Path(folder) / "fetched.log"),
        }
        stack = Stack(Path(folder), changes, parts=("api", "worker-documents", "beat"))
        try:
            stack.start()
            yield stack
        finally:
            stack.stop()


def call(stack: Stack, method: str, path: str, token: str) -> Any:
    headers = {"Authorization": f"Bearer {token}"}
    request = urllib.request.Request(stack.url + path, method=method, headers=headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read())


def until(stack: Stack, job_id: str, token: str, *, done: int) -> dict[str, Any]:
    """Wait until so many papers are done, or the job is over."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        job: dict[str, Any] = call(stack, "GET", f"/v1/jobs/{job_id}", token)
        if job["done"] >= done or job["status"] in ("succeeded", "failed", "cancelled"):
            return job
        time.sleep(0.05)
    raise TimeoutError(f"{job}\n{stack.log('worker-documents').read_text()[-3000:]}")


@pytest.mark.proves("INT-4", "SCL-2", "REL-9")
def test_a_killed_worker_is_followed_by_one_that_goes_on(papers, token):
    olga = token("olga.petrov")
    job_id = call(papers, "POST", "/v1/usecases/papers/sources/papers/ingest", olga)["job_id"]
    seen = until(papers, job_id, olga, done=AMOUNT // 4)
    assert 0 < seen["done"] < AMOUNT, "killed too late to prove anything"
    papers.kill("worker-documents")
    fetched = Path(papers.env["PAPERS_LOG"])
    before = Counter(fetched.read_text().split())
    papers.revive("worker-documents")
    job = until(papers, job_id, olga, done=AMOUNT + 1)
    assert (job["status"], job["done"], job["total"]) == ("succeeded", AMOUNT, AMOUNT), job
    assert (job["result"]["added"], job["result"]["failures"]) == (AMOUNT, 0)

    all_of_it = Counter(fetched.read_text().split())
    again = {path for path, times in all_of_it.items() if times > 1}
    assert len(all_of_it) == AMOUNT and len(again) <= HANDS and again <= set(before), "only what was in hand came twice"
    with psycopg.connect(papers.engines.database_url) as connection:
        documents = connection.execute("SELECT count(*), count(DISTINCT path) FROM documents").fetchone()
        chunks = connection.execute("SELECT count(*), count(DISTINCT document_id) FROM chunks").fetchone()
        listed = connection.execute("SELECT count(*) FROM listed").fetchone()
    assert (documents, chunks, listed) == ((AMOUNT, AMOUNT), (AMOUNT, AMOUNT), (0,))


@pytest.mark.proves("LAT-3")
def test_the_command_line_shows_how_a_source_was_read_and_what_there_is(papers):
    papers.run("ingest", "papers", "papers")
    read = papers.run("ingest", "papers", "papers")
    assert read.returncode == 0 and f"{AMOUNT} unchanged" in read.stdout, read.stdout + read.stderr
    assert f"{AMOUNT}/{AMOUNT}" in read.stderr, "a bar of progress"
    listed = papers.run("documents", "papers", "--limit", "3")
    assert listed.returncode == 0 and "Paper 0" in listed.stdout and "raise --limit" in listed.stdout, listed.stderr
    failed = papers.run("documents", "--failed")
    assert failed.returncode == 0 and "0 documents" in failed.stdout
    wrong = papers.run("ingest", "papers", "nowhere")
    assert wrong.returncode == 2 and "papers" in wrong.stderr
