"""Questions to the search alone: usecases/<name>/evals/retrieval.yaml, each with the passages that are right."""

import re
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from app.errors import CannotStart

FILE = Path("evals") / "retrieval.yaml"
# Kinds for which the search should bring nothing; all others name what is right.
FORBIDDEN, NO_ANSWER = "forbidden", "no-answer"
_SAID = re.compile(r"\w+")


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Mark(_Part):
    """One passage: its document, and what tells it from the document's other passages."""

    document: str = Field(min_length=1, description="path of the document, below the folder of its source")
    quote: str = Field("", description="words that stand in this passage; spaces and punctuation do not matter")
    heading: str = Field("", description="the heading above it, or the last part of one")
    page: int | None = Field(None, ge=1, description="the page, where the format has pages")

    @model_validator(mode="after")
    def _is_told_apart(self) -> Self:
        if not (self.quote or self.heading or self.page):
            raise ValueError("a passage needs a quote, a heading or a page")
        return self

    def fits(self, *, document: str, text: str, heading: str, page: int | None) -> bool:
        """Say whether this is the passage; one that was merged with its neighbours still is."""
        return (
            document == self.document
            and f" {plain(self.quote)} " in f" {plain(text)} "
            and plain(heading).endswith(plain(self.heading))
            and self.page in (None, page)
        )

    def __str__(self) -> str:
        """Name the passage to a person."""
        place = self.heading or f"page {self.page}"
        return f"{self.document}, {self.quote!r}" if self.quote else f"{self.document}, {place}"


class Question(_Part):
    """One question, who asks it, and what the search should find."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$", description="a short name, never changed")
    person: str = Field(
        alias="as", description="who asks, from config/people.toml: the search has this person's rights"
    )
    kind: str = Field(min_length=1, description="to see results by kind; `forbidden` and `no-answer` expect nothing")
    question: str = Field(min_length=1, description="what is searched for, word for word")
    right: tuple[Mark, ...] = Field((), description="every passage that is needed")
    never: tuple[Mark, ...] = Field((), description="passages that must not come back; somebody else can read each")

    @model_validator(mode="after")
    def _is_of_its_kind(self) -> Self:
        if self.kind == FORBIDDEN and (self.right or not self.never):
            raise ValueError("a forbidden question names what must `never` come back, and nothing that is right")
        if self.kind == NO_ANSWER and (self.right or self.never):
            raise ValueError("a question without an answer names no passage")
        if self.kind not in (FORBIDDEN, NO_ANSWER) and not self.right:
            raise ValueError("it names no passage that is `right`")
        return self

    @property
    def fingerprint(self) -> str:
        """Give a hash of what is asked and expected: results are compared only while it stays."""
        return sha256(self.model_dump_json(exclude={"id", "kind"}).encode()).hexdigest()[:12]


class _File(_Part):
    questions: tuple[Question, ...] = Field(min_length=1)


def load(folder: Path) -> Sequence[Question]:
    """Read the questions of a use case; none where there is no file. Raises CannotStart with every fault."""
    path = folder / FILE
    if not path.exists():
        return ()
    try:
        read: Mapping[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
        questions = _File.model_validate(read).questions
    except yaml.YAMLError as error:
        raise CannotStart(f"{path} is not valid YAML: {error}") from error
    except ValidationError as error:
        faults = [f"- {path}: {'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()]
        raise CannotStart("\n".join(faults)) from error
    names = [question.id for question in questions]
    if double := {name for name in names if names.count(name) > 1}:
        raise CannotStart(f"{path}: these ids stand twice: {', '.join(sorted(double))}")
    return questions


def plain(text: str) -> str:
    """Give the words of a text in small letters, one space apart."""
    return " ".join(_SAID.findall(text.casefold()))
