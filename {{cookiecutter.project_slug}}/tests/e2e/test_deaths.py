"""Parts die by SIGKILL under 20 requests a second: what was accepted is done once, and the service is well again."""

import asyncio

import pytest

from ops.drills.death import die

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("stack")]


@pytest.mark.proves("REL-9", "SCL-1", "SCL-5")
@pytest.mark.parametrize("part", ["worker-turns", "redis", "postgres", "api"])
def test_a_death_loses_nothing_and_the_service_recovers_by_itself(stack, token, part):
    tokens = (token("sam.reyes"), token("olga.petrov"))
    death = asyncio.run(die(stack, part, usecase="slow", tokens=tokens, after_s=6))
    assert death.is_good, death.as_json()
    assert death.outcomes["200"] and death.outcomes["202"], "the drill asked for nothing"
    if part in ("postgres", "api"):
        assert len(death.outcomes) > 2, "nobody noticed the death: was it one?"
