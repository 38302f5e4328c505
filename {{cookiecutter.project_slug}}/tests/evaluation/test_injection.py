"""The gate of the screen: what it must stop, what it must let pass, and that each of its layers is needed for that."""

from collections import Counter

import pytest
from typer.testing import CliRunner

from app.errors import CannotStart
from app.evaluation import disguises, injection
from app.evaluation.injection import Bounds, load, load_bounds, measure
from app.guard import decoding, letters
from app.guard import injection as screen

pytestmark = pytest.mark.proves("SEC-1")
SAMPLES = load()


def test_the_sets_are_large_and_speak_many_languages():
    counted = Counter((sample.part, sample.kind) for sample in SAMPLES)
    assert counted["tuned", "attacks"] + counted["held-out", "attacks"] >= 200
    assert counted["tuned", "benign"] + counted["held-out", "benign"] >= 200
    assert min(counted[part, "attacks"] for part in injection.PARTS) >= 100
    assert len({sample.entry.lang for sample in SAMPLES}) >= 10
    written = Counter(sample.entry.written for sample in SAMPLES)
    assert not [text for text, times in written.items() if times > 1], "no text counts twice"


def test_the_screen_keeps_its_bounds_on_both_halves():
    report = measure(SAMPLES)
    assert report.good, report.shortfalls
    for part in injection.PARTS:
        found, alarms = report.share(part, "attacks").as_json(), report.share(part, "benign").as_json()
        assert found["low"] > 0.8 and alarms["high"] < 0.06, (part, found, alarms)


def _same(text: str, *_: object) -> str:
    return text


def _nothing(*_: object) -> tuple[str, ...]:
    return ()


LAYERS = {
    "signals in English": (screen, "_FILES", ("injection_languages.toml",)),
    "signals in other languages": (screen, "_FILES", ("injection.toml",)),
    "data is judged harder": (screen, "DISGUISED", 0.0),
    "hidden letters": (letters, "visible", _same),
    "look-alikes": (letters, "latinised", lambda text: ""),
    "widths and accents": (letters, "folded", str.lower),
    "what hidden letters spell": (letters, "smuggled", lambda text: ""),
    "encodings": (decoding, "decoded", _nothing),
    "spelling": (decoding, "respelled", _nothing),
    "quotes": (screen, "QUOTED", 1.0),
}


@pytest.mark.parametrize("layer", [name for name in LAYERS if name != "data is judged harder"])
def test_the_gate_turns_red_without(layer, monkeypatch):
    room, name, instead = LAYERS[layer]
    screen.signals.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(room, name, instead)
        report = measure(SAMPLES)
    screen.signals.cache_clear()
    assert not report.good, f"nothing of the sets needs this layer: {layer}"


def test_a_looser_threshold_or_a_tighter_one_turns_the_gate_red(monkeypatch):
    for threshold in (0.2, 0.95):
        monkeypatch.setattr(injection, "THRESHOLD", threshold)
        assert not measure(SAMPLES).good


def test_every_disguise_is_used_and_an_unknown_one_is_named(tmp_path):
    assert set(disguises.DISGUISES) <= {sample.entry.disguise for sample in SAMPLES}
    for part in injection.PARTS:
        for kind in injection.KINDS:
            (tmp_path / f"{part}-{kind}.yaml").write_text("policy:\n  - {text: '{}', payload: x, as: cuneiform}\n")
    with pytest.raises(CannotStart, match=r"tuned-attacks\.yaml: policy, number 1: as: one of base64"):
        load(tmp_path)


def test_the_report_tells_shares_with_intervals_and_what_fell_short():
    told = measure(SAMPLES[:5], bounds={"tuned": Bounds(detection=1.0, family=1.0, false_alarms=0.0)}).as_json()
    assert told["good"] and told["figures"]["tuned"]["attacks"]["all"]["count"] == 5
    assert 0.5 < told["figures"]["tuned"]["attacks"]["override"]["low"] < 1
    harmless = [sample for sample in SAMPLES if sample.kind == "benign"][:5]
    short = measure(harmless, bounds={"tuned": Bounds(detection=1.0, family=1.0, false_alarms=0.0)})
    assert short.shortfalls == ["tuned: 0 of 0 attacks were stopped, 100% are wanted"]
    assert set(load_bounds()) == set(injection.PARTS)


def test_the_command_prints_the_measurement_and_keeps_the_held_out_sets_to_itself():
    import typer

    from app.cli import proving

    app = typer.Typer()
    app.callback()(lambda: None)
    proving.register(app)
    told = CliRunner().invoke(app, ["evaluate", "--injection"])
    assert told.exit_code == 0, told.output
    assert "held-out sets" in told.output and "95 %" in told.output
    assert "held-out attacks" not in told.output, "who reads them tunes on them"
