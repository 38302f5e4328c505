"""What all templates of the console have in common: moments, reasons, and words that are code."""

import re
from pathlib import Path

import pytest

from app.console import html
from app.console.html import coded

TEMPLATES = sorted((Path(html.__file__).parent / "templates").glob("*.html"))
MOMENT = re.compile(r"<time [^>]*datetime=[^>]*>\{\{ [^}]* \| when \}\}</time>")
DAY = re.compile(r'<label for="\w+">((?:(?!</label>).)*)</label><input [^>]*type="date"')


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.stem)
def test_every_moment_is_one_that_the_script_tells_in_local_time(template: Path) -> None:
    text = template.read_text()
    assert text.count("| when") == len(MOMENT.findall(text)), "put it into <time datetime>"


def test_days_that_are_searched_for_say_their_zone() -> None:
    labels = [label for path in TEMPLATES for label in DAY.findall(path.read_text())]
    assert len(labels) == 4 and all("(UTC)" in label for label in labels), labels


def test_the_field_of_a_reason_stands_in_one_template() -> None:
    assert [path.stem for path in TEMPLATES if 'name="reason"' in path.read_text()] == ["reason"]


def test_words_between_backticks_are_code_and_all_else_stays_text() -> None:
    assert coded("`before` & <b>after</b>") == "<code>before</code> &amp; &lt;b&gt;after&lt;/b&gt;"
