"""What is in the image is on the bill of materials; a secret in the repository is found; actions are pinned."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from ops.supply import sbom, secrets

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


@pytest.mark.proves("SEC-9")
def test_the_bill_of_materials_names_all_that_the_image_holds_with_hashes(tmp_path: Path) -> None:
    out = tmp_path / "sbom.json"
    assert sbom.main(["--out", str(out)]) == 0
    bill = json.loads(out.read_text())
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    named = {(part["name"].lower(), part["version"]) for part in bill["components"]}
    assert named == sbom.pinned() and len(named) > 100
    assert all(part["purl"].startswith("pkg:pypi/") for part in bill["components"])
    references = json.dumps([part["externalReferences"] for part in bill["components"]])
    assert "timestamp" not in bill["metadata"] and "://" not in references


def test_a_package_that_the_bill_forgets_is_named(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    lock.write_text(sbom.LOCK.read_text() + "\nforgotten[extra]==1.2.3 \\\n    --hash=sha256:00\n")
    part = {"externalReferences": [{"hashes": ["x"]}]}
    bill = {"components": [{"name": name, "version": version, **part} for name, version in sbom.pinned()]}
    assert sbom.missing(bill, lock) == ["forgotten==1.2.3"] and sbom.missing(bill) == []
    assert sbom.missing({"components": []}) != []


PLANTED = {
    "app/aws.py": 'KEY = "AKIA' + 'Z7Q2WX4RT6YU8IOP"',
    "config/models.toml": 'api_key = "9f1c2b7ad4e863' + '0591bc7f2e4d6a80351f"',
    "tests/key.py": "-----BEGIN RSA PRIVATE" + " KEY-----\nMIIEpAIBAAKCAQEA\n",
    "docs/how.md": "export GITHUB_TOKEN=ghp_" + "a8Kx2LmQ9wR4tYv7ZbN1cD3eF5gH6jPq8sUw",
    "compose.yaml": "DATABASE_URL: postgresql://app:" + "hV7kq2Lw@db/app",
}


@pytest.mark.proves("SEC-7", "SEC-9")
@pytest.mark.parametrize("path", PLANTED)
def test_a_planted_secret_turns_the_scan_red(path: str, tmp_path: Path) -> None:
    file = tmp_path / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"# before\n{PLANTED[path]}\n")
    found = secrets.scan(tmp_path, [path])
    assert [(hit.path, hit.line) for hit in found][:1] == [(path, 2)]
    assert not any(part in str(hit) for hit in found for part in re.findall(r"\w{12,}", PLANTED[path]))


def test_what_is_explained_made_up_or_a_hash_is_no_finding(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "fakes.py").write_text('password = "for-tests-only-0815"\n')
    (tmp_path / "app.lock").write_text("token = 9f1c2b7ad4e8630591bc7f2e4d6a80351f\n")
    (tmp_path / "a.py").write_text('password = "9f1c2b7ad4e8630591"  # pragma: allowlist secret\n')
    assert secrets.scan(tmp_path, ["tests/fakes.py", "app.lock", "a.py"]) == []


def test_every_exception_is_about_a_line_that_is_there_and_says_why() -> None:
    for each in tomllib.loads(secrets.ALLOWED.read_text())["allowed"]:
        path = ROOT / each["path"]
        assert each["because"]
        # Left out of a project by an answer to the template's questions.
        assert each["line"] in path.read_text() if path.exists() else each["path"].startswith("infra/"), each


def test_settings_and_workflows_hold_no_secret() -> None:
    looked_at = (".github/", "config/", "compose", "Dockerfile", ".env")
    some = [name for name in secrets.files() if name.startswith(looked_at)]
    assert len(some) >= 5 and secrets.scan(ROOT, some) == []


@pytest.mark.proves("SEC-9")
@pytest.mark.skipif(not WORKFLOWS, reason="this project has no workflows")
def test_workflows_pin_actions_by_commit_and_a_linter_finds_nothing(tmp_path: Path) -> None:
    text = "\n".join(path.read_text() for path in WORKFLOWS)
    assert all(re.fullmatch(r"[0-9a-f]{40}", pin) for pin in re.findall(r"uses: *\S+@(\S+)", text))
    for step in ("make secrets", "make sbom", "make audit", "make check"):
        assert f"run: {step}\n" in text
    assert lint(WORKFLOWS[0].parent) == 0
    (tmp_path / "x.yml").write_text(WORKFLOWS[0].read_text().replace("persist-credentials: false", "fetch-depth: 1"))
    assert lint(tmp_path) != 0, "the linter would see it"


def lint(folder: Path) -> int:
    zizmor = Path(sys.executable).with_name("zizmor")
    command = [str(zizmor), "--offline", "--no-progress", "-q", str(folder)]
    return subprocess.run(command, capture_output=True, check=False).returncode


def test_the_audit_reads_the_lock_of_the_image_and_installs_nothing() -> None:
    recipe = re.search(r"^audit:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert recipe and "requirements.prod.lock" in recipe[1] and "--require-hashes" in recipe[1]
