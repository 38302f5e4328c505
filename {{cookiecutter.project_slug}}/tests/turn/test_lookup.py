"""A search tells of turns what their story tells, and finds nobody's answer by words that one may not read."""

from uuid import uuid4

import pytest

from app.errors import Forbidden
from app.store.quoting import WITHHELD
from app.store.turn_search import Search
from app.turn.lookup import find
from tests.api.papers import Papers

QUESTION = "Which narwhal skeleton hangs in the entrance hall of the {}?"
TEXT = "# Skeletons\n\nThe narwhal skeleton of {} hangs in the entrance hall, and its name is {}.\n"


@pytest.fixture
async def quoted(service, client, as_):
    """A turn of Sam's that quotes a document which operators may not read: the marks of its question and answer."""
    place, name = f"house{uuid4().hex[:8]}", f"name{uuid4().hex[:8]}"
    papers = Papers(service, client, as_("maya.okafor"))
    document = await papers.send(f"Skeletons {place}", TEXT.format(place, name), ["group:sales"])
    asked = {"question": QUESTION.format(place)}
    told = await client.post("/v1/usecases/handbook/turns", json=asked, headers=as_("sam.reyes"))
    assert name in told.json()["answer"]
    yield place, name, told.json()["turn_id"]
    await papers.delete(document)


def who(service, person, groups):
    return service.roles.principal(person, groups=groups)


async def ids(service, person, **asked):
    found = await find(person, service.database, Search(**asked), usecases=service.usecases)
    return {str(row["id"]): row for row in found.rows}


@pytest.mark.proves("SEC-4", "OBS-1")
async def test_an_answer_that_one_may_not_read_is_withheld_and_found_by_no_word_of_it(service, quoted):
    place, name, turn_id = quoted
    operator = who(service, "olga.petrov", ("operators",))
    insider = who(service, "kim.lee", ("operators", "sales"))
    by_question = await ids(service, operator, text=place)
    assert by_question[turn_id]["answer"] == WITHHELD and name not in str(by_question[turn_id])
    assert turn_id not in await ids(service, operator, text=name)
    assert turn_id not in await ids(service, operator, text=f"{place} {name}")
    assert name in (await ids(service, insider, text=name))[turn_id]["answer"]


@pytest.mark.proves("SEC-3")
async def test_only_who_may_read_every_turn_searches(service):
    with pytest.raises(Forbidden, match=r"turns\.read_all"):
        await ids(service, who(service, "sam.reyes", ("sales",)), text="leave")


async def test_each_turn_comes_with_its_calls_and_the_next_page_begins_after_it(service, client, as_):
    mark = f"mark{uuid4().hex[:8]}"
    for _ in range(3):
        asked = {"question": f"How many days of annual leave are there, {mark}?"}
        await client.post("/v1/usecases/handbook/turns", json=asked, headers=as_("sam.reyes"))
    operator = who(service, "olga.petrov", ("operators",))
    first = await find(operator, service.database, Search(text=mark), usecases=service.usecases, limit=2)
    assert len(first.rows) == 2 and first.older is not None
    rest = Search(text=mark, before=first.older)
    last = await find(operator, service.database, rest, usecases=service.usecases, limit=2)
    assert len(last.rows) == 1 and last.older is None and last.rows[0]["calls"] == []
