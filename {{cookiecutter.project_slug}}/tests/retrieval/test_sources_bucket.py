"""Bucket sources over a real S3 protocol: pages of objects, versions, rights by file, tags and metadata."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.domain.access import Access
from app.domain.source import Bucket, Item, ReadersFile, Rights
from app.errors import BadInput, NotFound, SourceFailed, Unreadable
from app.retrieval.sources import Sources, bucket
from app.store import bucket as store
from tests.retrieval.places import KEYS, S3, s3_server

ALL = Access(("everyone",))


@pytest.fixture(scope="module")
def server() -> Iterator[S3]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    with s3_server() as running:
        yield running


@pytest.fixture
def s3(server: S3) -> S3:
    server.empty()
    return server


def papers(s3: S3, rights: Rights = ALL, **more: Any) -> Bucket:
    keys = {"key_env": "BUCKET_KEY", "secret_env": "BUCKET_SECRET"}
    known = {"endpoint_url": s3.url, "region": "us-east-1", **keys, **more}
    return Bucket("papers", "papers", rights, **known)


async def listed(source: Bucket, secrets: dict[str, str] = KEYS) -> dict[str, Item]:
    async with Sources(lambda name: secrets.get(name, ""), ("internal",)).opened(source) as opened:
        return {item.path: item async for item in opened.items()}


async def read(source: Bucket, path: str) -> Any:
    async with Sources(lambda name: KEYS.get(name, "")).opened(source) as opened:
        return await opened.read(path, "")


@pytest.mark.proves("INT-4")
async def test_every_object_below_the_prefix_is_listed_page_by_page(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "PAGE", 3)
    for place in range(8):
        s3.put(f"hr/{place}.md", f"Text {place}")
    s3.put("hr/folder/", "")
    s3.put("other.md", "x")
    assert sorted(await listed(papers(s3, prefix="hr/"))) == [f"hr/{place}.md" for place in range(8)]


@pytest.mark.proves("INT-4")
async def test_another_content_is_another_version_and_comes_with_its_bytes(s3: S3) -> None:
    s3.put("a.md", "One")
    first = (await listed(papers(s3)))["a.md"].version
    assert first and (await listed(papers(s3)))["a.md"].version == first
    s3.put("a.md", "Two", ContentType="text/markdown")
    found = await read(papers(s3), "a.md")
    assert (found.content, found.filename, found.media_type) == (b"Two", "a.md", "text/markdown")
    assert found.version == (await listed(papers(s3)))["a.md"].version != first


@pytest.mark.proves("SEC-4")
@pytest.mark.parametrize("kind", ["tags", "metadata"])
async def test_rights_are_those_that_the_object_carries_and_none_without(s3: S3, kind: Any) -> None:
    def put(key: str, **labels: str) -> None:
        s3.put(key, "x", **({"tags": labels} if kind == "tags" else {"Metadata": labels}))

    put("a.md", readers="group:hr user:ada", denied="user:bob", classification="internal", regions="eu")
    put("none.md")
    put("wrong.md", readers="all staff")
    put("level.md", readers="everyone", classification="secret")
    found = await listed(papers(s3, kind))
    assert found["a.md"].access == Access(("group:hr", "user:ada"), ("user:bob",), "internal", ("eu",))
    assert {path for path, item in found.items() if item.access is None} == {"none.md", "wrong.md", "level.md"}
    assert "readers" in found["none.md"].note and "secret" in found["level.md"].note


@pytest.mark.proves("SEC-4")
async def test_rights_come_from_a_file_beside_or_inside_the_bucket(s3: S3, tmp_path: Path) -> None:
    text = '[[document]]\npath = "hr/*"\nreaders = ["group:hr"]\n'
    s3.put("hr/a.md", "x")
    s3.put("b.md", "x")
    s3.put("readers.toml", text)
    (tmp_path / "readers.toml").write_text(text)
    for rights in (ReadersFile("readers.toml"), ReadersFile(tmp_path / "readers.toml")):
        found = await listed(papers(s3, rights))
        assert (found["hr/a.md"].access, found["b.md"].access) == (Access(("group:hr",)), None)
        assert isinstance(rights.path, Path) or "readers.toml" not in found
    with pytest.raises(BadInput, match="missing"):
        await listed(papers(s3, ReadersFile("nowhere.toml")))
    s3.put("readers.toml", "document = 3")
    with pytest.raises(BadInput, match="papers/readers"):
        await listed(papers(s3, ReadersFile("readers.toml")))


async def test_what_is_gone_too_large_or_refused_says_so(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    s3.put("big.md", "x" * 2000)
    monkeypatch.setattr(bucket, "MOST_BYTES", 1000)
    with pytest.raises(Unreadable, match="2,000"):
        await read(papers(s3), "big.md")
    with pytest.raises(NotFound):
        await read(papers(s3), "nowhere.md")
    with pytest.raises(SourceFailed, match="NoSuchBucket"):
        await listed(replace(papers(s3), bucket="no-such-bucket"))


async def test_a_bucket_that_does_not_answer_is_a_failure_and_no_empty_list(
    s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "ATTEMPTS", 1)
    with pytest.raises(SourceFailed, match="does not answer"):
        await listed(papers(s3, endpoint_url="http://127.0.0.1:1"))


async def test_a_variable_that_is_not_set_is_named(s3: S3) -> None:
    with pytest.raises(BadInput, match="BUCKET_KEY"):
        await listed(papers(s3), {})
