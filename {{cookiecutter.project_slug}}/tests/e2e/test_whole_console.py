"""After all other tests of the pages: no form of the console is left that nobody has sent in a real browser."""

import pytest
from fastapi.routing import APIRoute

from app.api.permissions import flat
from app.console import pages as console
from tests.e2e.test_browser import SENT, Chromium, chromium, url

__all__ = ["chromium", "url"]
pytestmark = pytest.mark.xdist_group("stack")


@pytest.mark.proves("CTL-1", "CTL-4")
async def test_every_form_of_the_console_was_sent_by_hand(chromium: Chromium) -> None:
    routes = [route for router in console.ROUTERS for route in flat(router.routes) if isinstance(route, APIRoute)]
    forms = [route for route in routes if "POST" in (route.methods or ())]
    unsent = {route.path for route in forms if not any(route.path_regex.match(path) for path in SENT)}
    assert len(forms) > 30 and unsent == set(), "run tests/e2e as a whole: the tests of the pages send them"
