"""Where proofs are run: the service as a real process, and the fake vendor as another."""

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import copytree

import httpx2

from app.control.development import DevelopmentIssuer
from app.settings import ROOT, Settings
from ops.drills.stack import SECRET, Stack
from ops.local.errors import LocalError

HERE = Path(__file__).parent
USECASES = HERE / "usecases"
PEOPLE = ("sam.reyes", "maya.okafor", "priya.nair", "hana.lind", "tom.becker", "erin.holt", "olga.petrov")


@dataclass(frozen=True, slots=True)
class Site:
    """A running service and its vendor; `headers` hold the tokens of several people."""

    url: str
    vendor_url: str
    database_url: str
    headers: Sequence[Mapping[str, str]]


def settings_of(vendor_url: str, folder: Path) -> dict[str, str]:
    """Give the environment of a service whose vendors are all the fake one; writes its config into the folder."""
    config = copytree(ROOT / "config", folder / "config", dirs_exist_ok=True)
    (config / "models.toml").write_text((HERE / "config" / "models.toml").read_text())
    return {
        "APP_USECASES_DIR": str(USECASES),
        "APP_CONFIG_DIR": str(config),
        "APP_MODEL_PROVIDER": "openai",
        "APP_LOG_LEVEL": "ERROR",
        "OPENAI_API_KEY": "fake",
        "OPENAI_BASE_URL": f"{vendor_url}/v1",
        "ANTHROPIC_API_KEY": "fake",
        "ANTHROPIC_BASE_URL": vendor_url,
    }


@contextmanager
def vendor() -> Iterator[str]:
    """Run the fake vendor; gives its address. Raises LocalError when it does not start."""
    command = [sys.executable, "-m", "tests.fakes.vendor", "--port", "0"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        if not url:
            raise LocalError("the fake vendor did not start; try `python -m tests.fakes.vendor`")
        httpx2.Client(transport=httpx2.HTTPTransport(retries=20)).get(f"{url}/_bill", timeout=20)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=10)


@contextmanager
def site(
    folder: Path, more: Mapping[str, str] | None = None, *, parts: Sequence[str] = ("api", "worker-documents")
) -> Iterator[Site]:
    """Start engines, API and vendor, read the documents, and stop everything afterwards; `more` are settings."""
    with vendor() as vendor_url:
        stack = Stack(folder, {**settings_of(vendor_url, folder), **(more or {})}, parts=parts)
        try:
            stack.start()
            read = stack.run("ingest")
            if read.returncode:
                raise LocalError(f"the documents could not be read: {read.stderr[-500:]}")
            issuer = DevelopmentIssuer(SECRET, Settings(_env_file=None).config("people"))
            headers = [{"Authorization": f"Bearer {issuer.token(person)}"} for person in PEOPLE]
            yield Site(stack.url, vendor_url, stack.engines.database_url, headers)
        finally:
            stack.stop()
