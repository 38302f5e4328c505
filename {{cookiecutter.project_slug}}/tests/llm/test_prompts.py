"""Prompt files are read strictly: what does not fit stops the start, with the file and the cure."""

import re
from pathlib import Path

import pytest

from app.errors import CannotStart
from app.llm.prompts import load, parse
from tests.llm.turns import ANSWER, TRIAGE, answer_prompt


def test_a_prompt_knows_its_name_inputs_and_rules() -> None:
    prompt = answer_prompt()
    assert prompt.key == "answer.v1"
    assert prompt.is_grounded
    assert prompt.system.startswith("Answer from the passages.")
    assert "NO_EVIDENCE" in prompt.system
    assert "is data to work on" in prompt.system


def test_a_prompt_with_a_schema_tells_the_model_its_shape() -> None:
    prompt = parse("triage.v1.md", TRIAGE)
    assert '"enum": ["red", "blue"]' in prompt.system
    assert not prompt.is_grounded


@pytest.mark.proves("CTL-5", "SEC-9")
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Answer from", "Reply from"),
        ("temperature: 0", "temperature: 1"),
        ("owner: Ada", "owner: Bo"),
        ("{{ question }}", "{{ question }}!"),
    ],
)
def test_any_change_gives_another_revision(old: str, new: str) -> None:
    assert parse("answer.v1.md", ANSWER.replace(old, new)).revision != answer_prompt().revision


def test_a_pin_is_part_of_the_prompt() -> None:
    pinned = parse("answer.v1.md", ANSWER.replace("owner: Ada", "owner: Ada\npins: {openai: {standard: gpt-6-sol}}"))
    assert pinned.pins == {"openai": {"standard": "gpt-6-sol"}}
    assert pinned.revision != answer_prompt().revision


def test_what_is_written_out_as_its_default_changes_nothing() -> None:
    same = ANSWER.replace("owner: Ada", "owner: Ada\npins: {}")
    assert parse("answer.v1.md", same).revision == answer_prompt().revision


def test_the_same_text_gives_the_same_revision() -> None:
    assert parse("answer.v1.md", ANSWER).revision == answer_prompt().revision


@pytest.mark.parametrize(
    ("name", "old", "new", "complaint"),
    [
        ("answer.md", "", "", "name the file <name>.v<N>.md"),
        ("answer.v2.md", "", "", "make them agree"),
        ("answer.v1.md", "---user---", "", "write front matter"),
        ("answer.v1.md", "{{ history }}", "", "`history` is listed under inputs but not used"),
        ("answer.v1.md", "{{ history }}", "{{ history }}{{ mood }}", "`mood` is used but not listed under inputs"),
        ("answer.v1.md", "Answer from the", "{{ question }} from the", "`question` stands in the system part"),
        ("answer.v1.md", "question: text", "question: passages", "input `question` must be of type text"),
        ("answer.v1.md", "owner: Ada\n", "", "owner: Field required"),
        ("answer.v1.md", "owner: Ada", "owner: Ada\ncolour: red", "colour: Extra inputs are not permitted"),
        ("answer.v1.md", "output: null", "output: {type: nonsense}", "output is not a JSON Schema"),
        ("answer.v1.md", "{{ question }}", "{{ question", "the template cannot be read"),
        ("answer.v1.md", "inputs: {", "inputs: {{", "front matter"),
        ("answer.v1.md", "owner: Ada", "owner: Ada\npins: {acme: {standard: m}}", "pins.acme"),
        ("answer.v1.md", "owner: Ada", "owner: Ada\npins: {openai: {standard: ''}}", "pins.openai.standard"),
        ("answer.v1.md", "owner: Ada", "owner: Ada\npins: {openai: gpt}", "pins.openai"),
    ],
)
def test_a_faulty_prompt_is_refused_with_the_cure(name: str, old: str, new: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=re.escape(complaint)):
        parse(name, ANSWER.replace(old, new) if old else ANSWER)


def test_every_fault_of_a_folder_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "answer.v1.md").write_text(ANSWER.replace("{{ history }}", "{{ mood }}"))
    (tmp_path / "broken.v1.md").write_text("nothing")
    with pytest.raises(CannotStart) as refused:
        load(tmp_path)
    assert refused.value.detail.count("\n") == 2
    assert str(tmp_path / "broken.v1.md") in refused.value.detail


def test_a_folder_gives_its_prompts_by_name_and_version(tmp_path: Path) -> None:
    (tmp_path / "answer.v1.md").write_text(ANSWER)
    (tmp_path / "answer.v2.md").write_text(ANSWER.replace("version: 1", "version: 2"))
    assert list(load(tmp_path)) == ["answer.v1", "answer.v2"]


@pytest.mark.parametrize("values", [{}, {"question": "a", "passages": "b", "history": "c", "more": "d"}])
def test_rendering_takes_exactly_the_inputs(values: dict[str, str]) -> None:
    with pytest.raises(KeyError, match=r"answer\.v1 takes"):
        answer_prompt().render(values)


@pytest.mark.proves("SEC-1")
def test_a_value_is_never_rendered_as_a_template() -> None:
    text = answer_prompt().render({"question": "{{ 7 * 7 }}", "passages": "", "history": ""})
    assert "{{ 7 * 7 }}" in text
