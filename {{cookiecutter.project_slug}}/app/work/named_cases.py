"""Evaluation cases that name a person: files of the repository, which a service finds and somebody takes out."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from app.domain.usecase import UseCase


@dataclass(frozen=True, slots=True)
class NamedCase:
    """A case with its lines in the file: from `first` up to, and without, `end`; both count from 0."""

    usecase: str
    path: Path
    id: str
    first: int
    end: int
    text: str

    @property
    def place(self) -> str:
        """Say where it stands, as editors read it."""
        return f"usecases/{self.usecase}/evals/{self.path.name}:{self.first + 1}"


def naming(usecases: Mapping[str, UseCase], person: str) -> list[NamedCase]:
    """Find the cases of every use case in which the person's id stands as a word, as who asks or in the text."""
    word = re.compile(rf"(?<![\w.@-]){re.escape(person)}(?![\w@-]|\.\w)")
    return [
        found
        for usecase in usecases.values()
        for path in sorted((usecase.folder / "evals").glob("*.yaml"))
        for found in _items(usecase.name, path)
        if word.search(found.text)
    ]


def take_out(found: Sequence[NamedCase]) -> None:
    """Rewrite the files without these cases; every other line stays as it is, comments too."""
    for path in {case.path for case in found}:
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        gone = {number for case in found if case.path == path for number in range(case.first, case.end)}
        kept = [line for number, line in enumerate(lines) if number not in gone]
        path.write_text("".join(kept), encoding="utf-8")


def _items(usecase: str, path: Path) -> Iterator[NamedCase]:
    text = path.read_text(encoding="utf-8")
    lines, root = text.splitlines(), yaml.compose(text, Loader=yaml.SafeLoader)
    for _, listed in root.value if isinstance(root, yaml.MappingNode) else ():
        for item in listed.value if isinstance(listed, yaml.SequenceNode) else ():
            first, end = item.start_mark.line, _last(item) + 1
            names = {key.value: value.value for key, value in item.value} if isinstance(item, yaml.MappingNode) else {}
            yield NamedCase(usecase, path, str(names.get("id", "")), first, end, "\n".join(lines[first:end]))


def _last(node: yaml.Node) -> int:
    """Give the last line with something of the node; a block ends, for YAML, only where the next one begins."""
    if isinstance(node, yaml.ScalarNode) or getattr(node, "flow_style", False) or not node.value:
        mark = node.end_mark
        return int(mark.line if mark.column else mark.line - 1)
    pairs = node.value[-1] if isinstance(node, yaml.MappingNode) else (node.value[-1],)
    return max(_last(part) for part in pairs)
