"""One name for all that decides what a model says, and the list of prompts that were approved as they are."""

import hashlib
import json
import tomllib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from app.errors import CannotStart
from app.llm.prompts import Prompt

CHARS = 12
FILE = "revisions.toml"
HEAD = """# The hash of each prompt as it was last evaluated and approved; production starts with these and no others.
# Written by `uv run app prompts --pin`.
"""


def of(prompt: Prompt, *, provider: str, model: str, max_tokens: int, thinking: str | None) -> str:
    """Give the revision that a call, its answer and their rows carry; the same words, model and parameters give it."""
    return _of(prompt.revision, provider, model, max_tokens, prompt.settings.temperature, thinking)


@lru_cache(maxsize=1000)
def _of(*parts: str | float | None) -> str:
    *words, max_tokens, temperature, thinking = parts
    return digest([*words, {"max_tokens": max_tokens, "temperature": temperature, "thinking": thinking}])


def digest(seen: list[Any] | Mapping[str, Any]) -> str:
    """Hash something that JSON can hold; the order of keys does not matter."""
    return hashlib.sha256(json.dumps(seen, sort_keys=True, default=str).encode()).hexdigest()[:CHARS]


def pinned(folder: Path) -> dict[str, str]:
    """Read the approved hashes beside the prompts; none where there is no file. Raises CannotStart for a broken one."""
    path = folder / FILE
    if not path.exists():
        return {}
    try:
        read = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise CannotStart(f"- {path}: not valid TOML: {error}; write it anew with `app prompts --pin`") from error
    return {key: str(value) for key, value in read.items()}


def faults(folder: Path, prompts: Mapping[str, Prompt]) -> list[str]:
    """Name every prompt that is not the approved one, and every approved one that is gone, each with the cure."""
    path, approved = folder / FILE, pinned(folder)
    cure = "run its evaluations, then `app prompts --pin`"
    found = [
        f"- {path}: {key}: the prompt's hash is {prompt.revision}, approved is {approved.get(key, 'none')}; {cure}"
        for key, prompt in prompts.items()
        if approved.get(key) != prompt.revision
    ]
    gone = [f"- {path}: {key}: there is no {key}.md; {cure}" for key in approved if key not in prompts]
    return found + gone


def pin(folder: Path, prompts: Mapping[str, Prompt]) -> None:
    """Write down the prompts as they are now."""
    lines = [f'"{key}" = "{prompt.revision}"\n' for key, prompt in sorted(prompts.items())]
    (folder / FILE).write_text(HEAD + "".join(lines), encoding="utf-8")
