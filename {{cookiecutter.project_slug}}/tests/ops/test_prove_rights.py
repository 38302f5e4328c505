"""Random companies, a few hundred questions under each set of locks; `python -m ops.prove rights` asks thousands."""

import pytest
from hypothesis import given, settings

from app.domain.access import Claims, may_read
from ops.local.engines import Engines
from ops.prove import rights
from ops.prove.harbour import LOCKS
from ops.prove.worlds import PEOPLE, Company, companies
from tests.fakes.fixtures import RunningVendor

pytestmark = pytest.mark.proves("SEC-4", "SEC-1", "LAT-4")


@settings(max_examples=100, deadline=None)
@given(companies)
def test_the_plain_rule_agrees_with_the_reference_that_is_written_with_loops(company: Company) -> None:
    levels = company.rules.levels
    for person in PEOPLE:
        held = company.groups(person)
        names = ("everyone", *(f"group:{group}" for group in held), f"user:{person}")
        cleared = [
            levels.index(company.rules.clearance[who]) for who in ("everyone", *held) if who in company.rules.clearance
        ]
        regions = {area for who in ("everyone", *held) for area in company.rules.regions.get(who, ())}
        claims = Claims(names, max(cleared, default=0), tuple(regions))
        found = {place for place, access in company.shelf.items() if may_read(access, claims, levels)}
        assert found == company.readable(person)


@pytest.mark.parametrize(("place", "locks"), list(enumerate(LOCKS)))
def test_nobody_is_shown_what_they_may_not_read(
    engines: Engines, vendor: RunningVendor, place: int, locks: str
) -> None:
    url = rights.another_database(engines.database_url)
    redis_url = engines.redis_url.removesuffix("/0") + f"/{place + 5}"
    seen = 0

    def prompts() -> list[object]:
        nonlocal seen
        new = vendor.requests[seen:]
        seen += len(new)
        return list(new)

    made = rights.settings_for(url, redis_url, vendor.url)
    harbour = rights.tried(made, prompts, locks, count=80, seed_=7)
    assert not harbour.leaks, harbour.leaks[:3]
    quoted = {what.removeprefix("quoted in: "): n for what, n in harbour.seen.items() if what.startswith("quoted")}
    assert min(quoted[what] for what in ("a prompt", "a response", "a conversation", "a repeated request")) > 0, quoted
    assert harbour.seen["answered_cached"] and harbour.seen["answered_model"]
