"""Journeys over real processes: the queue, the switch, sessions across a restart, one trace."""

import subprocess
import time

import httpx2
import pytest

from ops.local.parts import app
from tests.api.asking import LEAVE, parsed

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("stack")]


@pytest.fixture
def door(stack, token):
    """The HTTP door as a person."""
    opened = []

    def as_(person):
        headers = {"Authorization": f"Bearer {token(person)}"}
        opened.append(httpx2.Client(base_url=stack.url, headers=headers, timeout=30))
        return opened[-1]

    yield as_
    for client in opened:
        client.close()


def until(look, *, seconds=15):
    """Look again and again until there is something."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(0.05)
    raise AssertionError(f"nothing within {seconds} s")


def test_sources_are_read_again_by_who_may_and_nothing_has_changed(door):
    assert door("sam.reyes").post("/v1/usecases/handbook/ingestion").status_code == 403
    operator = door("olga.petrov")
    (accepted,) = operator.post("/v1/usecases/handbook/ingestion").json()
    job = until(lambda: (found := operator.get(f"/v1/jobs/{accepted['job_id']}").json())["finished_at"] and found)
    assert job["result"]["unchanged"] == 5 and not job["result"]["failed"]


@pytest.mark.proves("SCL-1")
def test_a_job_goes_through_celery_and_tells_its_progress(door):
    operator = door("olga.petrov")
    items = {"items": [{"question": f"{number} words"} for number in range(1, 7)]}
    accepted = operator.post("/v1/usecases/slow/jobs", json=items)
    told = parsed(operator.get(f"{accepted.headers['location']}/events").text)
    assert [name for name, _ in told] == ["queued", "running", *["progress"] * 6, "succeeded"]
    assert operator.get(accepted.headers["location"]).json()["done"] == 6


def test_an_uploaded_document_answers_its_owner_and_nobody_else(door):
    sam, maya = door("sam.reyes"), door("maya.okafor")
    text = b"# Visit to Harbourton\n\nThe meeting with the Harbourton waterworks takes place in room 7 on 3 June.\n"
    sent = sam.post("/v1/documents", data={"usecase": "handbook", "title": "Visit"}, files={"file": ("visit.md", text)})
    assert sent.status_code == 202, sent.text
    job = until(lambda: (found := sam.get(sent.headers["location"]).json())["finished_at"] and found)
    assert job["status"] == "succeeded"
    question = {"question": "In which room is the meeting with the Harbourton waterworks?"}
    assert "room 7" in sam.post("/v1/usecases/handbook/turns", json=question).json()["answer"]
    assert maya.post("/v1/usecases/handbook/turns", json=question).json()["outcome"] == "refused_no_evidence"
    mine = next(found for found in sam.get("/v1/documents?usecase=handbook").json() if found["title"] == "Visit")
    assert maya.get(f"/v1/documents/{mine['id']}").status_code == 404
    assert maya.delete(f"/v1/documents/{mine['id']}").status_code == 404
    shared = sam.put(f"/v1/documents/{mine['id']}/access", json={"readers": ["user:sam.reyes", "group:sales"]})
    until(lambda: sam.get(shared.headers["location"]).json()["status"] == "succeeded")
    assert "room 7" in maya.post("/v1/usecases/handbook/turns", json=question).json()["answer"]
    assert maya.delete(f"/v1/documents/{mine['id']}").status_code == 403
    gone = sam.delete(f"/v1/documents/{mine['id']}")
    until(lambda: sam.get(gone.headers["location"]).json()["status"] == "succeeded")
    assert sam.post("/v1/usecases/handbook/turns", json=question).json()["outcome"] == "refused_no_evidence"


def test_a_document_may_not_be_pushed_before_people_one_does_not_belong_to(door):
    files = {"file": ("x.md", b"# X\n\nBuy my shares.\n")}
    data = {"usecase": "handbook", "readers": ["group:executives"]}
    assert door("sam.reyes").post("/v1/documents", data=data, files=files).status_code == 422


@pytest.mark.proves("SCL-4", "SCL-5")
def test_a_conversation_survives_the_restart_of_the_api(stack, door):
    sam = door("sam.reyes")
    first = sam.post("/v1/usecases/handbook/turns", json=LEAVE).json()
    stack.kill("api")
    stack.revive("api")
    stack.wait_ready()
    again = door("sam.reyes").post("/v1/usecases/handbook/turns", json={**LEAVE, "session_id": first["session_id"]})
    assert again.json()["session_id"] == first["session_id"]
    assert len(door("sam.reyes").get(f"/v1/sessions/{first['session_id']}").json()["messages"]) == 4


@pytest.mark.proves("CTL-1")
@pytest.mark.parametrize("redis", ["up", "down"])
def test_the_kill_switch_reaches_other_processes_within_three_seconds(stack, door, redis):
    sam = door("sam.reyes")
    assert sam.post("/v1/usecases/handbook/turns", json=LEAVE).status_code == 200
    if redis == "down":
        stack.kill("redis")
    try:
        # Another process throws the switch: the API learns of it by broadcast, or by its poll when Redis is away.
        assert stack.run("pause", "--because", "a drill").returncode == 0
        until(lambda: sam.post("/v1/usecases/handbook/turns", json=LEAVE).status_code == 503, seconds=3)
    finally:
        assert stack.run("resume", "--because", "the drill is over").returncode == 0
        if redis == "down":
            stack.revive("redis")
    until(lambda: sam.post("/v1/usecases/handbook/turns", json=LEAVE).status_code == 200, seconds=3)
    assert "the drill is over" in door("olga.petrov").get("/v1/admin/audit").text


def test_the_command_line_asks_and_exits_by_what_it_got(stack):
    good = stack.run("ask", "--as", "erin.holt", "--usecase", "handbook", "How much is the chief executive paid?")
    assert good.returncode == 0 and "285,000" in good.stdout and "[1]" in good.stdout, good.stderr
    none = stack.run("ask", "--as", "sam.reyes", "--usecase", "handbook", "How much is the chief executive paid?")
    assert none.returncode == 1 and "285,000" not in none.stdout
    wrong = stack.run("ask", "--as", "nobody", "--usecase", "handbook", "x")
    assert wrong.returncode == 2 and "sam.reyes" in wrong.stderr


def test_a_conversation_in_the_terminal_goes_on_in_one_session(stack, door):
    said = "How many days of annual leave do employees have?\nHow many days of annual leave do employees have?\n\n"
    words = (*app("chat"), "--as", "tom.becker", "--usecase", "handbook")
    talked = subprocess.run(words, env=stack.env, input=said, capture_output=True, text=True, check=False)
    assert talked.returncode == 0 and talked.stdout.count("answered_extractive") == 2, talked.stderr
    session = door("tom.becker").get("/v1/sessions").json()[0]
    assert len(door("tom.becker").get(f"/v1/sessions/{session['id']}").json()["messages"]) == 4
