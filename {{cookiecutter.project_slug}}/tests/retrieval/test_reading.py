"""Files are read in a child with bounds: whatever a file does to its reader, it ends as a sentence and hurts nobody."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from app.errors import DependencyDown, Unreadable
from app.retrieval import reading
from app.retrieval.parse import MOST_BYTES
from app.retrieval.reading import ReadingRoom
from app.retrieval.reading_limits import MEGABYTE, Limits
from ops.prove.samples import OVERWHELMING, good

LIMITS = Limits(memory_bytes=300 * MEGABYTE, cpu_s=2, wall_s=60, answer_bytes=2 * MEGABYTE, files=5)
Make = Callable[[Limits], ReadingRoom]

linux = pytest.mark.skipif(sys.platform != "linux", reason="other kernels do not bound the memory")


@pytest.fixture
async def make(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Make]:
    monkeypatch.setattr(reading, "CHILD", "tests.retrieval.misbehaving")
    rooms: list[ReadingRoom] = []

    def make(limits: Limits = LIMITS) -> ReadingRoom:
        rooms.append(ReadingRoom(limits, children=2))
        return rooms[-1]

    yield make
    for room in rooms:
        await room.close()


@pytest.fixture
def room(make: Make) -> ReadingRoom:
    return make(LIMITS)


async def said(room: ReadingRoom, deed: str) -> str:
    return (await room.read_apart(deed.encode(), filename="a.md")).chunks[0].text


async def reason(room: ReadingRoom, deed: str) -> object:
    with pytest.raises(Unreadable) as caught:
        await said(room, deed)
    assert caught.value.detail.endswith(".")
    return caught.value.extra["reason"]


async def gone(pid: int) -> bool:
    for _ in range(300):
        if has_ended(pid):
            return True
        await asyncio.sleep(0.1)
    return False


def has_ended(pid: int) -> bool:
    """Say whether a process is no more, or its parent has only not looked yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


@pytest.mark.proves("INT-4", "REL-10")
@pytest.mark.parametrize(
    ("name", "expected"), [("hang.md", "too_slow"), pytest.param("fill.docx", "oversized", marks=linux)]
)
async def test_files_that_overwhelm_our_own_readers_are_outcomes(name: str, expected: str) -> None:
    room = ReadingRoom(Limits(memory_bytes=300 * MEGABYTE, cpu_s=3))
    with pytest.raises(Unreadable) as caught:
        await room.read_apart(OVERWHELMING[name](), filename=name)
    assert caught.value.extra["reason"] == expected
    assert (await room.read_apart(good()["pptx"], filename="a.pptx")).chunks[0].page == 1
    await room.close()


async def test_a_document_comes_back_as_it_was_read() -> None:
    room = ReadingRoom()
    found = await room.read_apart("# Größe\n\n你好".encode(), filename="a.md", media_type="text/markdown")
    assert (found.chunks[0].heading, found.chunks[0].text, found.hidden) == ("Größe", "你好", "")
    with pytest.raises(Unreadable) as caught:
        await room.read_apart(b"x", filename="a.exe")
    assert caught.value.extra["reason"] == "unsupported"
    await room.close()


async def test_a_child_reads_several_files_and_then_makes_room(room: ReadingRoom) -> None:
    # What this process holds is not the child's.
    assert len(bytearray(200 * MEGABYTE)) > LIMITS.memory_bytes / 2
    pids = [await said(room, "who") for _ in range(7)]
    assert len(set(pids[:5])) == 1 and len(set(pids[5:])) == 1 and pids[4] != pids[5]
    assert await gone(int(pids[0]))


async def test_no_more_children_than_allowed_read_at_the_same_time(room: ReadingRoom) -> None:
    pids = await asyncio.gather(*(said(room, "who") for _ in range(8)))
    assert 1 <= len(set(pids)) <= 4


@pytest.mark.proves("INT-4")
@pytest.mark.parametrize(
    ("deed", "expected"),
    [
        pytest.param("fill", "oversized", marks=linux),
        ("shout", "oversized"),
        ("segfault", "crashed"),
        ("quit", "crashed"),
        ("raise", "crashed"),
    ],
)
async def test_a_misdeed_has_its_reason_and_the_next_file_is_read(room: ReadingRoom, deed: str, expected: str) -> None:
    assert await reason(room, deed) == expected
    assert await said(room, "read") == "read"


async def test_work_is_limited_by_what_it_takes_of_the_processor(room: ReadingRoom) -> None:
    with pytest.raises(Unreadable) as caught:
        await said(room, "spin")
    assert caught.value.detail.startswith("Reading the document takes longer than 2 s.")


