"""The whole sign-in in a real browser: a real service, a company's issuer beside it, and the way there and back."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, expect

from app.settings import ROOT
from ops.drills.stack import Stack
from tests.accounts import config_with_accounts, registered, with_issuer
from tests.e2e.test_browser import Chromium, chromium
from tests.fakes.issuer import Issuer, Registration, running

__all__ = ["chromium"]
pytestmark = [pytest.mark.xdist_group("sign-in"), pytest.mark.proves("INT-2")]
PATIENCE_MS = 60_000


@pytest.fixture(scope="module")
def company() -> Iterator[Issuer]:
    with running(Issuer(client=Registration())) as serving:
        yield serving


@pytest.fixture(scope="module")
def url(company: Issuer) -> Iterator[str]:
    """The service as a process of its own, whose people sign in at the company."""
    with tempfile.TemporaryDirectory(prefix="sign-in-", ignore_cleanup_errors=True) as name:
        folder, settings = Path(name), {}
        folder.chmod(0o755)
        for key, value in with_issuer(company).items():
            settings[f"APP_{key.upper()}"] = value
        del settings["APP_PUBLIC_URL"]
        stack = Stack(
            folder,
            {
                **settings,
                "APP_USECASES_DIR": str(ROOT / "tests" / "samples"),
                "APP_CONFIG_DIR": str(config_with_accounts(folder)),
            },
            parts=("api",),
        )
        try:
            stack.start()
            company.client = registered(stack.url)
            yield stack.url
        finally:
            stack.stop()


async def enter(page: Page, url: str, wanted: str) -> None:
    """Want a page, and sign in at the company on the way."""
    await page.goto(f"{url}{wanted}")
    await page.get_by_role("link", name="Sign in", exact=True).click()
    await page.get_by_role("button", name="Ada Byron").click()
    await page.wait_for_url(f"{url}{wanted}", timeout=PATIENCE_MS)


async def serious(page: Page) -> list[str]:
    """Give what keeps people out of a page, by axe-core."""
    faults = (await Axe().run(page)).response["violations"]
    return [fault["id"] for fault in faults if fault["impact"] in ("serious", "critical")]


async def test_a_person_signs_in_makes_a_key_and_signs_out(chromium: Chromium, company: Issuer) -> None:
    context = await chromium.browser.new_context()
    try:
        page = await chromium._page(context)
        await enter(page, chromium.url, "/console/keys")
        await expect(page.locator("#person-menu summary")).to_contain_text("Ada Byron")
        cookie = next(each for each in await context.cookies() if each["name"] == "identity")
        assert cookie["httpOnly"] and cookie["sameSite"] == "Lax" and len(cookie["value"]) == 43
        assert "identity" not in await page.evaluate("document.cookie")

        await page.fill("#name", "made in the browser")
        await page.fill("#reason", "the browser test")
        await page.get_by_role("button", name="Make a key").click()
        await expect(page.locator("#key")).to_contain_text("appkey_")
        await page.locator("details.act summary").first.click()
        assert await serious(page) == []
        await page.goto(f"{chromium.url}/")
        await expect(page.locator("#person-menu summary")).to_contain_text("Ada Byron")

        # Whoever is known there comes back without a click: first the cookie here goes stale.
        await context.add_cookies([{**cookie, "value": "x" * 43}])  # type: ignore[list-item]
        await page.goto(f"{chromium.url}/console/jobs")
        await page.wait_for_url(f"{chromium.url}/console/jobs", timeout=PATIENCE_MS)
        await expect(page.locator("h1")).to_have_text("Jobs")

        await page.locator("#person-menu summary").click()
        await page.get_by_role("button", name="Sign out").click()
        await page.wait_for_url(f"{chromium.url}/console/sign-in", timeout=PATIENCE_MS)
        assert "/end_session" in company.asked
        assert not [each for each in await context.cookies() if each["name"] == "identity"]
        # Both have forgotten: the company asks who it is.
        await page.goto(f"{chromium.url}/console")
        await page.get_by_role("link", name="Sign in", exact=True).click()
        await expect(page.locator("h1")).to_have_text("The company")
        await page.get_by_role("button", name="Nobody").click()
        await expect(page.locator("main")).to_contain_text("access_denied")
    finally:
        await context.close()
