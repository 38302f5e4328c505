"""infra/deploy.py asks before it changes anything, says what is missing, and ends with the promised exit codes.

A stand-in for the terraform program plays each answer; test_infra.py runs the same code against the real one.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from infra import deploy

# Writes down how it was called, answers `show` with one change, and exits as TERRAFORM_<command> says.
STAND_IN = """#!/bin/sh
echo "$@" >> "$CALLS"
case "$1" in
  show) echo '{"resource_changes": [{"change": {"actions": ["create"]}}], "output_changes": {}}' ;;
  output) echo '{"url": {"value": "https://x", "sensitive": false}, "key": {"value": "k", "sensitive": true}}' ;;
  plan) exit ${TERRAFORM_PLAN:-2} ;;
  apply)
    trap 'echo "state saved" >> "$CALLS"; exit 1' INT
    for _ in $(seq ${TERRAFORM_APPLY_TENTHS:-0}); do sleep 0.1; done
    exit ${TERRAFORM_APPLY:-0} ;;
esac
"""


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a stand-in for terraform first on the PATH; returns the file it writes its calls to."""
    program = tmp_path / "terraform"
    program.write_text(STAND_IN)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    for name in deploy.REQUIRED:
        monkeypatch.setenv(f"TF_VAR_{name}", "given")
    return tmp_path / "calls"


def commands(calls: Path) -> list[str]:
    return [line.split()[0] for line in calls.read_text().splitlines()]


def test_a_plan_counts_changes_and_applies_none(calls: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert deploy.main(["plan", "--environment", "dev"]) == 0
    assert "dev: 1 changes planned" in capfd.readouterr().out
    assert commands(calls) == ["init", "plan", "show"]


def test_each_environment_has_a_state_of_its_own(calls: Path) -> None:
    deploy.main(["plan", "--environment", "prod"])
    assert "-backend-config=key=prod/terraform.tfstate" in calls.read_text()
    assert "-var-file=config/prod.tfvars" in calls.read_text()


@pytest.mark.parametrize(("answer", "code", "last"), [("dev\n", 0, "apply"), ("yes\n", 2, "show"), ("", 2, "show")])
def test_nothing_changes_until_the_environment_is_named(
    calls: Path, monkeypatch: pytest.MonkeyPatch, answer: str, code: int, last: str
) -> None:
    typed = calls.with_name("typed")
    typed.write_text(answer)
    for command in ("apply", "destroy"):
        with typed.open() as keyboard:
            monkeypatch.setattr(sys, "stdin", keyboard)
            assert deploy.main([command, "--environment", "dev"]) == code
        assert commands(calls)[-1] == last


def test_what_was_planned_is_what_is_applied(calls: Path) -> None:
    assert deploy.main(["destroy", "--environment", "dev", "--auto-approve"]) == 0
    planned, _, applied = calls.read_text().splitlines()[1:]
    file = planned.split("-out=")[1].split()[0]
    assert applied.endswith(file)
    assert "-destroy" in planned
    assert not Path(file).exists(), "a plan file holds secrets"


@pytest.mark.parametrize("command", ["plan", "apply"])
def test_a_failure_of_terraform_is_exit_1(
    calls: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], command: str
) -> None:
    monkeypatch.setenv(f"TERRAFORM_{command.upper()}", "1")
    assert deploy.main(["apply", "--environment", "dev", "--auto-approve"]) == 1
    assert f"dev: terraform {command} failed (exit 1)" in capfd.readouterr().err
    assert commands(calls)[-1] == command


def test_an_apply_without_changes_does_nothing(
    calls: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TERRAFORM_PLAN", "0")
    Path(calls.parent, "terraform").write_text(STAND_IN.replace('"create"', '"no-op"'))
    assert deploy.main(["apply", "--environment", "dev"]) == 0
    assert "dev: no changes" in capfd.readouterr().out
    assert "apply" not in commands(calls)


def test_outputs_are_json_without_the_sensitive_ones(calls: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert deploy.main(["output", "--environment", "dev"]) == 0
    assert capfd.readouterr().out == '{\n  "url": "https://x"\n}\n'
    assert commands(calls) == ["init", "output"]


def test_a_missing_terraform_is_named_with_its_cure(
    calls: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(calls))
    assert deploy.main(["plan", "--environment", "dev"]) == 2
    assert "install Terraform" in capsys.readouterr().err


def test_missing_variables_are_named_all_at_once(
    calls: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("TF_VAR_image")
    monkeypatch.setenv("TF_VAR_app_secret_key", "")
    assert deploy.main(["plan", "--environment", "dev"]) == 2
    told = capsys.readouterr().err
    assert "TF_VAR_image" in told
    assert "TF_VAR_app_secret_key" in told
    assert not calls.exists()


def test_an_unknown_environment_is_a_wrong_call() -> None:
    with pytest.raises(SystemExit) as stopped:
        deploy.main(["plan", "--environment", "moon"])
    assert stopped.value.code == 2


def test_ctrl_c_lets_terraform_save_its_state_first(calls: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERRAFORM_APPLY_TENTHS", "300")
    command = [sys.executable, str(deploy.INFRA / "deploy.py"), "apply", "--environment", "dev", "--auto-approve"]
    with subprocess.Popen(command, start_new_session=True) as process:
        while not (calls.exists() and "apply" in commands(calls)) and process.poll() is None:
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(timeout=10) == 1
    assert calls.read_text().endswith("state saved\n")
