"""A single model call that cannot hurt anybody: let in, bounded in time, priced, traced, and cancelled upstream."""

import asyncio
from decimal import Decimal

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from app.domain.turn import Skip, Turn
from app.llm import doorway
from app.llm.catalog import Catalog, Limits
from app.llm.catalog import Price as OwnPrice
from app.llm.resilience import CallLimits
from app.store.door import Rules
from app.store.turnstile import Turnstile
from tests.fakes.fixtures import RunningVendor
from tests.llm.asks import GENEROUS_S, LADDER, ONCE, ask, lasting, until
from tests.llm.conftest import PROVIDERS, Build, Shown
from tests.llm.turns import answer_prompt, turn


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(doorway, "_tracer", provider.get_tracer("test"))
    return exporter


@pytest.mark.proves("OBS-2", "OBS-7")
async def test_a_call_is_a_span_with_tokens_and_without_content(
    build: Build, vendor: RunningVendor, spans: InMemorySpanExporter
) -> None:
    vendor.will("500")
    asked = turn("standard", "extractive")
    draft = await build().answer(asked, answer_prompt())
    failed, good = spans.get_finished_spans()
    assert failed.name == good.name == f"chat {draft.model}"
    assert good.kind is trace.SpanKind.CLIENT
    assert good.attributes is not None
    assert good.attributes["gen_ai.request.model"] == draft.model
    assert good.attributes["gen_ai.usage.output_tokens"] == asked.tape.calls[1].usage.output_tokens
    assert good.attributes["app.prompt.revision"] == draft.revision
    assert failed.status.status_code is trace.StatusCode.ERROR
    assert failed.attributes is not None
    assert failed.attributes["error.type"] == "ModelServerError"
    for span in (failed, good):
        assert not span.events
        assert "annual leave" not in str(span.attributes)


@pytest.mark.proves("REL-7")
@pytest.mark.parametrize(
    ("provider", "fault"),
    [
        *((provider, fault) for provider in PROVIDERS for fault in ("429", "503", "cut")),
        *(("openai", fault) for fault in ("500", "529", "hang", "malformed")),
    ],
)
async def test_a_vendor_that_keeps_failing_is_left_alone(
    provider: str, fault: str, build: Build, vendor: RunningVendor
) -> None:
    vendor.will(f"{fault}*")
    gateway = build(provider, limits=ONCE, turnstile=lasting())
    asked = [await ask(gateway) for _ in range(7)]
    assert vendor.state.count == 5
    assert asked[5].tape.skipped == asked[6].tape.skipped == [Skip("standard", doorway.HELD_BACK)]
    assert not asked[6].tape.calls


@pytest.mark.proves("REL-7", "LAT-5")
@pytest.mark.parametrize(
    ("provider", "fault"),
    [
        *((provider, fault) for provider in PROVIDERS for fault in ("cut", "trails_off")),
        ("openai", "stall"),
        ("anthropic", "slow_first_token=30"),
    ],
)
async def test_streams_that_break_or_fall_silent_count_as_failures(
    provider: str, fault: str, build: Build, vendor: RunningVendor
) -> None:
    vendor.will(*[fault] * 7)
    gateway = build(provider, limits=ONCE, turnstile=lasting())
    asked = [await ask(gateway, shown=Shown()) for _ in range(6)]
    assert vendor.state.count == 5
    assert asked[5].tape.skipped == [Skip("standard", doorway.HELD_BACK)]


@pytest.mark.parametrize(
    ("provider", "fault"),
    [
        *((provider, fault) for provider in PROVIDERS for fault in ("400", "content_filter")),
        *(("openai", fault) for fault in ("401", "404", "408", "409", "refusal", "length", "empty")),
    ],
)
async def test_what_is_not_the_vendors_fault_is_neither_counted_nor_repeated(
    provider: str, fault: str, build: Build, vendor: RunningVendor
) -> None:
    vendor.will(*[fault] * 6)
    gateway = build(provider, turnstile=lasting())
    for number in range(6):
        asked = await ask(gateway)
        assert len(asked.tape.calls) == 1
        assert vendor.state.count == number + 1
    assert (await ask(gateway)).tape.calls[0].error == ""


async def test_askers_who_leave_do_not_count(build: Build, vendor: RunningVendor) -> None:
    vendor.will(*["hang"] * 6)
    gateway = build(limits=CallLimits(model_timeout_s=GENEROUS_S), turnstile=lasting())
    for number in range(6):
        task = asyncio.create_task(ask(gateway))
        await until(lambda: vendor.state.count > number)  # noqa: B023  used at once
        await asyncio.sleep(0.6)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert (await ask(gateway)).tape.calls[0].error == ""


@pytest.mark.proves("REL-7", "REL-9")
async def test_the_primary_comes_back_by_itself(build: Build, vendor: RunningVendor) -> None:
    gateway = build(limits=ONCE, turnstile=Turnstile(None, rules=Rules(open_s=0.3)))
    vendor.will(*["500"] * 5)
    for _ in range(5):
        await ask(gateway)
    async with asyncio.timeout(GENEROUS_S):
        while (await ask(gateway)).tape.skipped:  # noqa: ASYNC110  nothing tells when it is over
            await asyncio.sleep(0.05)
    assert (await ask(gateway)).tape.calls[0].error == ""


