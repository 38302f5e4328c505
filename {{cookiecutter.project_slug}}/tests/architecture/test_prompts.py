"""Every prompt that is shipped, here or in the samples, is the approved one."""

from pathlib import Path

import pytest

from app.llm import prompts, revision
from app.settings import ROOT

FOLDERS = sorted(path for name in ("usecases", "tests/samples") for path in (ROOT / name).glob("*/prompts"))


@pytest.mark.proves("SEC-9", "CTL-5")
@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: str(folder.relative_to(ROOT)))
def test_every_prompt_is_approved_as_it_is(folder: Path) -> None:
    assert not revision.faults(folder, prompts.load(folder)), "run `app prompts --pin` once its evaluations have passed"


def test_there_are_prompts_to_look_at() -> None:
    assert len(FOLDERS) > 3
