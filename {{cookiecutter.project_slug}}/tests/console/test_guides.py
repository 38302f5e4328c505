"""Help on each page, and the how-to pages and runbooks that it links."""

import re

import httpx2
import pytest

from app.console import guides
from app.console.helping import HELP, help_of
from app.console.html import KEYS, PAGES
from tests.console.conftest import Ask, Seen


@pytest.mark.parametrize("path", [path for _, path, *_ in PAGES])
def test_every_page_has_help_that_links_a_guide_and_a_runbook(path: str) -> None:
    found = help_of(path)
    assert found is not None and len(found.text) > 60, "help.toml says nothing about it"
    assert [link.label for link in found.links] == ["How to", "Runbook"], "and where to read on?"


def test_help_leads_to_pages_that_exist() -> None:
    targets = {link.address.removeprefix("/console/guides/") for help_ in HELP.values() for link in help_.links}
    assert targets and targets <= guides.KNOWN


def test_a_page_below_another_has_its_help_and_the_first_page_only_its_own() -> None:
    assert help_of("/console/reviews/1234") is HELP["/console/reviews"]
    assert help_of("/console/elsewhere") is None and help_of("/") is None


async def test_one_turn_has_help_of_its_own(client: httpx2.AsyncClient, seen: Seen, ask: Ask) -> None:
    turn_id = await ask("sam.reyes", "How many days of annual leave do employees have?")
    olga = seen("olga.petrov")
    search, one = [(await client.get(f"/console/turns{end}", headers=olga)).text for end in ("", f"/{turn_id}")]
    assert "What happened in this turn" in one and "What happened in this turn" not in search
    assert "newest first, as the ledger keeps it" in search and "newest first, as the ledger keeps it" not in one


def test_every_page_has_a_letter_of_its_own() -> None:
    assert len(set(KEYS.values())) == len(PAGES)


async def test_a_runbook_is_read_in_the_console(client: httpx2.AsyncClient, seen: Seen) -> None:
    text = (await client.get("/console/guides/ops/runbooks/TurnAiOff.md", headers=seen("olga.petrov"))).text
    assert '<h1 id="' in text and "<pre tabindex" in text
    linked = re.findall(r'href="(/console/guides/[^"#]+)"', text)
    for address in linked:
        assert (await client.get(address, headers=seen("olga.petrov"))).status_code == 200, address


async def test_pictures_of_a_guide_are_shown(client: httpx2.AsyncClient, seen: Seen) -> None:
    text = (await client.get("/console/guides/docs/how-to/review-drafts.md", headers=seen("olga.petrov"))).text
    (picture,) = set(re.findall(r'src="(/console/guides/[^"]+\.png)"', text))
    response = await client.get(picture, headers=seen("olga.petrov"))
    assert (response.status_code, response.headers["content-type"]) == (200, "image/png")


async def test_a_drawing_of_a_guide_is_shown(client: httpx2.AsyncClient, seen: Seen) -> None:
    text = (await client.get("/console/guides/docs/how-to/forecast-cost.md", headers=seen("olga.petrov"))).text
    (drawing,) = set(re.findall(r'src="(/console/guides/[^"]+\.svg)"', text))
    response = await client.get(drawing, headers=seen("olga.petrov"))
    assert (response.status_code, response.headers["content-type"]) == (200, "image/svg+xml")


def test_a_link_to_a_part_of_a_page_leads_to_that_part() -> None:
    seen: set[str] = set()
    for path in guides.KNOWN:
        if path.endswith(".md"):
            seen |= {
                f"{address or guides.GUIDES + path}#{part}"
                for address, part in re.findall(r'href="([^"#]*)#([^"]+)"', str(guides.rendered(path).body))
                if "://" not in address
            }
    for target in seen:
        path, _, part = target.removeprefix(guides.GUIDES).partition("#")
        assert f' id="{part}">' in str(guides.rendered(path).body), target
    assert any("check-the-audit.md#" in target for target in seen), "fragments are kept"


@pytest.mark.parametrize(
    "path", ["docs/../config/people.toml", "..%2f.env", "config/roles.toml", "/etc/passwd", "docs/none.md", "README.md"]
)
async def test_nothing_else_can_be_read(client: httpx2.AsyncClient, seen: Seen, path: str) -> None:
    assert (await client.get(f"/console/guides/{path}", headers=seen("olga.petrov"))).status_code == 404


async def test_a_stranger_signs_in_first(client: httpx2.AsyncClient) -> None:
    assert (await client.get("/console/guides/docs/README.md")).status_code == 303


def test_html_inside_of_a_page_stays_text(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    folder = guides.Path(str(tmp_path))
    (folder / "docs").mkdir()
    text = "# T\n\n<script>alert(1)</script> [x](javascript:alert(2)) [y](../secret.md)\n"
    (folder / "docs" / "evil.md").write_text(text)
    monkeypatch.setattr(guides, "ROOT", folder)
    body = str(guides.rendered("docs/evil.md").body)
    assert "<script" not in body and 'href="javascript' not in body and "secret" not in body
