"""Settings that pause a service, through its door: the break-glass, and a flag server that says so."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from app.control.flags import switch_definition
from app.domain.switch import switch_key
from app.settings import Settings
from tests.fakes import flag_server
from tests.turn.caching import served

As = Callable[[str], dict[str, str]]
URL = "/v1/usecases/slow/turns"
ASKED = {"question": "1 word"}
TOKEN = "a word for the flag server"


@pytest.fixture
def way(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dict[str, Any]]:
    """Give the settings of one way to be paused."""
    if request.param == "setting":
        yield {"paused": True}
        return
    if request.param == "file":
        (tmp_path / "PAUSED").touch()
        yield {"paused_file": str(tmp_path / "PAUSED")}
        return
    with flag_server.running() as (address, state):
        state.token, state.flags = TOKEN, {switch_key("ai"): switch_definition(enabled=False)}
        yield {"flags_source": f"flagd://{address}", "flags_token": TOKEN}


@pytest.mark.proves("CTL-1")
@pytest.mark.parametrize("way", ["setting", "file", "flag server"], indirect=True)
async def test_a_service_that_its_settings_pause_answers_with_the_paused_sentence(
    settings: Settings, as_: As, way: dict[str, Any]
) -> None:
    paused = Settings(_env_file=None, **{**settings.model_dump(), **way})
    async with served(paused) as running:
        refused = await running.client.post(URL, json=ASKED, headers=as_("sam.reyes"))
        sentence = running.service.usecases["slow"].contract.sentences.paused
        told = refused.json()
        assert (refused.status_code, told["outcome"], told["detail"]) == (503, "paused_switch", sentence)
        status = (await running.client.get("/v1/status", headers=as_("sam.reyes"))).json()
        assert status["paused"] and status["notices"][0]["subject"] == "ai"


async def test_a_flag_server_that_has_it_on_lets_questions_in(settings: Settings, as_: As) -> None:
    with flag_server.running() as (address, state):
        state.token, state.flags = TOKEN, {switch_key("ai"): switch_definition(enabled=True)}
        source = {"flags_source": f"flagd://{address}", "flags_token": TOKEN}
        there = Settings(_env_file=None, **{**settings.model_dump(), **source})
        async with served(there) as running:
            answer = await running.client.post(URL, json=ASKED, headers=as_("sam.reyes"))
    assert answer.status_code == 200, answer.text
