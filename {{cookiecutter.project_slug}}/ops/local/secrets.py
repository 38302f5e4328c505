"""Fills the missing keys of .env from .env.example, with fresh secrets where a secret belongs."""

import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path

GENERATED = ("APP_SECRET_KEY", "POSTGRES_PASSWORD")
HEADER = "# Settings and secrets of this machine; git ignores it. `make setup` adds missing keys, nothing else.\n"
ASSIGNMENT = re.compile(r"^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*?)\s*$")


def parse(text: str) -> dict[str, str]:
    """The assignments of an env file; quotes around a value and comments behind a bare one are dropped."""
    values = {}
    for line in text.splitlines():
        if found := ASSIGNMENT.match(line):
            values[found[1]] = _bare(found[2])
    return values


def read(path: Path) -> dict[str, str]:
    """The assignments of the file; none when it does not exist."""
    return parse(path.read_text()) if path.exists() else {}


def with_file(environ: Mapping[str, str], path: Path) -> dict[str, str]:
    """The environment over the file: what is exported wins."""
    return {**read(path), **environ}


def fill(env: Path, example: Path) -> list[str]:
    """Add what `env` lacks and give empty secrets a value; answers the keys written, in order."""
    text = env.read_text() if env.exists() else HEADER
    have, wanted = parse(text), {**read(example), **dict.fromkeys(GENERATED, "")}
    written = []
    for key, default in wanted.items():
        if key in have and (have[key] or key not in GENERATED):
            continue
        value = secrets.token_urlsafe(32) if key in GENERATED else default
        text = _put(text, key, value, replace=key in have)
        written.append(key)
    _save(env, text)
    return written


def _put(text: str, key: str, value: str, *, replace: bool) -> str:
    if replace:
        return re.sub(rf"(?m)^\s*(?:export\s+)?{key}\s*=.*$", f"{key}={value}", text)
    return text + ("" if text.endswith("\n") or not text else "\n") + f"{key}={value}\n"


def _save(env: Path, text: str) -> None:
    new = env.with_name(env.name + ".new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    new.replace(env)


def _bare(value: str) -> str:
    if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
        return value[1:-1]
    return re.split(r"(?:^|\s+)#", value)[0]


if __name__ == "__main__":
    keys = fill(Path(".env"), Path(".env.example"))
    print(".env: added " + ", ".join(keys) if keys else ".env: complete")
