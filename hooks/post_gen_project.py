"""Deletes the files of what was not chosen, and prints what to do next. No network, git, secret or clock in here."""

import json
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

# question -> the answer that keeps the paths -> the paths, deleted under any other answer.
FEATURES: dict[str, dict[object, list[str]]] = {
    "cloud": {"aws": ["infra", "tests/infra", "docs/how-to/deploy.md"]},
    "ci": {"github": [".github"]},
    "sample_usecases": {
        True: ["usecases/policy_answers", "usecases/ticket_triage", "tests/retrieval/test_sample.py"],
    },
}
# What a run of the project in the template's folder leaves there: copied, as nothing can be skipped, then deleted.
LEFTOVERS = (".env", ".local", ".tools", ".venv", ".hypothesis", ".*_cache", "**/__pycache__")


def pruned(answers: Mapping[str, object]) -> list[str]:
    """Return the paths that these answers leave out."""
    return [
        path
        for question, kept_by in FEATURES.items()
        for answer, paths in kept_by.items()
        if answers[question] != answer
        for path in paths
    ]


def prune(project: Path, answers: Mapping[str, object]) -> None:
    """Delete from the project folder what the answers leave out, and what is no part of the template."""
    leftovers = [path for pattern in LEFTOVERS for path in project.glob(pattern)]
    for target in [*(project / path for path in pruned(answers)), *leftovers]:
        if target.is_dir():
            shutil.rmtree(target)
        else:
            target.unlink(missing_ok=True)


def next_steps(answers: Mapping[str, object]) -> str:
    """Return the first commands to paste, at most ten lines."""
    slug, version = answers["project_slug"], answers["_template_version"]
    return f"""
{answers["__name"]} is ready in ./{slug}
  cd {slug}
  git init -q && git add -A && git commit -qm "Start from template {version}"   # first: updates merge onto it
  make setup        # tools, dependencies, a fresh secret in .env
  make up           # the whole service; the table it prints says where
Updates of the template come with: make template-update (docs/how-to/update-from-template.md)"""


def main(answers: Mapping[str, object]) -> None:
    """Prune the project in the working directory; speak only where a person will read it."""
    project = Path.cwd()
    prune(project, answers)
    # cruft renders twice into the temporary folder at each update: no one reads next steps there.
    if not project.is_relative_to(Path(tempfile.gettempdir()).resolve()):
        # A terminal that cannot show the name must not cost the project.
        encoding = sys.stdout.encoding or "utf-8"
        print(next_steps(answers).encode(encoding, "replace").decode(encoding))


if __name__ == "__main__":
    main(json.loads(r"""{{ cookiecutter | jsonify }}"""))
