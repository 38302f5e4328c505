"""Bring this project to the newest release of its template: `make template-update`.

Wraps cruft, which by itself reports success on conflicts and cannot merge in a fresh clone. Exit codes: 0 merged,
1 conflicts are left to resolve, 2 the update could not start.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TypedDict, cast

CRUFT = ("tool", "run", "--with", "typer<0.26", "cruft@2.16.0")


class State(TypedDict):
    """What .cruft.json keeps: where the template is, the commit this project follows, the answers."""

    template: str
    commit: str
    context: dict[str, dict[str, object]]


class UpdateError(Exception):
    """The update could not start; the message says what to do about it."""


def run(*command: str, stdin: str | None = None) -> str:
    """Run a command in the working directory and return its output; raise UpdateError with its errors."""
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UpdateError(f"`{shlex.join(command[:6])} ...` failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def cruft_command() -> list[str]:
    """Return how to call cruft: $CRUFT when set, else a pinned one in its own environment."""
    if given := os.environ.get("CRUFT"):
        return shlex.split(given)
    uv = os.environ.get("UV") or shutil.which("uv") or shutil.which("uv", path=".tools/bin")
    if not uv:
        raise UpdateError("uv was not found: `make setup` installs it, or set UV=/path/to/uv.")
    return [uv, *CRUFT]


def read_state(project: Path) -> State:
    """Return what .cruft.json says; raise UpdateError where there is none."""
    file = project / ".cruft.json"
    if not file.exists():
        raise UpdateError(
            "No .cruft.json: this project was made by cookiecutter, which does not remember its template.\n"
            "Link it once, then try again: docs/how-to/update-from-template.md, 'Made with cookiecutter'."
        )
    return cast(State, json.loads(file.read_text("utf-8")))


def check_clean() -> None:
    """Refuse to mix an update with work that is not committed yet."""
    try:
        status = run("git", "status", "--porcelain")
    except UpdateError:
        raise UpdateError("This is no git repository: `git init && git add -A && git commit` first.") from None
    if status:
        raise UpdateError(f"Commit or stash these first, so that the update can be undone alone:\n{status}")


def seed_blobs(cruft: list[str], state: State) -> None:
    """Store the files of the old render in git: the common ancestor that a three-way merge needs."""
    answers = {key: value for key, value in state["context"]["cookiecutter"].items() if not key.startswith("_")}
    with tempfile.TemporaryDirectory() as folder:
        given = Path(folder, "answers.json")
        given.write_text(json.dumps(answers), "utf-8")
        create = [*cruft, "create", state["template"], "--no-input", "--default-config"]
        run(*create, "--checkout", state["commit"], "--extra-context-file", str(given), "--output-dir", folder)
        given.unlink()
        files = [str(path) for path in Path(folder).rglob("*") if path.is_file()]
        run("git", "hash-object", "-w", "--no-filters", "--stdin-paths", stdin="\n".join(files))


def leftovers() -> list[str]:
    """Return the files that a person must look at: unmerged ones and rejected hunks."""
    unmerged = run("git", "diff", "--name-only", "--diff-filter=U").split("\n")
    rejected = run("git", "ls-files", "--others", "--", "*.rej").split("\n")
    return sorted({*unmerged, *rejected} - {""})


def update(project: Path) -> int:
    """Update the project in the working directory; return the exit code."""
    state = read_state(project)
    check_clean()
    cruft = cruft_command()
    seed_blobs(cruft, state)
    print(run(*cruft, "update", "--skip-apply-ask", *sys.argv[1:]).strip())
    if left := leftovers():
        print("\nThe template and you changed the same lines. Resolve these, then `git add` them:")
        print("\n".join(f"  {name}" for name in left))
        print("A conflict in requirements.lock needs no reading: `make lock` writes the file anew.")
        return 1
    if not run("git", "status", "--porcelain"):
        return 0
    print("\nNext: read the new entries of the template's CHANGELOG, then `make setup check test` and commit.")
    print("Undo all of it: git reset --hard && git clean -fd")
    return 0


def main() -> int:
    """Run the update; print why when it cannot start."""
    try:
        return update(Path.cwd())
    except UpdateError as reason:
        print(reason, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
