"""Reviews that stand from before there were kinds and deadlines, and the way back."""

from typing import Any
from uuid import uuid4

import psycopg
import pytest

from app.settings import ROOT

FOLDER = ROOT / "migrations/platform"
BEFORE = {
    "a person decides": "advise",
    "incident, leak: the instructions": "incident",
    "no rung could answer": "escalation",
    "a person approves what would be done: pay": "action",
}


def sql(name: str) -> str:
    return (FOLDER / name).read_text("utf-8")


@pytest.mark.proves("REL-11")
def test_open_reviews_of_the_version_before_get_their_kind_and_a_day(database_copy: str) -> None:
    with psycopg.connect(database_copy, autocommit=True) as owner:
        owner.execute(sql("0021_reviews_down.sql"))
        for why in BEFORE:
            id = uuid4()
            owner.execute(
                "INSERT INTO reviews (id, turn_id, usecase, asker, question, draft, why, created_at)"
                " VALUES (%s, %s, 'handbook', 'sam', '', '', %s, now() - interval '9 days')",
                (id, uuid4(), why),
            )
            if why.endswith("pay"):
                owner.execute(
                    "INSERT INTO review_actions (review_id, ordinal, tool, proposed, arguments)"
                    " VALUES (%s, 0, 'pay', '{}', '{}')",
                    (id,),
                )
        owner.execute(sql("0021_reviews.sql"))
        found: list[Any] = owner.execute("SELECT why, kind, due_at > now(), approved FROM reviews r"
                                         " LEFT JOIN review_actions a ON a.review_id = r.id").fetchall()  # fmt: skip
    assert {why: kind for why, kind, _, _ in found} == BEFORE
    assert all(has_time for _, _, has_time, _ in found), "nobody is blamed for the days before"


@pytest.mark.proves("REL-11")
def test_on_the_way_back_a_turn_keeps_the_review_that_holds_its_answer_back(database_copy: str) -> None:
    with psycopg.connect(database_copy, autocommit=True) as owner:
        turn_id = uuid4()
        for kind in ("sample", "advise", "complaint"):
            owner.execute(
                "INSERT INTO reviews (id, turn_id, usecase, asker, question, draft, why, kind)"
                " VALUES (%s, %s, 'handbook', 'sam', '', '', '', %s)",
                (uuid4(), turn_id, kind),
            )
        owner.execute("UPDATE reviews SET reason = kind")
        owner.execute(sql("0021_reviews_down.sql"))
        assert owner.execute("SELECT reason FROM reviews").fetchall() == [("advise",)]
