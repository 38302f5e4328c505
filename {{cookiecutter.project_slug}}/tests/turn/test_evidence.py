"""Every way in which passages reach an answer leaves its trace: a search, a workflow's own, an answer given again."""

from dataclasses import replace
from uuid import uuid4

import pytest

from app.domain.turn import Considered, Passage, Retrieval, Turn
from app.store import evidence
from app.telemetry import metrics
from app.turn.evidence import CACHED, noted
from app.turn.kit import Lent
from tests.turn.caching import served, with_model

SEARCH = Retrieval("quokka jane.doe@example.org", {"names": ["everyone"]}, "exact", "lexical-1", 3, ms=2.0)


@pytest.fixture(scope="module")
async def asking(settings, vendor_server):
    async with served(with_model(settings, vendor_server), samples=True) as running:
        yield running


@pytest.fixture
def turn(service):
    who = service.roles.principal("sam.reyes", groups=("sales",))
    return Turn(usecase=service.usecases["handbook"], principal=who, question="q")


def passage(chunk_id, *, score=1.0, suspicious=False):
    return Passage(chunk_id, uuid4(), "t", "u", "text", score, suspicious=suspicious)


@pytest.mark.proves("OBS-1", "SEC-4")
async def test_an_answer_given_again_shows_its_passages_and_the_rights_that_were_checked_anew(asking, as_, vendor):
    question = f"How many days of annual leave do employees have in year {uuid4().int % 10**9}?"
    was = await asking.row(await asking.ask(as_("sam.reyes"), question))
    now = await asking.row(await asking.ask(as_("tom.becker"), question))
    again = (
        now if now["outcome"] == "answered_cached" else await asking.row(await asking.ask(as_("tom.becker"), question))
    )
    (first,), (given,) = was["retrieval"], again["retrieval"]
    assert first["plan"] == "exact" and given["plan"] == CACHED
    assert "user:tom.becker" in given["filter"]["names"] and "user:sam.reyes" not in given["filter"]["names"]
    assert {each["document_id"] for each in given["considered"]} == {each["document_id"] for each in again["passages"]}
    assert given["considered"] and all(
        each["kept"] and "answer of turn" in each["because"] for each in given["considered"]
    )


async def test_what_a_workflow_or_a_tool_looks_up_is_kept_as_well(service, turn):
    lent = Lent(service.gateway, service.searcher, turn, {})
    for question in ("How many days of annual leave?", "Is the leave of jane.doe@example.org known?"):
        await lent.search(question)
    first, second = turn.tape.retrievals
    assert first.considered and any(each.kept for each in first.considered)
    assert "<EMAIL_1>" in second.subject and "jane.doe" not in second.subject


def test_what_the_turn_leaves_out_of_a_search_says_why(turn):
    weak, bad, good = passage(1, score=0.1), passage(2, suspicious=True), passage(3)
    found = (weak, bad, good)
    considered = tuple(Considered(each.chunk_id, each.document_id, {}, kept=True) for each in found)
    cut = Considered(4, uuid4(), {}, kept=False, because="scores below 35% of the best")
    noted(turn, replace(SEARCH, considered=(*considered, cut)), found=found, kept=(good,), subject="quokka <EMAIL_1>")
    (search,) = turn.tape.retrievals
    assert search.subject == "quokka <EMAIL_1>"
    said = {each.chunk_id: (each.kept, each.because) for each in search.considered}
    assert said[1] == (False, "its score is below retrieval.min_score")
    assert said[2] == (False, "it carries instructions to a model")
    assert said[3] == (True, "") and said[4] == (False, "scores below 35% of the best")


def test_a_row_keeps_what_was_kept_and_the_best_of_the_rest():
    many = [Considered(id, uuid4(), {"words": 1 / (1 + id)}, kept=id in (0, 60)) for id in range(61)]
    (row,) = evidence.row([replace(SEARCH, considered=tuple(many))])
    ids = [each["chunk_id"] for each in row["considered"]]
    assert ids[:3] == [0, 60, 1] and len(ids) == evidence.MOST_CONSIDERED and row["left_out"] == 61 - len(ids)
    assert evidence.row([]) is None


def test_searches_are_counted_by_plan_but_those_of_evaluations_and_shadows(turn):
    def searches():
        return metrics.render()[0].decode().count('search_duration_seconds_count{plan="mine"')

    for channel, seen in (("evaluation", 0), ("shadow", 0), ("api", 1)):
        noted(turn.with_(channel=channel), replace(SEARCH, plan="mine"), found=(), kept=(), subject="quokka")
        assert searches() == seen
