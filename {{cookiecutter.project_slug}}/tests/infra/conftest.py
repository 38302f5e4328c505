"""Terraform, its AWS provider and an emulated AWS; nothing here can reach a real account."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import boto3
import pytest

HERE = Path(__file__).resolve().parent
INFRA = HERE.parents[1] / "infra"
REGION = "eu-west-1"
SERVICE_NAME = "infra_test"
STATE_BUCKET = "infra-test-terraform-state"
SECRETS = {
    "database_password": "database-password-of-the-test",
    "redis_auth_token": "redis-auth-token-of-the-test",
    "app_secret_key": "app-secret-key-of-the-test-0123456789",
    "app_data_keys": "ZGF0YSBrZXkgb2YgdGhlIHRlc3QsIDMyIGJ5dGVzISE=",
    "model_api_key": "model-api-key-of-the-test",
    "oidc_client_secret": "client-secret-of-the-test",
}


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers here too, so that this folder runs by itself."""
    config.addinivalue_line("markers", "proves(*ids): the requirements that the test is evidence for")
    config.addinivalue_line("markers", "slow: takes more than ten seconds")


def not_measured(reason: str) -> NoReturn:
    """Skip, or fail where the environment promises that every tool is there (REQUIRE_TOOLS=1)."""
    if os.environ.get("REQUIRE_TOOLS") == "1":
        pytest.fail(f"not measured: {reason}")
    pytest.skip(f"not measured: {reason}")


def _provider_mirror() -> Path:
    """Return a directory that holds the AWS provider, unpacked, wherever this machine keeps it."""
    cache = os.environ.get("TF_PLUGIN_CACHE_DIR")
    usual = [INFRA / ".terraform", Path.home() / ".terraform.d", *map(Path, ("/usr/local/share", "/usr/share", "/opt"))]
    provider = "*/hashicorp/aws/5.*/*/terraform-provider-aws_v*"
    for root in [Path(cache), *usual] if cache else usual:
        for depth in ("", "*/", "*/*/"):
            for found in root.glob(depth + provider):
                return found.parents[5]
    not_measured("AWS provider missing, run `terraform -chdir=infra init -backend=false` once, with a network")


@pytest.fixture(scope="module")
def isolated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[pytest.MonkeyPatch]:
    """Take away every AWS and Terraform setting of the machine and give dummies: no real account, no network."""
    if shutil.which("terraform") is None:
        not_measured("terraform missing, install Terraform 1.11 or newer")
    mirror = f'filesystem_mirror {{ path = "{_provider_mirror()}" include = ["*/*"] }}'
    directory = tmp_path_factory.mktemp("terraform-settings")
    settings = directory / "terraformrc"
    settings.write_text(f"provider_installation {{\n{mirror}\n}}\n")
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("AWS_", "TF_"))]:
            patch.delenv(name)
        for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
            patch.setenv(name, str(directory / "none"))
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "testing")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.setenv("AWS_DEFAULT_REGION", REGION)
        patch.setenv("CHECKPOINT_DISABLE", "1")
        patch.setenv(
            "GOGC", "400"
        )  # each of some twenty runs loads the provider's whole schema: measured 15 % less CPU
        patch.setenv("TF_CLI_CONFIG_FILE", str(settings))
        yield patch


@pytest.fixture(scope="module")
def emulated_aws(isolated: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start the emulator on a free port of loopback, point everything at it, and stop it afterwards."""
    log = tmp_path_factory.mktemp("emulator") / "log"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # moto runs no containers: it is told that each service's one task is up, or no apply would ever end.
    environment = {**os.environ, "MOTO_ECS_SERVICE_RUNNING": "1"}
    command = [sys.executable, str(HERE / "emulator.py"), "-H", "127.0.0.1", "-p", str(port)]
    with log.open("w") as output, subprocess.Popen(command, stdout=output, stderr=output, env=environment) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            _await_start(url, process, log)
            isolated.setenv("AWS_ENDPOINT_URL", url)
            yield url
        finally:
            process.terminate()


def _await_start(url: str, process: subprocess.Popen[bytes], log: Path, *, timeout_s: float = 60) -> None:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(f"{url}/moto-api/data.json", timeout=5).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    pytest.fail(f"the emulator did not start:\n{log.read_text()}")


@pytest.fixture(scope="module")
def infra_copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of infra/ for a service of this test: no state, lock file or provider is left in the repository."""
    copy = tmp_path_factory.mktemp("copy") / "infra"
    shutil.copytree(INFRA, copy, ignore=shutil.ignore_patterns(".terraform*", "__pycache__", "*.tfstate*"))
    for path in (copy / "config").glob("*.tfvars"):
        path.write_text(_set(path.read_text(), "service_name", SERVICE_NAME))
    return copy


@pytest.fixture(scope="module")
def account(emulated_aws: str, infra_copy: Path) -> Path:
    """Give the emulated account what deploy.md has people make by hand, and write it into the copy's config."""
    where = {"endpoint_url": emulated_aws, "region_name": REGION}
    boto3.client("s3", **where).create_bucket(
        Bucket=STATE_BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    certificate = boto3.client("acm", **where).request_certificate(DomainName="ai.example.com")["CertificateArn"]
    backend = infra_copy / "config/state.tfbackend"
    backend.write_text(_set(backend.read_text(), "bucket", STATE_BUCKET))
    for path in (infra_copy / "config").glob("*.tfvars"):
        text = _set(_set(path.read_text(), "certificate_arn", certificate), "region", REGION)
        path.write_text(text + 'model_provider = "openai"\nsign_in_with_secret = true\n')
    # The emulator's own failures are answered with 500, which the provider would retry for ten minutes.
    (infra_copy / "emulated_override.tf").write_text('provider "aws" {\n  max_retries = 1\n}\n')
    return infra_copy


def _set(text: str, name: str, value: str) -> str:
    changed, count = re.subn(rf"^({name}\s*=).*$", rf'\1 "{value}"', text, flags=re.MULTILINE)
    assert count == 1, f"{name} stands {count} times in the configuration"
    return changed


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Return the secrets of the test by variable, set in the environment together with an image."""
    for name, value in SECRETS.items():
        monkeypatch.setenv(f"TF_VAR_{name}", value)
    monkeypatch.setenv("TF_VAR_image", "registry.example.com/app@sha256:good")
    return SECRETS
