"""Bytes to chunks: the format by file name, then by media type; whatever cannot be read says why."""

from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import PurePath

from app.errors import AppError, Unreadable
from app.retrieval.chunk import Block, Parsed, pack

# Part of every content hash: another number reads every document again.
PARSER_VERSION = 1
MOST_BYTES = 25_000_000
MOST_CHARACTERS = 5_000_000

Reader = Callable[[bytes], Iterable[Block]]

# Module and function; loaded when the first document of the format comes, as processes that answer read none.
READERS = {
    "md": ("parse_markdown", "read"),
    "html": ("parse_html", "read"),
    "pdf": ("parse_pdf", "read"),
    "docx": ("parse_docx", "read"),
    "txt": ("parse_text", "read"),
    "csv": ("parse_text", "read_csv"),
}
_SUFFIXES = {"markdown": "md", "htm": "html", "text": "txt"}
_MEDIA_TYPES = {
    "text/markdown": "md",
    "text/html": "html",
    "application/pdf": "pdf",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "text/plain": "txt",
    "text/csv": "csv",
}
_MAGIC = {
    b"%PDF-": "pdf",
    b"PK\x03\x04": "zip",
    b"\xd0\xcf\x11\xe0": "ole",
    b"\x89PNG": "image",
    b"\xff\xd8\xff": "image",
}
_EXPECTED = {"pdf": "pdf", "docx": "zip"}


def parse(content: bytes, *, filename: str, media_type: str = "") -> Parsed:
    """Read a document; raises Unreadable with a reason, and nothing else."""
    kind = _kind(filename, media_type)
    _refuse_at_sight(content, kind=kind)
    try:
        parsed = pack(_within_limit(_reader(kind)(content)))
    except AppError:
        raise
    except (MemoryError, RecursionError) as error:
        raise Unreadable("The document is nested or packed too deeply to be read.", reason="oversized") from error
    except Exception as error:  # A reader of a format may raise anything at all on a broken file.
        raise Unreadable(f"The file is damaged: it cannot be read as .{kind}.", reason="malformed") from error
    if not parsed.chunks:
        cure = "; a scan needs text recognition first" if kind == "pdf" else ""
        raise Unreadable(f"The document holds no text that a reader would see{cure}.", reason="empty")
    return parsed


def _reader(kind: str) -> Reader:
    module, function = READERS[kind]
    reader: Reader = getattr(import_module(f"app.retrieval.{module}"), function)
    return reader


def _kind(filename: str, media_type: str) -> str:
    suffix = PurePath(filename).suffix.lower().removeprefix(".")
    kind = _SUFFIXES.get(suffix, suffix)
    if kind not in READERS:
        kind = _MEDIA_TYPES.get(media_type.partition(";")[0].strip().lower(), "") if not suffix else ""
    if not kind:
        allowed = ", ".join(f".{name}" for name in READERS)
        raise Unreadable(
            f"This format is not read ({suffix or media_type or 'unknown'}). Allowed: {allowed}.", reason="unsupported"
        )
    return kind


def _refuse_at_sight(content: bytes, *, kind: str) -> None:
    if not content.strip(b"\x00\t\n\r "):
        raise Unreadable("The file is empty.", reason="empty")
    if len(content) > MOST_BYTES:
        raise Unreadable(f"The file has {len(content):,} bytes; allowed are {MOST_BYTES:,}.", reason="oversized")
    found = next((name for magic, name in _MAGIC.items() if content.startswith(magic)), "")
    if kind == "docx" and found == "ole":
        raise Unreadable("The file is protected by a password, or comes from Word 2003 or older.", reason="encrypted")
    if found != _EXPECTED.get(kind, "") and (found or kind != "pdf"):
        raise Unreadable(f"The file is not what its name says: it cannot be .{kind}.", reason="mislabelled")


def _within_limit(blocks: Iterable[Block]) -> Iterable[Block]:
    size = 0
    for block in blocks:
        size += len(block.text)
        if size > MOST_CHARACTERS:
            raise Unreadable(f"The document has more than {MOST_CHARACTERS:,} characters.", reason="oversized")
        yield block
