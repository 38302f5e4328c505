"""The checks of this use case, and the files that its contract points to."""

import tomllib
from pathlib import Path
from uuid import uuid4

import pytest

from app.domain.contract import Contract
from app.domain.identity import Principal
from app.domain.usecase import UseCase
from app.evaluation import questions
from app.llm.prompts import load
from app.sdk import Citation, Draft, Outcome, Passage, Turn
from usecases.policy_answers.checks import CHECKS, LONGEST_CHARS
from usecases.policy_answers.sources import SOURCES

HERE = Path(__file__).parents[1]
CONTRACT = Contract.model_validate(tomllib.loads((HERE / "contract.toml").read_text()))


def turn() -> Turn:
    passage = Passage(chunk_id=1, document_id=uuid4(), title="Leave", uri="leave.md", text="25 days.", score=1.0)
    case = UseCase(name="policy_answers", folder=HERE, contract=CONTRACT)
    return Turn(usecase=case, principal=Principal("ada"), question="How many?", passages=(passage,))


def draft(text: str, *, is_cited: bool = True) -> Draft:
    cited = Citation(marker=1, document_id=uuid4(), title="Leave", uri="leave.md", quote="25 days.")
    return Draft(text=text, rung="standard", outcome=Outcome.ANSWERED_MODEL, citations=(cited,) if is_cited else ())


def findings(proposed: Draft) -> list[str]:
    found = [check(turn(), proposed) for check in CHECKS]
    return [finding.check for finding in found if finding]


@pytest.mark.proves("EVL-2")
@pytest.mark.parametrize(
    ("proposed", "found"),
    [
        (draft("25 days [1]."), []),
        (draft("25 days [1, 2]."), ["markers_exist"]),
        (draft("25 days [0]."), ["markers_exist"]),
        (draft("25 days.", is_cited=False), ["answer_is_cited"]),
        (draft("long " * LONGEST_CHARS), ["answer_is_short"]),
    ],
)
def test_a_draft_is_checked(proposed: Draft, found: list[str]) -> None:
    assert findings(proposed) == found


def test_the_contracts_prompt_exists_and_stands_on_passages() -> None:
    prompt = load(HERE / "prompts")[f"{CONTRACT.prompt.name}.v{CONTRACT.prompt.version}"]
    assert prompt.is_grounded


def test_every_source_has_its_folder_and_its_readers() -> None:
    for source in SOURCES:
        assert source.folder.is_dir()
        listed = tomllib.loads(source.readers_file.read_text())["document"]
        assert all(entry["readers"] for entry in listed)


@pytest.mark.proves("EVL-1")
def test_the_search_has_its_hundred_questions_of_every_kind_for_every_reader_and_format() -> None:
    asked = questions.load(HERE)
    with_right = [question for question in asked if question.right]
    assert len(with_right) >= 100
    assert len({question.question for question in asked}) > len(asked) - 5
    kinds = {question.kind for question in asked}
    assert {"plain", "paraphrase", "other-words", "keyword", "typo", "code", "table", "version", "site"} <= kinds
    assert {"multi-hop", "injection", "forbidden", "no-answer", "older"} <= kinds
    assert {question.person for question in asked} == {
        "sam.reyes", "maya.okafor", "priya.nair", "hana.lind", "tom.becker", "erin.holt", "olga.petrov",
    }  # fmt: skip
    marks = [mark for question in asked for mark in question.right]
    assert {mark.document.rsplit(".", 1)[-1] for mark in marks} == {"md", "pdf", "docx", "html", "csv", "txt"}
