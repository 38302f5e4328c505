"""Every attempt gets nothing: not a byte in an answer, a prompt, a log, a span or a metric."""

import orjson
import pytest

from tests.agents import Spans
from tests.attacks import page
from tests.attacks.ground import ATTACKS, ERIN, HANA, MAYA, OLGA, PRIYA, SAM, Ground

page.load()

pytestmark = pytest.mark.xdist_group("attacks")
LEAST = 60


@pytest.mark.proves("SEC-4", "SEC-1", "SEC-10")
@pytest.mark.parametrize("name", ATTACKS)
async def test_an_attack_gets_nothing(
    name: str, ground: Ground, spans: Spans, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    await ATTACKS[name][1](ground)
    ground.look_everywhere("".join(capsys.readouterr()), "the logs")
    for span in spans.finished:
        ground.look_everywhere(span.to_json(), f"the span {span.name}")
    ground.look_everywhere((await ground.client.get("/metrics")).content, "the metrics")
    assert ground.tries and ground.secrets, "an attack tries something, at a secret"
    assert not ground.loot


async def test_who_may_read_a_secret_gets_it_by_each_of_these_ways(ground: Ground) -> None:
    secret = await ground.secret()
    assert secret.word in (await ground.told(secret))["answer"]
    assert secret.word in (await ground.send(ERIN, "GET", f"/v1/documents/{secret.id}")).text
    assert secret.word in (await ground.send(ERIN, "GET", "/v1/documents?limit=500&usecase=vault")).text
    assert any(secret.word in str(orjson.dumps(request)) for request in ground.vendor.requests)
    assert not ground.loot, "what somebody may read is no loot"
    for stranger in (SAM, MAYA, PRIYA, HANA, OLGA):
        ground.look(stranger, f"... {secret.word.upper()} ...", "here")
        assert len(ground.loot) == 1 and ground.loot.pop()
    ground.look(SAM, secret.word[::-1], "backwards")
    ground.look_everywhere(secret.word, "the logs")
    assert len(ground.loot) == 2


def test_there_are_enough_attacks_and_the_page_names_each() -> None:
    assert len(ATTACKS) >= LEAST
    assert page.PAGE.read_text(encoding="utf-8") == page.text(), "python -m tests.attacks.page writes it"
