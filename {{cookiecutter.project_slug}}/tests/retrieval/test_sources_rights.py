"""Readers files: the entry of a path decides, a form speaks for the rest, and what is unclear is read by nobody."""

from pathlib import Path

import pytest

from app.domain.access import Access
from app.domain.source import Folder
from app.errors import BadInput
from app.retrieval.sources import Sources
from app.retrieval.sources.rights import carried, parse_listing

FILE = """
[[document]]
path = "hr/*.md"
readers = ["group:hr"]

[[document]]
path = "hr/*"
readers = ["group:board"]

[[document]]
path = "hr/open.md"
title = "Open"
readers = ["everyone"]
denied = ["group:guests"]
regions = ["eu"]
classification = "internal"
language = "german"
"""


@pytest.mark.proves("SEC-4")
def test_its_own_entry_comes_first_then_the_first_form_that_fits() -> None:
    listing = parse_listing(FILE, "readers.toml", ("public", "internal"))
    assert listing.item("hr/open.md").access == Access(("everyone",), ("group:guests",), "internal", ("eu",))
    assert (listing.item("hr/open.md").title, listing.item("hr/open.md").language) == ("Open", "german")
    assert listing.item("hr/a.md").access == Access(("group:hr",))
    assert listing.item("hr/deep/a.txt").access == Access(("group:board",))
    assert listing.item("sales/a.md").access is None and listing.item("sales/a.md").note
    assert listing.item("hr/a.md", title="Known").title == "Known"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[[document]]\npath="a"\nreaders=["everyone"]\n[[document]]\npath="a"\nreaders=["everyone"]', "twice"),
        ('[[document]]\npath="a"\nreaders=["everyone"]\nclassification="unknown"', "unknown"),
        ('[[document]]\npath="a"\nreaders=["everyone"]\ndenied=["bob"]', "denied"),
        ('[[document]]\npath="a"\nreader=["everyone"]', "reader"),
    ],
)
def test_an_unusable_file_says_which_entry_is_wrong(text: str, said: str) -> None:
    with pytest.raises(BadInput, match=said) as caught:
        parse_listing(text, "readers.toml", ("internal",))
    assert "readers.toml" in caught.value.detail


@pytest.mark.proves("SEC-4")
def test_carried_rights_are_words_or_lists_and_none_when_unclear() -> None:
    assert carried("a", {"readers": "group:a, group:b;user:c"}, ()) == (Access(("group:a", "group:b", "user:c")), "")
    assert carried("a", {"readers": ["everyone"], "regions": None}, ()) == (Access(("everyone",)), "")
    for wrong in ({}, {"readers": ""}, {"readers": None}, {"readers": "all"}, {"readers": "everyone", "denied": "x"}):
        access, why = carried("a", wrong, ())
        assert access is None and why


@pytest.mark.proves("SEC-4")
async def test_a_link_out_of_the_folder_is_no_file_of_it(tmp_path: Path) -> None:
    folder = tmp_path / "documents"
    folder.mkdir()
    (tmp_path / "secret.md").write_text("Salaries.")
    (folder / "link.md").symlink_to(tmp_path / "secret.md")
    (folder / "a.md").write_text("Zebra.")
    (tmp_path / "readers.toml").write_text('[[document]]\npath = "*"\nreaders = ["everyone"]\n')
    async with Sources(lambda _: "").opened(Folder("f", folder, tmp_path / "readers.toml")) as opened:
        assert [item.path async for item in opened.items()] == ["a.md"]
