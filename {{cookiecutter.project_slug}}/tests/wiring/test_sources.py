"""A source that cannot work stops the start, with the file, the source and the cure."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from app.domain.access import Access
from app.domain.source import Body, Bucket, Folder, Item, Query, ReadersFile, Web
from app.wiring import sources
from tests.work.sources import usecase_with

ALL = Access(("everyone",))
FILE = ReadersFile(Path("readers.toml"))


class Own:
    name = "own"
    every: timedelta | None = None

    async def items(self) -> AsyncIterator[Item]:
        yield Item("a", ALL)

    async def read(self, path: str, known: str) -> Body | None:
        return None


class Half:
    name = "half"


def faults(*given: Any) -> list[str]:
    return sources.faults(usecase_with(*given, name="x", folder=Path("usecases/x")))


def test_sources_that_can_work_are_not_complained_about() -> None:
    hourly = timedelta(hours=1)
    assert not faults(
        Folder("folder", Path("d"), Path("r.toml"), hourly),
        Bucket("bucket", "b", "tags"),
        Bucket("inside", "b", ReadersFile("readers.toml"), key_env="A", secret_env="B"),
        Web("web", FILE, pages=("https://a.test/x",)),
        Query("query", "URL", "SELECT 1"),
        Own(),
    )


@pytest.mark.proves("INT-4")
@pytest.mark.parametrize(
    ("source", "said"),
    [
        (Half(), "is no source"),
        (Folder("Bad Name", Path("d"), Path("r")), "not allowed"),
        (Folder("upload", Path("d"), Path("r")), "not allowed"),
        (Folder("f", Path("d"), Path("r"), timedelta(seconds=1)), "too often"),
        (Bucket("b", "b", "columns"), "rights"),
        (Bucket("b", "b", ALL, key_env="A"), "name both"),
        (Web("w", ALL), "which pages"),
        (Web("w", "tags", pages=("https://a.test",)), "rights"),
        (Web("w", ReadersFile("inside.toml"), pages=("https://a.test",)), "rights"),
        (Web("w", ALL, pages=("file:///etc/passwd",)), "no http"),
        (Query("q", "", "SELECT 1"), "url_env"),
        (Query("q", "URL", "SELECT 1", rights="tags"), "rights"),
    ],
)
def test_a_fault_names_the_file_the_source_and_the_cure(source: Any, said: str) -> None:
    (fault,) = faults(source)
    assert fault.startswith(f"- usecases/x/sources.py: {source.name}: ") and said in fault


def test_two_sources_of_one_name_are_a_fault() -> None:
    assert "twice" in faults(Own(), Own())[0]


@pytest.mark.proves("SEC-4")
def test_a_secret_comes_from_the_environment_or_the_file_that_is_not_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sources, "_ENV", tmp_path / ".env")
    assert sources.secret("A_SECRET") == ""
    (tmp_path / ".env").write_text("A_SECRET=of the file\n")
    assert sources.secret("A_SECRET") == "of the file"
    monkeypatch.setenv("A_SECRET", "of the process")
    assert sources.secret("A_SECRET") == "of the process"
