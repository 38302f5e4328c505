"""One revision names prompt, model and parameters; only approved prompts start in production."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
import structlog.testing

from app.domain.usecase import UseCase
from app.errors import CannotStart
from app.llm import revision
from app.llm.catalog import Catalog
from app.llm.gateway import Gateway
from app.llm.prompts import parse
from app.llm.providers import Providers, Vendor
from app.settings import ROOT
from app.wiring import usecases
from app.wiring.service import build
from tests.conftest import make_settings
from tests.fakes.fixtures import RunningVendor
from tests.llm.conftest import Build as BuildGateway
from tests.llm.turns import ANSWER, answer_prompt, triage_prompt, turn, usecase

KNOWN: dict[str, Any] = {"provider": "openai", "model": "m", "max_tokens": 200, "thinking": "off"}
OWNERS = dict.fromkeys(("workflow", "prompt", "cost", "on_call"), "ada@example.org")


@pytest.mark.proves("CTL-5", "SEC-9")
@pytest.mark.parametrize(
    "change", [{"provider": "anthropic"}, {"model": "n"}, {"max_tokens": 201}, {"thinking": "low"}, {"thinking": None}]
)
def test_another_model_or_parameter_is_another_revision(change: dict[str, Any]) -> None:
    assert revision.of(answer_prompt(), **{**KNOWN, **change}) != revision.of(answer_prompt(), **KNOWN)


@pytest.mark.proves("CTL-5", "SEC-9")
def test_another_word_or_temperature_is_another_revision() -> None:
    for old, new in (("Answer from", "Reply from"), ("temperature: 0", "temperature: 1")):
        changed = parse("answer.v1.md", ANSWER.replace(old, new))
        assert revision.of(changed, **KNOWN) != revision.of(answer_prompt(), **KNOWN)
    assert revision.of(answer_prompt(), **KNOWN) == revision.of(answer_prompt(), **KNOWN)


@pytest.mark.proves("CTL-5", "OBS-1")
async def test_answer_and_calls_carry_the_same_revision(build: BuildGateway, vendor: RunningVendor) -> None:
    vendor.will("wrong_schema")
    asked = turn("standard")
    draft = await build().answer(asked, triage_prompt())
    assert len(asked.tape.calls) == 2
    assert {draft.revision} == {call.revision for call in asked.tape.calls}
    assert draft.revision == revision.of(
        triage_prompt(), provider="openai", model="gpt-6-sol", max_tokens=700, thinking="off"
    )


@pytest.mark.proves("CTL-5", "SEC-9")
@pytest.mark.parametrize(
    ("pin", "provider", "model"),
    [("gpt-6-luna", "openai", "gpt-6-luna"), ("anthropic:claude-haiku-5-5", "anthropic", "claude-haiku-5-5")],
)
async def test_a_pinned_model_is_asked_whatever_the_catalog_says(
    pin: str, provider: str, model: str, catalog: Catalog, vendor: RunningVendor
) -> None:
    vendors = Vendor("openai", "k", f"{vendor.url}/v1"), Vendor("anthropic", "k", vendor.url)
    gateway = Gateway(catalog, Providers(*vendors))
    pinned = parse(
        "answer.v1.md", ANSWER.replace("output: null", f"output: null\npins: {{openai: {{standard: '{pin}'}}}}")
    )
    asked = turn("standard", "extractive")
    draft = await gateway.answer(asked, pinned)
    await gateway.aclose()
    (call,) = asked.tape.calls
    assert (draft.model, call.provider, call.model) == (model, provider, model)
    assert vendor.requests[0]["model"] == model
    assert pinned.revision != answer_prompt().revision


class TestPolicy:
    """The hash of all that decides an answer."""

    @pytest.fixture
    def gateway(self, catalog: Catalog) -> Gateway:
        return Gateway(catalog, Providers(Vendor("openai", api_key="k")))

    @pytest.mark.parametrize(
        "other",
        [
            usecase("cheap", "extractive"),
            usecase("standard", "extractive", routes=[{"to": "cheap", "because": "so", "max_chars": 9}]),
            usecase("standard", "extractive", max_input_tokens=99),
            usecase("standard", "extractive", rules=lambda _: None),
            usecase("standard", "extractive", retrieval={"passages": 2}),
        ],
    )
    def test_whatever_decides_an_answer_changes_it(self, other: UseCase, gateway: Gateway) -> None:
        assert gateway.policy(other) != gateway.policy(usecase("standard", "extractive"))

    def test_another_condition_of_a_route_changes_it(self, gateway: Gateway) -> None:
        rule = {"to": "cheap", "because": "so"}
        cases = [usecase("standard", routes=[{**rule, "max_chars": most}]) for most in (9, 99)]
        assert gateway.policy(cases[0]) != gateway.policy(cases[1])

    def test_what_decides_nothing_does_not(self, gateway: Gateway) -> None:
        same = usecase("standard", "extractive", title="Another", timeout_s=3)
        assert gateway.policy(same) == gateway.policy(usecase("standard", "extractive"))

    def test_another_model_or_thinking_changes_it(self, catalog: Catalog, gateway: Gateway) -> None:
        case, providers = usecase("standard"), Providers(Vendor("openai", api_key="k"))
        thinks = catalog.model_copy(update={"thinking": {}})
        seen = {
            gateway.policy(case),
            Gateway(thinks, providers).policy(case),
            Gateway(catalog, Providers(Vendor("anthropic", api_key="k"))).policy(case),
            Gateway(catalog, Providers(Vendor())).policy(case),
        }
        assert len(seen) == 4


@pytest.mark.parametrize(
    ("vendor_", "ladder", "has"),
    [
        (Vendor("openai", api_key="k"), ("standard", "extractive"), True),
        (Vendor("openai"), ("standard", "extractive"), False),
        (Vendor(), ("standard", "extractive"), False),
        (Vendor("openai", api_key="k"), ("extractive",), False),
    ],
)
def test_only_what_can_reach_a_model_can_cost_money(
    vendor_: Vendor, ladder: tuple[str, ...], has: bool, catalog: Catalog
) -> None:
    gateway, case = Gateway(catalog, Providers(vendor_)), usecase(*ladder, per_turn_usd="0.3")
    assert gateway.has_model(case) is has
    assert gateway.most_usd(case) == (Decimal("0.3") if has else 0)


@pytest.fixture
def samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of one sample use case that needs no code."""
    copytree(ROOT / "tests/samples/forms", tmp_path / "forms")
    (tmp_path / "forms" / "__init__.py").unlink()
    return tmp_path


