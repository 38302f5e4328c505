"""Plan, apply or destroy one environment on AWS: `python infra/deploy.py plan --environment dev`."""

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from python_terraform import IsFlagged, Terraform

INFRA = Path(__file__).resolve().parent
ENVIRONMENTS = sorted(path.stem for path in (INFRA / "config").glob("*.tfvars"))
GOOD, TERRAFORM_FAILED, COULD_NOT_RUN = 0, 1, 2
CHANGES_PLANNED = 2  # terraform plan -detailed-exitcode: it worked, and there are changes

REQUIRED = {
    "image": "the container image by digest or immutable tag; or pass --image",
    "database_password": "openssl rand -hex 24, kept in your secret store",
    "redis_auth_token": "openssl rand -hex 24, kept in your secret store",
    "app_secret_key": "openssl rand -hex 32, kept in your secret store",
    "app_data_keys": "openssl rand -base64 32, kept in your secret store: without it sealed data is lost",
}
# Terraform asks for every variable even where a destroy uses none of them.
ASKED_FOR = [*REQUIRED, "model_api_key", "oidc_client_secret"]
UNUSED_VALUE = "not-used-by-a-destroy-" + "0" * 16
UNUSED_VALUES = {**dict.fromkeys(ASKED_FOR, UNUSED_VALUE), "app_data_keys": "0" * 43 + "="}


class TerraformError(Exception):
    """Terraform ran and said no; its own words were already printed."""


class CannotRunError(Exception):
    """Terraform was not asked, or a person said no; the message names the cure."""


@dataclass(frozen=True)
class Plan:
    """A plan saved in `file`, and what Terraform says is in it: nothing, if there is nothing to change."""

    terraform: Terraform
    file: str
    content: dict[str, Any]

    @property
    def changes(self) -> int:
        """How many resources and outputs it would create, change or delete."""
        resources = [change["change"]["actions"] for change in self.content.get("resource_changes", [])]
        outputs = [change["actions"] for change in self.content.get("output_changes", {}).values()]
        return sum(actions not in (["no-op"], ["read"]) for actions in resources + outputs)


@dataclass(frozen=True)
class Deployment:
    """One environment of the service, as the Terraform module in `directory` describes it."""

    directory: Path
    environment: str

    def plan(self) -> int:
        """Print what an apply would do and return how many resources and outputs would change."""
        with self.planned() as plan:
            return plan.changes

    def apply(self, *, auto_approve: bool = False) -> int:
        """Build what was planned once a person (or `auto_approve`) agrees; returns the number of changes."""
        with self.planned() as plan:
            return self._carry_out(plan, auto_approve=auto_approve)

    def destroy(self, *, auto_approve: bool = False) -> int:
        """Delete everything this environment holds, after the same question; returns the number of changes."""
        variables = {f"TF_VAR_{name}": value for name, value in UNUSED_VALUES.items()}
        unused = {name: value for name, value in variables.items() if name not in os.environ}
        with _environment(unused), self.planned(destroy=IsFlagged) as plan:
            return self._carry_out(plan, auto_approve=auto_approve)

    @contextmanager
    def planned(self, **options: object) -> Iterator[Plan]:
        """Yield the saved plan of an apply, or with `destroy=IsFlagged` that of a destroy."""
        _require_variables()
        # A plan file holds secrets: it lives no longer than this block.
        with self._terraform() as terraform, tempfile.TemporaryDirectory() as directory:
            file = str(Path(directory, "environment.tfplan"))
            code = _stream(terraform.plan, out=file, var=None, good=(0, CHANGES_PLANNED), **options)
            yield Plan(terraform, file, _read(terraform, "show", file) if code == CHANGES_PLANNED else {})

    def outputs(self) -> dict[str, Any]:
        """Return the environment's outputs by name, without those marked sensitive."""
        with self._terraform() as terraform:
            found = _read(terraform, "output")
        return {name: entry["value"] for name, entry in found.items() if not entry["sensitive"]}

    def _carry_out(self, plan: Plan, *, auto_approve: bool) -> int:
        if plan.changes and not auto_approve:
            _ask(f"{plan.changes} changes. Type the environment's name to go on: ", self.environment)
        if plan.changes:
            _stream(plan.terraform.apply, plan.file, skip_plan=True, var=None, var_file=None)
        return plan.changes

    @contextmanager
    def _terraform(self) -> Iterator[Terraform]:
        """Yield Terraform, initialised on this environment's own state."""
        binary = shutil.which("terraform")
        if binary is None:
            raise CannotRunError("terraform is not on the PATH: install Terraform 1.11 or newer, then run this again")
        var_file = f"config/{self.environment}.tfvars"
        terraform = Terraform(working_dir=str(self.directory), var_file=var_file, terraform_bin_path=binary)
        backend = ["config/state.tfbackend", f"key={self.environment}/terraform.tfstate"]
        # Apart, so that two environments planned at once from one checkout never meet each other's state.
        data_directory = str(self.directory / ".terraform" / self.environment)
        with _environment({"TF_DATA_DIR": data_directory, "TF_VAR_environment": self.environment}):
            with redirect_stdout(sys.stderr):  # what `output` prints stays JSON
                _stream(terraform.init, backend_config=backend, var=None, var_file=None)
            yield terraform


