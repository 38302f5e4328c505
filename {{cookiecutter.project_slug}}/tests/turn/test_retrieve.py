"""Passages of a turn, seen through its door: reranked and on the record, found without the reranker, stable anchors."""

from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest

from app.settings import Settings
from tests.conftest import CONFIG
from tests.fakes.fixtures import RunningVendor
from tests.fakes.reranker import LIKED
from tests.turn.caching import Asking, served

As = Callable[[str], Mapping[str, str]]
RERANK = '[rerank]\nmodel = "judge"\ntimeout_ms = 5000\nusd_per_search = "0.002"\n'
# Only these documents hold the word.
QUESTION = "Where is the oriel kept?"


@pytest.fixture(scope="module")
async def asking(
    settings: Settings, vendor_server: RunningVendor, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Asking]:
    config: Path = tmp_path_factory.mktemp("reranked")
    copytree(CONFIG, config, dirs_exist_ok=True)
    models = (config / "models.toml").read_text()
    (config / "models.toml").write_text(models.replace("[rerank]\n", RERANK))
    known = settings.model_dump() | {"config_dir": config, "rerank_base_url": f"{vendor_server.url}/v1"}
    async with served(Settings(_env_file=None, **known)) as running:  # type: ignore[call-arg]
        ids = [
            await running.write("oriel.md", "The oriel is kept in the oriel room; ask for the oriel.", "everyone"),
            await running.write("other.md", f"An oriel stands in the north wing of the house: {LIKED}.", "everyone"),
        ]
        yield running
        for id in ids:
            await running.drop(id)


def rerank_calls(row: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [call for call in row["calls"] if call["purpose"] == "rerank"]


@pytest.mark.usefixtures("vendor")
async def test_passages_come_in_the_rerankers_order_and_its_call_is_in_the_ledger(asking: Asking, as_: As) -> None:
    answer = await asking.ask(as_("sam.reyes"), QUESTION)
    row = await asking.row(answer)
    assert [passage["title"] for passage in row["passages"]] == ["other", "oriel"]
    (call,) = rerank_calls(row)
    assert (call["model"], call["price"], float(call["cost_usd"]), call["error"]) == ("judge", "own", 0.002, "")
    (search,) = row["retrieval"]
    best = next(each for each in search["considered"] if each["kept"])
    assert best["scores"]["rerank"] == 0.98


async def test_without_its_reranker_a_turn_is_answered_all_the_same(
    asking: Asking, as_: As, vendor: RunningVendor
) -> None:
    vendor.will("500")
    answer = await asking.ask(as_("sam.reyes"), QUESTION)
    row = await asking.row(answer)
    assert row["passages"][0]["title"] == "oriel"
    assert [bool(call["error"]) for call in rerank_calls(row)] == [True]
    assert all("rerank" not in each["scores"] for each in row["retrieval"][0]["considered"])


@pytest.mark.usefixtures("vendor")
async def test_a_citation_keeps_its_anchor_when_the_document_is_read_again(asking: Asking, as_: As) -> None:
    text = "The gazebo is behind the orchard."
    id = await asking.write("gazebo.md", text, "everyone")
    first = (await asking.ask(as_("sam.reyes"), "Where is the gazebo?"))["citations"][0]
    await asking.drop(id)
    await asking.write("gazebo.md", text, "everyone")
    again = (await asking.ask(as_("sam.reyes"), "Where is the gazebo?"))["citations"][0]
    assert len(first["anchor"]) == 16
    assert (again["anchor"], again["document_id"]) == (first["anchor"], first["document_id"])
    await asking.drop(id)
