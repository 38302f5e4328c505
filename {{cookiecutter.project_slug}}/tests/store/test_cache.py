"""The cache of answers on a real Redis: one leads, others follow, the dead are noticed; what one sees has a name."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest

from app.domain.access import Claims
from app.domain.outcome import Outcome
from app.domain.turn import Citation, Draft, Passage, Remembered
from app.store import corpus, semantic
from app.store.cache import Answers, Question, age_s
from app.store.db import Database
from app.store.shared import Shared, SharedAway
from tests.store.test_documents import reading, save, usecase, writing

__all__ = ["reading", "usecase", "writing"]
LONG_S = 60.0


@pytest.fixture
async def processes(redis_url):
    """Make caches as several processes have them; the lease is short."""
    opened = []

    def make(*, lease_s=1.0, url=redis_url):
        shared = Shared(url)
        opened.append((Answers(shared, lease_s=lease_s), shared))
        return opened[-1][0]

    yield make
    for answers, shared in opened:
        await answers.close()
        await shared.close()


@pytest.fixture
def question():
    return Question(uuid4().hex, time.time() - 100, "2026-11-02")


def answer(**changes):
    id = uuid4()
    citation = Citation(1, id, "Leave", "leave.md", "25 days", page=3)
    draft = Draft(
        "25 days [1]", "standard", Outcome.ANSWERED_MODEL, "gpt", "abc", {"days": [25, None]}, (citation,), 0.5
    )
    passage = Passage(7, id, "Leave", "leave.md", "25 days", 0.9, visible_by=("everyone",))
    known = {"turn_id": uuid4(), "said_at": datetime.now(UTC), "cost_usd": Decimal("0.00012"), **changes}
    return Remembered(draft, (passage,), **known)


def later(seconds=LONG_S):
    return asyncio.get_running_loop().time() + seconds


async def put(answers, question, remembered, **more):
    await answers.put(question.key, remembered, **{"day": question.day, "ttl_s": 1000, **more})


async def test_an_answer_comes_back_as_it_was_in_every_process(processes, question):
    said = answer()
    await put(processes(), question, said)
    found = await processes().look(question, token="b", until_s=later())
    assert found.is_fresh and found.remembered == said and not found.leads
    assert 0 <= age_s(found.remembered) < LONG_S


@pytest.mark.parametrize(("age", "day"), [(200, "2026-11-02"), (0, "2026-11-01")])
async def test_what_is_old_or_of_another_day_is_there_but_not_fresh(processes, question, age, day):
    said = answer(said_at=datetime.now(UTC) - timedelta(seconds=age))
    answers = processes()
    await put(answers, question, said, day=day)
    found = await answers.look(question, token="a", until_s=later())
    assert not found.is_fresh and found.remembered == said and found.leads


async def test_an_older_answer_does_not_replace_a_younger_one(processes, question):
    answers, young = processes(), answer()
    await put(answers, question, young)
    await put(answers, question, answer(said_at=datetime.now(UTC) - timedelta(seconds=50)))
    assert await answers.read(question.key) == young


@pytest.mark.proves("LAT-4")
async def test_one_leads_and_those_who_follow_get_its_answer(processes, question):
    one, other, said = processes(), processes(), answer()
    assert (await one.look(question, token="a", until_s=later())).leads
    places = [await each.look(question, token=name, until_s=later()) for each, name in ((one, "b"), (other, "c"))]
    assert [place.holder for place in places] == ["a", "a"] and not any(place.leads for place in places)

    waiting = [asyncio.create_task(each.follow(question, "a", until_s=later())) for each in (one, other)]
    await asyncio.sleep(0.1)
    assert not any(task.done() for task in waiting)
    await put(one, question, said, token="a")
    assert [found.remembered for found in await asyncio.gather(*waiting)] == [said, said]
    assert not (await one.look(Question(question.key, time.time() + 1), token="", until_s=later())).holder


async def test_all_who_wait_in_a_process_look_with_one_pair_of_eyes(processes, question, monkeypatch):
    leader, followers = processes(), processes()
    await leader.look(question, token="a", until_s=later())
    looks, run = [], followers._shared.run

    async def counted(*args):
        looks.append(args)
        return await run(*args)

    monkeypatch.setattr(followers._shared, "run", counted)
    others = len(asyncio.all_tasks())
    waiting = [asyncio.create_task(followers.follow(question, "a", until_s=later())) for _ in range(50)]
    for _ in range(3000):
        if len(looks) >= 5:
            break
        await asyncio.sleep(0.01)
    # Fifty waiters of their own would have looked fifty times by now.
    assert len(looks) < 50 and len(asyncio.all_tasks()) < others + 50 + 30
    await put(leader, question, answer(), token="a")
    assert all(found.is_fresh for found in await asyncio.gather(*waiting))
    assert len(looks) < 50


async def test_a_leader_that_lets_go_sends_its_followers_on_their_own_way(processes, question):
    one, other = processes(), processes()
    await one.look(question, token="a", until_s=later())
    waiting = [asyncio.create_task(each.follow(question, "a", until_s=later())) for each in (one, other)]
    await asyncio.sleep(0.05)
    await one.let_go(question.key, token="a")
    for found in await asyncio.gather(*waiting):
        assert found.holder and not (found.is_fresh or found.leads)
    # Who comes now leads anew.
    assert (await other.look(question, token="d", until_s=later())).leads


async def test_whoever_no_longer_leads_takes_nothing_from_who_does(processes, question):
    answers = processes()
    await answers.look(question, token="a", until_s=later())
    await answers.let_go(question.key, token="z")
    await put(answers, question, answer(said_at=datetime.now(UTC) - timedelta(seconds=500)), token="z")
    assert (await answers.look(question, token="b", until_s=later())).holder == "a"


@pytest.mark.proves("LAT-4")
async def test_a_leader_that_died_is_noticed_and_a_follower_takes_its_place(processes, question):
    dead, alive = processes(lease_s=0.5), processes(lease_s=0.5)
    await dead.look(question, token="a", until_s=later())
    dead._beating.cancel()
    found = await alive.follow(question, "a", until_s=later())
    assert found is not None and not found.holder and not found.is_fresh
    assert (await alive.look(question, token="b", until_s=later())).leads


async def test_a_living_leader_keeps_its_place_but_not_past_its_deadline(processes, question):
    leader, other = processes(lease_s=1.0), processes(lease_s=1.0)
    until_s = later(2.5)
    await leader.look(question, token="a", until_s=until_s)
    assert await other.follow(question, "a", until_s=later(1.8)) is None
    found = await other.follow(question, "a", until_s=later())
    assert found is not None and not found.holder and asyncio.get_running_loop().time() >= until_s


async def test_an_answer_of_another_release_that_cannot_be_read_is_as_good_as_none(processes, question):
    answers = processes()
    await put(answers, question, answer())
    await answers._shared.run("redis.call('HSET', KEYS[1], 'body', '{}')", ["answer:{" + question.key + "}"])
    found = await answers.look(question, token="a", until_s=later())
    assert found.remembered is None and not found.is_fresh
    await put(answers, question, said := answer())
    assert (await answers.look(question, token="a", until_s=later())).remembered == said


async def test_without_redis_everything_says_so_at_once(processes, question):
    answers = processes(url="redis://127.0.0.1:1")
    with pytest.raises(SharedAway):
        await answers.look(question, token="a", until_s=later())
    with pytest.raises(SharedAway):
        await put(answers, question, answer())
    found = await answers.follow(question, "a", until_s=later())
    assert found is not None and not (found.holder or found.is_fresh)


async def sight(database: Database, usecase: str, *readers: str) -> str:
    async with database.work() as work:
        return await corpus.sight(work, usecase=usecase, claims=Claims(readers))


@pytest.mark.proves("SEC-4")
async def test_what_people_see_has_one_name_for_the_same_rights_and_another_for_others(reading, writing, usecase):
    await save(writing, usecase, "all.md", "text", readers=("everyone",))
    await save(writing, usecase, "hr.md", "text", readers=("group:hr",))
    everybody = await sight(reading, usecase, "everyone", "user:sam")
    assert everybody == await sight(reading, usecase, "everyone", "group:sales", "user:maya")
    assert everybody != await sight(reading, usecase, "everyone", "group:hr")
    assert everybody != await sight(reading, usecase)
    assert await sight(reading, usecase) == await sight(reading, uuid4().hex, "everyone")


@pytest.mark.proves("SEC-4")
async def test_that_name_changes_with_the_transaction_that_changes_what_they_see(reading, writing, usecase):
    await save(writing, usecase, "all.md", "text", readers=("everyone",))
    id = await save(writing, usecase, "two.md", "text", readers=("everyone", "group:hr"))
    seen = [await sight(reading, usecase, "everyone")]
    async with writing.work() as work:
        await work.sql("UPDATE documents SET title = 'new' WHERE id = :id", id=id)
        assert await sight(reading, usecase, "everyone") == seen[-1]
    seen.append(await sight(reading, usecase, "everyone"))
    async with writing.work() as work:
        await work.sql("DELETE FROM documents WHERE id = :id", id=id)
    seen.append(await sight(reading, usecase, "everyone"))
    await save(writing, usecase, "two.md", "text", readers=("everyone", "group:hr"))
    seen.append(await sight(reading, usecase, "everyone"))
    assert len(set(seen)) == 4


async def test_a_document_that_only_one_could_read_parts_nobody_once_it_is_gone(reading, writing, usecase):
    await save(writing, usecase, "all.md", "text", readers=("everyone",))
    id = await save(writing, usecase, "mine.md", "text", readers=("user:maya",))
    assert await sight(reading, usecase, "everyone", "user:maya") != await sight(reading, usecase, "everyone")
    async with writing.work() as work:
        await work.sql("DELETE FROM documents WHERE id = :id", id=id)
    assert await sight(reading, usecase, "everyone", "user:maya") == await sight(reading, usecase, "everyone")


async def test_the_applications_own_role_cannot_change_the_versions(reading):
    with pytest.raises(Exception, match="permission denied"):
        async with reading.work() as work:
            await work.sql("UPDATE corpus_versions SET version = 1")


async def test_only_a_near_question_of_the_same_scope_that_has_not_expired_is_found(reading):
    scope, soon = uuid4().hex, datetime.now(UTC) + timedelta(hours=1)
    rows = [("near", scope, (1.0, 0.1), soon), ("far", scope, (0.0, 1.0), soon)]
    rows += [("other", uuid4().hex, (1.0, 0.0), soon), ("gone", scope, (1.0, 0.0), datetime.now(UTC))]
    async with reading.work() as work:
        for key, of, vector, expires_at in rows:
            await semantic.keep(work, key=f"{key}-{scope}", scope=of, vector=vector, expires_at=expires_at)
    async with reading.work() as work:
        found = await semantic.nearest(work, scope=scope, vector=(1.0, 0.0), threshold=0.9)
        assert found is not None and found.key == f"near-{scope}" and 0.99 < found.cosine < 1
        assert await semantic.nearest(work, scope=scope, vector=(1.0, 1.0), threshold=0.9) is None
        assert await semantic.nearest(work, scope=uuid4().hex, vector=(1.0, 0.0), threshold=0.1) is None
        assert await semantic.forget(work) >= 1
        assert await semantic.forget(work) == 0
