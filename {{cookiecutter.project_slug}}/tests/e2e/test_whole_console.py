"""After all other tests of the pages: no form of the console is left that nobody has sent in a real browser."""

from collections.abc import Iterator
from typing import Literal, get_args, get_origin

import pytest
from fastapi.routing import APIRoute

from app.api.permissions import flat
from app.console import pages as console
from tests.e2e.test_browser import SENT, Chromium, Sent, chromium, url

__all__ = ["chromium", "url"]
pytestmark = pytest.mark.xdist_group("stack")
Choice = tuple[str, str]
# What is chosen by leaving a field out.
LEFT_OUT: dict[str, set[Choice]] = {"/console/webhooks/{webhook_id}/replay": {("event_id", "")}}


def choices(route: APIRoute) -> Iterator[Choice]:
    """Give each value of each field of a route's form that has but a few: what the form does hangs on them."""
    for body in route.dependant.body_params:
        for name, field in getattr(body.field_info.annotation, "model_fields", {}).items():
            if get_origin(field.annotation) is Literal:
                yield from ((name, value) for value in get_args(field.annotation))


def unsent(route: APIRoute, sent: list[Sent]) -> set[Choice]:
    """Give which choices of a form were never sent and carried out; ("", "") for one that was not sent at all."""
    done = [each for each in sent if route.path_regex.match(each.path) and each.status in (200, 303)]
    wanted = {*choices(route), *LEFT_OUT.get(route.path, ())}
    left = {(name, value) for name, value in wanted if not any(each.fields.get(name, "") == value for each in done)}
    return left | (set() if done else {("", "")})


@pytest.mark.proves("CTL-1", "CTL-4")
async def test_every_form_of_the_console_was_sent_by_hand_in_each_way_it_can_be(chromium: Chromium) -> None:
    routes = [route for router in console.ROUTERS for route in flat(router.routes) if isinstance(route, APIRoute)]
    forms = [route for route in routes if "POST" in (route.methods or ())]
    left = {route.path: found for route in forms if (found := unsent(route, SENT))}
    assert len(forms) > 30 and left == {}, "run tests/e2e as a whole: the tests of the pages send them"


def test_a_form_that_is_refused_or_sent_in_another_way_does_not_count() -> None:
    routes = [route for router in console.ROUTERS for route in flat(router.routes) if isinstance(route, APIRoute)]
    (jobs,) = [route for route in routes if route.path == "/console/jobs" and "POST" in (route.methods or ())]
    ways = {("what", "cancel"), ("what", "put_back"), ("what", "replay")}
    assert unsent(jobs, []) == {*ways, ("", "")}
    assert unsent(jobs, [Sent("/console/jobs", {"what": "cancel"}, 409)]) == {*ways, ("", "")}
    assert unsent(jobs, [Sent("/console/jobs", {"what": "cancel"}, 303)]) == ways - {("what", "cancel")}