Start = Callable[..., dict[str, UseCase]]


@pytest.fixture
def start(catalog: Catalog, samples: Path) -> Start:
    return lambda **more: usecases.load(samples, owners=OWNERS, rungs=catalog.rungs, **more)


@pytest.mark.proves("SEC-9", "CTL-5")
def test_approved_prompts_start_in_production(start: Start) -> None:
    assert list(start(strict=True)) == ["forms"]


@pytest.mark.proves("SEC-9", "CTL-5")
def test_a_prompt_that_nobody_approved_stops_the_start_in_production(samples: Path, start: Start) -> None:
    path = samples / "forms/prompts/form.v1.md"
    path.write_text(path.read_text().replace("Fill in", "Make up"))
    with pytest.raises(CannotStart) as refused:
        start(strict=True)
    (line,) = refused.value.detail.splitlines()
    assert str(samples / "forms/prompts/revisions.toml") in line and "form.v1: the prompt's hash is" in line
    assert "`app prompts --pin`" in line
    with pytest.raises(CannotStart, match=r"form\.v1: the prompt's hash"):
        build(make_settings("postgresql://none", "redis://none", usecases_dir=samples, environment="production"))
    with structlog.testing.capture_logs() as logs:
        usecases.warn(start())
    assert [(log["event"], log["log_level"], log["usecase"]) for log in logs] == [
        ("prompt_not_approved", "warning", "forms")
    ]


@pytest.mark.proves("SEC-9")
def test_an_approved_prompt_that_is_gone_and_a_list_that_is_gone_stop_it_too(samples: Path, start: Start) -> None:
    folder = samples / "forms/prompts"
    with (folder / "revisions.toml").open("a") as file:
        file.write('"form.v0" = "abc"\n')
    with pytest.raises(CannotStart, match=r"form\.v0: there is no form\.v0\.md"):
        start(strict=True)
    (folder / "revisions.toml").unlink()
    with pytest.raises(CannotStart, match="approved is none"):
        start(strict=True)
    revision.pin(folder, start()["forms"].prompts)
    assert start(strict=True)
    (folder / "revisions.toml").write_text("not = toml = at all")
    with pytest.raises(CannotStart, match=r"revisions\.toml: not valid TOML"):
        start(strict=True)