def _stream(command: Callable[..., Any], *arguments: str, good: tuple[int, ...] = (0,), **options: object) -> int:
    """Run one command, printing as it goes; returns its exit code."""
    with _interrupts_left_to_terraform():
        code: int = command(*arguments, capture_output=False, **options)[0]
    if code not in good:
        raise TerraformError(f"terraform {command.__name__} failed (exit {code}): see above")
    return code


def _read(terraform: Terraform, command: str, *arguments: str) -> Any:
    code, text, errors = terraform.cmd(command, *arguments, json=IsFlagged)
    if code != 0:
        raise TerraformError(f"terraform {command} failed (exit {code}): {errors.strip()}")
    return json.loads(text)


def _require_variables() -> None:
    missing = [f"  TF_VAR_{name}: {cure}" for name, cure in REQUIRED.items() if not os.environ.get(f"TF_VAR_{name}")]
    if missing:
        raise CannotRunError("\n".join(["these environment variables are not set:", *missing]))


def _ask(question: str, expected: str) -> None:
    try:
        answer = input(question)
    except EOFError:
        raise CannotRunError("nobody to ask: pass --auto-approve where no one sits at the terminal") from None
    except KeyboardInterrupt:
        raise CannotRunError("nothing was changed: interrupted") from None
    if answer.strip() != expected:
        raise CannotRunError("nothing was changed: the answer was not the environment's name")


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """Set environment variables for as long as the block runs: python-terraform hands on the whole environment."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _interrupts_left_to_terraform() -> Iterator[None]:
    """Let Ctrl-C reach Terraform alone: it stops in order and saves its state, which dying first would cut short."""
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def main(arguments: list[str] | None = None) -> int:
    """Run one command; 0 good, 1 Terraform failed, 2 it could not be run."""
    options = _parser().parse_args(arguments)
    image = {"TF_VAR_image": options.image} if options.image else {}
    try:
        with _environment(image):
            print(_run(Deployment(INFRA, options.environment), options))
    except TerraformError as error:
        print(f"{options.environment}: {error}", file=sys.stderr)
        return TERRAFORM_FAILED
    except CannotRunError as error:
        print(f"{options.environment}: {error}", file=sys.stderr)
        return COULD_NOT_RUN
    return GOOD


def _run(deployment: Deployment, options: argparse.Namespace) -> str:
    if options.command == "output":
        return json.dumps(deployment.outputs(), indent=2)
    if options.command == "plan":
        changes = deployment.plan()
    else:
        changes = getattr(deployment, options.command)(auto_approve=options.auto_approve)
    done = "planned" if options.command == "plan" else "made"
    return f"{deployment.environment}: {changes} changes {done}" if changes else f"{deployment.environment}: no changes"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=["plan", "apply", "destroy", "output"])
    parser.add_argument("--environment", required=True, choices=ENVIRONMENTS, help="a file of infra/config")
    parser.add_argument("--image", help="container image to run; the one before it rolls back")
    parser.add_argument("--auto-approve", action="store_true", help="apply or destroy without asking")
    return parser


if __name__ == "__main__":
    sys.exit(main())
