"""`app directory`, as a person runs it: it reads now, shows how the copy stands, and says what is wrong."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.settings import ROOT
from ops.local.engines import Engines
from ops.prove.rights import another_database

pytestmark = pytest.mark.proves("SEC-4")


@pytest.fixture(scope="module")
def environment(engines: Engines) -> dict[str, str]:
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("APP_")},
        "APP_USECASES_DIR": str(ROOT / "tests" / "samples"),
        "APP_SECRET_KEY": "k" * 40,
        "DATABASE_URL": another_database(engines.database_url),
        "REDIS_URL": engines.redis_url,
    }


def run(environment: dict[str, str], where: str, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "app", "directory", *words]
    env = {**environment, "APP_DIRECTORY": where, "COLUMNS": "200"}
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)


def test_it_reads_now_shows_and_names_what_is_wrong(environment: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "groups.json"
    groups = [{"displayName": name, "members": [{"value": "ada"}]} for name in ("hr", "it")]
    file.write_text(json.dumps({"Resources": groups}))
    done = run(environment, str(file))
    assert done.returncode == 0, done.stderr
    assert "nothing" in done.stdout and " 2 " in done.stdout and " 1 " in done.stdout

    file.write_text(json.dumps({"Resources": groups[:1]}))
    assert run(environment, str(file)).returncode == 0
    refused = run(environment, str(file), "--no-sync", "--release", "hr")
    assert refused.returncode == 2 and "has not dropped" in refused.stderr
    assert run(environment, str(file), "--no-sync", "--release", "it").returncode == 0

    file.write_text("rubbish")
    broken = run(environment, str(file))
    assert broken.returncode == 2 and "cannot be read" in broken.stderr and "cannot be read" in broken.stdout
    none = run(environment, "")
    assert none.returncode == 2 and "APP_DIRECTORY" in none.stderr
