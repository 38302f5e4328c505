"""The proof of the kill switch in its quick form: several processes, under load, with Redis and without."""

import asyncio
from pathlib import Path

import pytest

from ops.prove.fleet import fleet
from ops.prove.killswitch import Trial, judged

# A quick form on a machine of unknown speed: the figures are for the long one, `python -m ops.prove killswitch`.
SLOW_S = 10.0


@pytest.mark.slow
@pytest.mark.proves("CTL-1")
def test_a_click_stops_the_words_and_the_calls_of_every_process_and_nothing_else_fails(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    with fleet(tmp_path, apis=2, workers=1) as running:
        trial = Trial(running, readers=4)
        usual, without, lost = asyncio.run(trial.run(2))
    settings = {"times": 2, "apis": 2, "workers": 1, "readers": 4}
    proof = judged(usual, without, [*trial.crowd.seen.faults, *lost], trial, settings)
    assert not trial.crowd.seen.faults and not lost, proof.as_json()
    assert all(max(click.last_word_s, click.last_call_s) < SLOW_S for click in (*usual, *without)), proof.as_json()
    assert trial.crowd.seen.endings["paused_switch"] and trial.crowd.job_urls
