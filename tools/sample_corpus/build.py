"""Renders sources/<area>/<name>.<pdf|docx>.md to the sample documents; `--check` only compares."""

import sys
from pathlib import Path

import pdf
import word
from blocks import read

HERE = Path(__file__).parent
SOURCES = HERE / "sources"
PROJECT = HERE.parents[1] / "{{cookiecutter.project_slug}}"
DOCUMENTS = PROJECT / "usecases" / "policy_answers" / "sample" / "documents"
RENDERERS = {".pdf": pdf.render, ".docx": word.render}


def main(arguments: list[str]) -> int:
    """Write every document, or with `--check` name those that differ; 1 when one does."""
    stale = []
    for source in sorted(SOURCES.rglob("*.md")):
        target = DOCUMENTS / source.relative_to(SOURCES).with_suffix("")
        content = RENDERERS[target.suffix](read(source.read_text(encoding="utf-8")))
        if target.exists() and target.read_bytes() == content:
            continue
        stale.append(target)
        if "--check" not in arguments:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
    for target in stale:
        print(("stale: " if "--check" in arguments else "written: ") + str(target.relative_to(PROJECT)))
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