async def test_waiting_is_limited_as_well_as_work(make: Make) -> None:
    room = make(Limits(cpu_s=60))
    pid = int(await said(room, "who"))
    room.limits = Limits(cpu_s=60, wall_s=1)
    assert await reason(room, "hang") == "too_slow"
    assert await gone(pid)


async def test_what_a_library_prints_is_no_answer(room: ReadingRoom) -> None:
    assert [await said(room, "chatter"), await said(room, "read")] == ["said", "read"]


async def test_a_file_that_dies_of_an_earlier_one_gets_a_child_of_its_own(room: ReadingRoom) -> None:
    pid = int(await said(room, "who"))
    os.kill(pid, signal.SIGSTOP)
    waiting = asyncio.create_task(said(room, "who"))
    await asyncio.sleep(0.2)
    os.kill(pid, signal.SIGKILL)
    assert int(await waiting) != pid


@pytest.mark.proves("INT-4")
async def test_cancelling_kills_the_child(room: ReadingRoom) -> None:
    pid = int(await said(room, "who"))
    waiting = asyncio.create_task(said(room, "hang"))
    await asyncio.sleep(0.3)
    waiting.cancel()
    with suppress(asyncio.CancelledError):
        await waiting
    assert await gone(pid)
    assert await said(room, "read") == "read"


async def test_a_closed_room_leaves_the_file_to_another_worker(room: ReadingRoom) -> None:
    pid = int(await said(room, "who"))
    waiting = asyncio.create_task(said(room, "hang"))
    await asyncio.sleep(0.3)
    await room.close()
    with pytest.raises(DependencyDown):
        await waiting
    with pytest.raises(DependencyDown):
        await said(room, "read")
    assert await gone(pid)


@linux
async def test_a_closed_room_has_buried_the_child_that_was_ended_a_moment_before(make: Make) -> None:
    room = make(replace(LIMITS, files=1))
    pid = await said(room, "who")
    await room.close()
    assert pid not in os.listdir("/proc")


async def test_an_idle_child_goes(make: Make) -> None:
    room = make(LIMITS)
    room.idle_s = 0.2
    assert await gone(int(await said(room, "who")))
    assert await said(room, "read") == "read"


async def test_a_file_too_large_never_reaches_a_child(room: ReadingRoom) -> None:
    assert await reason(room, "read" + " " * MOST_BYTES) == "oversized"


@pytest.mark.parametrize("deed", ["connect", "run", "write"])
async def test_a_reader_may_not_leave_its_place(room: ReadingRoom, deed: str) -> None:
    assert await said(room, deed) == "PermissionError"


@linux
async def test_a_child_has_no_secrets_and_no_open_connections(
    room: ReadingRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    found = await said(room, "look")
    assert "OPENAI" not in found and "DATABASE" not in found and "PATH'" not in found.replace("PYTHONPATH'", "")
    # The pipe for answers is the only file beyond the three that every process has.
    assert "['pipe']" in found and "(0, 0)" in found


HOLDER = """
import asyncio, sys
from app.retrieval import reading
from app.retrieval.reading_limits import Limits
reading.CHILD = "tests.retrieval.misbehaving"
async def main():
    room = reading.ReadingRoom(Limits(cpu_s=600, wall_s=600))
    print((await room.read_apart(b"who", filename="a.md")).chunks[0].text, flush=True)
    await room.read_apart(sys.argv[1].encode(), filename="a.md")
asyncio.run(main())
"""


@pytest.mark.proves("REL-10")
@pytest.mark.parametrize("deed", ["hang", "spin"])
def test_no_child_outlives_a_worker_that_was_killed(deed: str) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, deed], stdout=subprocess.PIPE, text=True)
    assert holder.stdout
    pid = int(holder.stdout.readline())
    time.sleep(0.5)
    holder.kill()
    holder.wait()
    until = time.monotonic() + 30
    while not has_ended(pid) and time.monotonic() < until:
        time.sleep(0.1)
    assert has_ended(pid)


FORKED = """
import asyncio, threading
from billiard import Process
from app.retrieval.reading import ReadingRoom

async def read():
    room = ReadingRoom()
    found = await room.read_apart(b"# A\\n\\ntext", filename="a.md")
    await room.close()
    return found.chunks[0].text

def work():
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    print(asyncio.run_coroutine_threadsafe(read(), loop).result(60), flush=True)

child = Process(target=work, daemon=True)
child.start()
child.join()
"""


def test_a_daemon_of_celery_reads_on_its_loop_thread() -> None:
    ran = subprocess.run([sys.executable, "-c", FORKED], check=False, capture_output=True, text=True, timeout=120)
    assert ran.stdout == "text\n", ran.stderr
