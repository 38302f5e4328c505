"""`make secrets`: looks for secrets in every file of the repository; 1 when one is found that nobody explained."""

import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from detect_secrets.core.scan import scan_file
from detect_secrets.settings import transient_settings

ROOT = Path(__file__).resolve().parents[2]
ALLOWED = Path(__file__).with_name("allowed.toml")
# Of these shapes nothing else is made: looked for in every file.
_TOKENS = (
    "ArtifactoryDetector", "AWSKeyDetector", "AzureStorageKeyDetector", "CloudantDetector", "DiscordBotTokenDetector",
    "GitHubTokenDetector", "GitLabTokenDetector", "JwtTokenDetector", "MailchimpDetector", "NpmDetector",
    "OpenAIDetector", "PrivateKeyDetector", "PypiTokenDetector", "SendGridDetector", "SlackDetector",
    "SquareOAuthDetector", "StripeDetector", "TelegramBotTokenDetector", "TwilioKeyDetector",
)  # fmt: skip
# Words that look like one: looked for where no test or example makes them up.
_GUESSES = ("KeywordDetector", "BasicAuthDetector", "Base64HighEntropyString", "HexHighEntropyString")
_LIMITS = {"Base64HighEntropyString": 4.5, "HexHighEntropyString": 3.0}
_MADE_UP = ("tests/", "docs/", "benchmarks/", "ops/evidence/", "ops/prove/", "ops/drills/")
# Hashes of packages and prompts, and what is no text.
_PASSED_OVER = (
    ".lock",
    "revisions.toml",
    "-approved.toml",
    ".png",
    ".svg",
    ".pdf",
    ".docx",
    ".xlsx",
    ".pptx",
    ".lock.hcl",
)
_OF_ONE_MACHINE = {".env", ".git", ".local", ".venv"}
_FILTERS = (
    "detect_secrets.filters.allowlist.is_line_allowlisted",
    "detect_secrets.filters.heuristic.is_sequential_string",
    "detect_secrets.filters.heuristic.is_potential_uuid",
    "detect_secrets.filters.heuristic.is_templated_secret",
    "detect_secrets.filters.heuristic.is_prefixed_with_dollar_sign",
    "detect_secrets.filters.heuristic.is_indirect_reference",
    "detect_secrets.filters.heuristic.is_not_alphanumeric_string",
)


@dataclass(frozen=True, slots=True)
class Found:
    """What looks like a secret, and where; never the secret itself."""

    path: str
    line: int
    kind: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.kind}"


def files(root: Path = ROOT) -> list[str]:
    """List the files that git keeps or would keep; where there is no git, all but what belongs to one machine."""
    command = ["git", "-C", str(root), "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, capture_output=True, text=True, check=False)
    if listed.returncode == 0 and listed.stdout:
        return [name for name in listed.stdout.splitlines() if (root / name).is_file()]
    here = [path.relative_to(root) for path in root.rglob("*") if path.is_file()]
    return [str(path) for path in here if path.parts[0] not in _OF_ONE_MACHINE]


def scan(root: Path, names: Iterable[str]) -> list[Found]:
    """List what looks like a secret in these files and stands in no exception."""
    wanted = [name for name in names if not name.endswith(_PASSED_OVER)]
    found: list[Found] = []
    for plugins, some in (
        (_TOKENS, wanted),
        (_GUESSES, [name for name in wanted if not name.startswith(_MADE_UP)]),
    ):
        chosen = [{"name": name, **({"limit": _LIMITS[name]} if name in _LIMITS else {})} for name in plugins]
        settings = {"plugins_used": chosen, "filters_used": [{"path": path} for path in _FILTERS]}
        with transient_settings(settings):
            found += [hit for name in some for hit in _in_file(root, name)]
    return sorted(set(found), key=str)


def _in_file(root: Path, name: str) -> Iterator[Found]:
    excused = _excused(name)
    lines: list[str] | None = None
    for secret in scan_file(str(root / name)):
        lines = lines or (root / name).read_text(errors="replace").splitlines()
        line = lines[secret.line_number - 1] if secret.line_number <= len(lines) else ""
        if not any(words in line for words in excused):
            yield Found(name, secret.line_number, secret.type)


def _excused(name: str) -> list[str]:
    written = tomllib.loads(ALLOWED.read_text()).get("allowed", [])
    return [each["line"] for each in written if each["path"] == name]


def main() -> int:
    """Scan the repository."""
    names = files()
    found = scan(ROOT, names)
    for hit in found:
        print(hit, file=sys.stderr)
    if found:
        print(
            "Take it out and make it worthless where it was made: it is in the history for good. If it is none, say why"
            f" in {ALLOWED.relative_to(ROOT)}, or end the line with `# pragma: allowlist secret`.",
            file=sys.stderr,
        )
    print(f"{len(names)} files, {len(found)} findings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