@pytest.mark.proves("REL-2", "REL-7")
@pytest.mark.parametrize("first", ["openai", "anthropic"])
async def test_a_role_may_stand_for_another_vendors_model(
    first: str, build: Build, vendor: RunningVendor, catalog: Catalog
) -> None:
    second, model = {"openai": ("anthropic", "claude-haiku-5-5"), "anthropic": ("openai", "gpt-6-luna")}[first]
    roles = {**catalog.roles, first: {**catalog.roles[first], "backup": f"{second}:{model}"}}  # type: ignore[index]
    gateway = build(first, also=[second], catalog=catalog.model_copy(update={"roles": roles}), limits=ONCE)
    vendor.will("503")
    asked = await ask(gateway, "standard", "backup")
    assert [(call.provider, call.rung) for call in asked.tape.calls] == [(first, "standard"), (second, "backup")]
    assert asked.tape.calls[1].model == model
    assert asked.tape.calls[1].price == "list"
    lonely = build(first, catalog=catalog.model_copy(update={"roles": roles}), limits=ONCE)
    vendor.will("503")
    assert (await ask(lonely, "standard", "backup", "extractive")).tape.skipped[1] == Skip(
        "backup", f"there is no key for {second}"
    )


def at_most(calls_at_once: int, catalog: Catalog) -> Catalog:
    return catalog.model_copy(update={"limits": Limits(concurrent_calls=calls_at_once)})


async def test_calls_over_the_models_limit_wait_and_the_wait_is_on_the_record(
    build: Build, vendor: RunningVendor, catalog: Catalog
) -> None:
    vendor.state.latency_s = 0.5
    gateway = build(catalog=at_most(2, catalog))
    asked = await asyncio.gather(*(ask(gateway, seconds=60) for _ in range(6)))
    waits = sorted(one.tape.calls[0].wait_ms for one in asked)
    # Two at once: the third and fourth wait for one call, the last two for two.
    assert waits[2] >= 250
    assert waits[4] >= 600


async def test_people_go_before_queued_work(build: Build, vendor: RunningVendor, catalog: Catalog) -> None:
    vendor.will("hang=2")
    turnstile, order = Turnstile(None), []
    gateway = build(catalog=at_most(1, catalog), turnstile=turnstile)

    async def come(name: str, channel: str) -> None:
        asked = turn(*LADDER, channel=channel, seconds=60)
        await gateway.answer(asked, answer_prompt())
        order.append(name)

    tasks = [asyncio.create_task(come("first", "api"))]
    await until(lambda: vendor.state.count)
    for place, (name, channel) in enumerate([("job", "job"), ("evaluation", "evaluation"), ("person", "openai")], 1):
        tasks.append(asyncio.create_task(come(name, channel)))
        await until(lambda: turnstile._slots["openai:gpt-6-sol"].waiting == place)  # noqa: B023  used at once
    await asyncio.gather(*tasks)
    assert order == ["first", "person", "job", "evaluation"]


@pytest.mark.proves("LAT-5")
async def test_a_model_that_stays_busy_is_skipped(build: Build, vendor: RunningVendor, catalog: Catalog) -> None:
    vendor.will("hang", "hang")
    gateway = build(catalog=at_most(1, catalog))
    first = asyncio.create_task(ask(gateway))
    await until(lambda: vendor.state.count)
    asked = turn(*LADDER, seconds=1.0)
    draft = await gateway.answer(asked, answer_prompt())
    assert draft.rung == "extractive"
    assert asked.tape.skipped == [Skip("standard", doorway.BUSY)]
    assert not asked.tape.calls
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)


async def test_a_cancelled_call_gives_its_slot_back(build: Build, vendor: RunningVendor, catalog: Catalog) -> None:
    vendor.will("hang")
    gateway = build(catalog=at_most(1, catalog))
    first = asyncio.create_task(ask(gateway))
    await until(lambda: vendor.state.count)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    assert not (await ask(gateway)).tape.skipped


@pytest.mark.proves("CST-1", "OBS-1")
async def test_each_row_says_where_its_price_comes_from(build: Build, vendor: RunningVendor, catalog: Catalog) -> None:
    own = catalog.model_copy(update={"prices": {"tiny-model": OwnPrice(input_usd=Decimal(1), output_usd=Decimal(2))}})
    vendor.will("500", "ok", "ok", "hang", "ok")
    listed = await ask(build())
    unpriced = await ask(build("openai_compatible"))
    hung = await ask(build(limits=ONCE))
    owned = await ask(build("openai_compatible", catalog=own))

    def seen(asked: Turn) -> list[tuple[str, bool | None]]:
        costs = [(call.price, call.usage.cost_usd) for call in asked.tape.calls]
        return [(price, cost_usd > 0 if cost_usd is not None else None) for price, cost_usd in costs]

    assert seen(listed) == [("free", False), ("list", True)]
    assert seen(unpriced) == [("unpriced", None)]
    assert seen(hung) == [("unpriced", None)]
    assert seen(owned) == [("own", True)]
    assert {call.purpose for call in listed.tape.calls} == {"answer"}
