"""`app prompts`: what is approved, under which revision each model is asked, and approving what changed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from app.settings import ROOT


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    """A copy of one sample use case that needs no code."""
    shutil.copytree(ROOT / "tests/samples/forms", tmp_path / "samples" / "forms")
    (tmp_path / "samples" / "forms" / "__init__.py").unlink()
    return tmp_path / "samples"


def prompts(samples: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the command without engines, keys or settings."""
    environ = {"APP_USECASES_DIR": str(samples), "DATABASE_URL": "", "REDIS_URL": "", "COLUMNS": "160"}
    command = [sys.executable, "-m", "app", "prompts", *words]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, **environ}, capture_output=True, text=True, check=False)


@pytest.mark.proves("CTL-5", "SEC-9")
def test_a_changed_prompt_is_shown_and_approved_by_one_command(samples: Path) -> None:
    path = samples / "forms/prompts/form.v1.md"
    path.write_text(path.read_text().replace("Fill in", "Make up"))
    listed = prompts(samples)
    assert listed.returncode == 1 and "forms/form.v1" in listed.stdout, listed.stderr
    assert "app prompts --pin" in listed.stdout
    assert prompts(samples, "forms", "--pin").returncode == 0
    agreed = prompts(samples, "--json")
    assert agreed.returncode == 0, agreed.stdout
    row = orjson.loads(agreed.stdout)[0]
    assert (row["prompt"], row["owner"], row["approved"]) == ("form.v1", "the tests", True)
    assert row["hash"] == row["approved_hash"]
    assert row["hash"] in (samples / "forms/prompts/revisions.toml").read_text()


@pytest.mark.proves("CTL-5")
def test_each_role_of_each_provider_has_its_model_and_revision(samples: Path) -> None:
    rows = orjson.loads(prompts(samples, "--json").stdout)
    models = rows[0]["models"]
    assert {(each["provider"], each["role"]) for each in models} >= {
        (provider, role) for provider in ("openai", "anthropic") for role in ("standard", "cheap")
    }
    assert len({each["revision"] for each in models}) == len(models)


def test_an_unknown_use_case_is_refused(samples: Path) -> None:
    wrong = prompts(samples, "nowhere")
    assert wrong.returncode == 2 and "there are: forms" in wrong.stderr
