"""Bytes to the content of a document: read apart, screened, embedded."""

import mimetypes
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import PurePosixPath
from typing import Protocol

import structlog

from app.domain.job import Job
from app.errors import Unreadable
from app.retrieval.chunk import Parsed
from app.retrieval.embed import Vectors
from app.retrieval.parse import PARSER_VERSION
from app.retrieval.reading import ReadingRoom
from app.store.booking import Payer
from app.store.chunks import Piece, stored_heading
from app.store.documents import Content
from app.store.vectors_cache import passage_text

# Those that PostgreSQL stems, by the first part of their tags (BCP 47).
LANGUAGES = {
    "ar": "arabic", "ca": "catalan", "da": "danish", "de": "german", "el": "greek", "en": "english", "es": "spanish",
    "et": "estonian", "eu": "basque", "fi": "finnish", "fr": "french", "ga": "irish", "hi": "hindi", "hu": "hungarian",
    "hy": "armenian", "id": "indonesian", "it": "italian", "lt": "lithuanian", "nb": "norwegian", "ne": "nepali",
    "nl": "dutch", "nn": "norwegian", "no": "norwegian", "pt": "portuguese", "ro": "romanian", "ru": "russian",
    "sr": "serbian", "sv": "swedish", "ta": "tamil", "tr": "turkish", "yi": "yiddish",
}  # fmt: skip
# What servers say when they do not know.
UNTOLD = "octet-stream"
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class File:
    """Bytes with the title of their document, and what is known of their format and language."""

    title: str
    filename: str
    media_type: str
    content: bytes
    language: str = ""

    @property
    def hash(self) -> str:
        """Name the content that these bytes become: another reader or title makes another one."""
        made_by = f"{PARSER_VERSION}|{self.title}|{self.filename}|{self.language}|"
        return sha256(made_by.encode() + self.content).hexdigest()


class Embedding(Protocol):
    """Turns passages into vectors of each space that is in use."""

    async def passages(self, texts: Sequence[str], payer: Payer) -> Mapping[int, Vectors]:
        """Give one row per text, by the id of the space; a space whose model is away is left out."""
        ...


@dataclass(frozen=True, slots=True)
class Contents:
    """Makes the content of documents; `languages` by use case, for texts that are too short to tell theirs."""

    reading: ReadingRoom
    embedding: Embedding
    is_suspicious: Callable[[str], bool]
    languages: Mapping[str, str] = field(default_factory=dict)

    async def of(self, file: File, job: Job) -> Content:
        """Read a file for a job; one that cannot be read gives a content that says why."""
        try:
            parsed = await self.reading.read_apart(file.content, filename=file.filename, media_type=file.media_type)
        except Unreadable as error:
            log.warning("ingestion.unreadable", reason=error.extra.get("reason"), size=len(file.content))
            return Content(file.hash, failure=error.detail)
        texts = [passage_text(stored_heading(file.title, chunk.heading), chunk.text) for chunk in parsed.chunks]
        vectors = await self.embedding.passages(texts, Payer(job.id, job.usecase, job.user_id))
        pieces = tuple(
            Piece(
                chunk.heading,
                chunk.page,
                chunk.text,
                self.is_suspicious(f"{chunk.heading}\n{chunk.text}"),
                {space: rows[place] for space, rows in vectors.items()},
            )
            for place, chunk in enumerate(parsed.chunks)
        )
        language = configuration_of(file.language) or parsed.language or self.languages.get(job.usecase, "")
        return Content(file.hash, pieces, note=self._note(parsed), language=language)

    def _note(self, parsed: Parsed) -> str:
        if not parsed.hidden:
            return ""
        if self.is_suspicious(parsed.hidden):
            return "Hidden text was left out; it reads like instructions to an AI. Ask the author."
        return "Hidden text was left out."


def configuration_of(language: str) -> str:
    """Name the text search configuration of a language, given as `de`, `de-AT` or `german`; "" for an unknown one."""
    known = language.strip().lower()
    return known if known in LANGUAGES.values() else LANGUAGES.get(known.replace("_", "-").partition("-")[0], "")


def title_of(path: str) -> str:
    """Make a title from a path: `handbook/travel-policy.md` is "Travel policy"."""
    words = PurePosixPath(path.rstrip("/")).stem.replace("-", " ").replace("_", " ").split()
    return (" ".join(words)[:1].upper() + " ".join(words)[1:200]) or path[:200]


def media_type_of(path: str, *said: str) -> str:
    """Give the first media type that was said, or guess it from the file name."""
    told = next((each for each in said if each and not each.endswith(UNTOLD)), "")
    return told or mimetypes.guess_type(path)[0] or f"application/{UNTOLD}"
