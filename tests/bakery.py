"""Makes projects from the template, and runs programs in them with nothing of this test run leaking in."""

from __future__ import annotations

import atexit
import functools
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType

from cookiecutter.main import cookiecutter

TEMPLATE = Path(__file__).parents[1]
PROJECT = next(TEMPLATE.glob("*{{cookiecutter.*}}*"))
TOOLS = Path(sys.executable).parent
Answers = Mapping[str, str | bool]


def bake(folder: Path, answers: Answers | None = None) -> Path:
    """Render a project into `folder` without asking anything; return where it stands."""
    given = dict(answers or {})
    return Path(
        cookiecutter(str(as_cloned()), no_input=True, default_config=True, extra_context=given, output_dir=str(folder))
    )


@functools.cache
def as_cloned() -> Path:
    """Return the template as a clone would hold it: uncommitted work included, this machine's caches left out."""
    folder = Path(tempfile.mkdtemp(prefix="template-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    listed = git(TEMPLATE, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    for name in sorted({name for name in listed if name and os.path.lexists(TEMPLATE / name)}):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(TEMPLATE / name, folder / name, follow_symlinks=False)
    return folder


def clean_environment() -> dict[str, str]:
    """Return this process's environment without what pytest, make and a virtual environment put there."""
    leaks = ("PYTEST_", "MAKE", "MFLAGS", "VIRTUAL_ENV", "GIT_")
    return {key: value for key, value in os.environ.items() if not key.startswith(leaks)}


def run(
    command: Sequence[object], *, cwd: Path, env: Mapping[str, str] | None = None, timeout_s: float = 120
) -> subprocess.CompletedProcess[str]:
    """Run a program in a folder and return its end, whatever it is, output and errors together."""
    return subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=clean_environment() | dict(env or {}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=timeout_s,
    )


def succeed(
    command: Sequence[object], *, cwd: Path, env: Mapping[str, str] | None = None, timeout_s: float = 120
) -> str:
    """Run a program that must end well; return its output, or fail with the tests that it names and the last of it."""
    done = run(command, cwd=cwd, env=env, timeout_s=timeout_s)
    named = [line[:300] for line in done.stdout.splitlines() if line.startswith(("FAILED ", "ERROR "))]
    told = "\n".join([*named, done.stdout[-6000:]])
    assert done.returncode == 0, f"{' '.join(map(str, command))} ended with {done.returncode}:\n{told}"
    return done.stdout


def git(folder: Path, *arguments: str) -> str:
    """Run git in a folder, as somebody; return its output."""
    who = ["-c", "user.name=template", "-c", "user.email=template@example.com", "-c", "commit.gpgsign=false"]
    return succeed(["git", *who, *arguments], cwd=folder)


def commit_all(folder: Path, message: str) -> str:
    """Commit everything in a folder, which becomes a repository if it is none; return the commit's id."""
    if not (folder / ".git").exists():
        git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "--allow-empty", "-m", message)
    return git(folder, "rev-parse", "HEAD").strip()


def copy_of_template(folder: Path) -> Path:
    """Copy the template, as a clone would hold it, over what a folder holds; return the folder."""
    return Path(shutil.copytree(as_cloned(), folder, symlinks=True, dirs_exist_ok=True))


def contents(folder: Path, *, without: Sequence[str] = (".git",)) -> dict[str, bytes]:
    """Return every file below a folder: relative path -> bytes."""
    found = {}
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if path.is_file() and relative.parts[0] not in without:
            found[relative.as_posix()] = path.read_bytes()
    return found


def hook(name: str) -> ModuleType:
    """Import a hook of the template as a module."""
    spec = importlib.util.spec_from_file_location(name, TEMPLATE / "hooks" / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
