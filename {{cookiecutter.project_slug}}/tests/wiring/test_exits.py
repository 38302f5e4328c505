"""What no answer may hold comes from config/output.toml, and from the secrets that this process was given."""

from pathlib import Path
from shutil import copytree

import pytest

from app.errors import CannotStart
from app.settings import ROOT
from app.wiring.exits import exits
from tests.conftest import SECRET, make_settings


def test_every_secret_of_the_settings_and_the_passwords_of_addresses_are_known() -> None:
    key = "sk-a-key-of-our-own-vendor"
    made = exits(make_settings("postgresql://app:hunter%402secret@db/app", "redis://:longsecretpw@cache/0",
                               openai_api_key=key))  # fmt: skip
    assert {SECRET, key, "hunter@2secret", "longsecretpw"} <= set(made.secrets)
    assert "app" not in made.secrets and all(len(each) >= 12 for each in made.secrets)
    assert SECRET not in repr(made), "neither logs nor traces show them"
    assert "kill yourself" in made.policy.words


def test_an_older_project_without_the_file_starts_and_a_faulty_file_is_told(tmp_path: Path) -> None:
    config = copytree(ROOT / "config", tmp_path / "config")
    settings = make_settings("postgresql://x@y/z", "redis://x", config_dir=config)
    (config / "output.toml").unlink()
    assert exits(settings).policy.words == ()
    (config / "output.toml").write_text('patterns = ["("]\n')
    with pytest.raises(CannotStart, match=r"config/output.toml: patterns: '\('"):
        exits(settings)
