"""Bytes to chunks: the format by file name, then by media type; whatever cannot be read says why."""

from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from pathlib import PurePath

from app.errors import AppError, Unreadable
from app.retrieval.archive import ensure_harmless, has_pictures
from app.retrieval.chunk import Block, Parsed, pack
from app.retrieval.language import language_of

# Part of every content hash: another number reads every document again.
PARSER_VERSION = 2
MOST_BYTES = 25_000_000
MOST_CHARACTERS = 5_000_000

Reader = Callable[[bytes], Iterable[Block]]

# Module and function; loaded when the first document of the format comes, as processes that answer read none.
READERS = {
    "md": ("parse_markdown", "read"),
    "html": ("parse_html", "read"),
    "pdf": ("parse_pdf", "read"),
    "docx": ("parse_docx", "read"),
    "pptx": ("parse_pptx", "read"),
    "xlsx": ("parse_xlsx", "read"),
    "eml": ("parse_mail", "read"),
    "txt": ("parse_text", "read"),
    "csv": ("parse_text", "read_csv"),
}
_SUFFIXES = {
    "markdown": "md",
    "htm": "html",
    "text": "txt",
    "xlsm": "xlsx",
    "pptm": "pptx",
    "docm": "docx",
    "tsv": "csv",
}
_OFFICE = "application/vnd.openxmlformats-officedocument."
_MEDIA_TYPES = {
    "text/markdown": "md",
    "text/html": "html",
    "application/pdf": "pdf",
    f"{_OFFICE}wordprocessingml.document": "docx",
    f"{_OFFICE}presentationml.presentation": "pptx",
    f"{_OFFICE}spreadsheetml.sheet": "xlsx",
    "message/rfc822": "eml",
    "text/plain": "txt",
    "text/csv": "csv",
}
_MAGIC = {
    b"%PDF-": "pdf",
    b"PK\x03\x04": "zip",
    b"\xd0\xcf\x11\xe0": "ole",
    b"\x89PNG": "image",
    b"\xff\xd8\xff": "image",
    b"GIF8": "image",
    b"II*\x00": "image",
    b"MM\x00*": "image",
    b"\x1f\x8b\x08": "gzip",
    b"7z\xbc\xaf": "7z",
    b"Rar!": "rar",
    b"\x7fELF": "program",
    b"{\\rtf": "rtf",
}
_EXPECTED = {"pdf": "pdf", "docx": "zip", "pptx": "zip", "xlsx": "zip"}
# A PDF may begin with other bytes than its mark, which must come soon.
_PDF_MARK_WITHIN = 1024
_ENCRYPTED_PACKAGE = "EncryptedPackage".encode("utf-16-le")
_CURES = {
    **dict.fromkeys(("doc", "dot", "rtf", "odt", "pages"), "Save it as .docx or .pdf."),
    **dict.fromkeys(("ppt", "pps", "odp", "key"), "Save it as .pptx or .pdf."),
    **dict.fromkeys(("xls", "xlsb", "ods", "numbers"), "Save it as .xlsx or .csv."),
    **dict.fromkeys(("msg", "pst"), "Save the message as .eml."),
    **dict.fromkeys(("png", "jpg", "jpeg", "gif", "tif", "tiff", "webp"), "A picture needs text recognition first."),
    **dict.fromkeys(("zip", "7z", "rar", "gz", "tgz", "tar"), "Bring the files inside it one by one."),
}


def parse(content: bytes, *, filename: str, media_type: str = "") -> Parsed:
    """Read a document; raises Unreadable with a reason, and nothing else."""
    try:
        parsed = pack(_within_limit(blocks_of(content, filename=filename, media_type=media_type)))
    except (MemoryError, RecursionError) as error:
        raise _too_much(error) from error
    if not parsed.chunks:
        raise _nothing_in(content, kind=kind_of(filename, media_type))
    return parsed._replace(language=language_of(chunk.text for chunk in parsed.chunks))


def blocks_of(content: bytes, *, filename: str, media_type: str = "") -> Iterator[Block]:
    """Read the blocks of a document, or of one inside another; raises Unreadable, and nothing else."""
    kind = kind_of(filename, media_type)
    _refuse_at_sight(content, kind=kind)
    try:
        if _EXPECTED.get(kind) == "zip":
            ensure_harmless(content, kind=kind)
        yield from _reader(kind)(content)
    except AppError:
        raise
    except (MemoryError, RecursionError) as error:
        raise _too_much(error) from error
    except Exception as error:  # A reader of a format may raise anything at all on a broken file.
        raise Unreadable(f"The file is damaged: it cannot be read as .{kind}.", reason="malformed") from error


def ensure_size(content: bytes) -> None:
    """Refuse a file of more than MOST_BYTES."""
    if len(content) > MOST_BYTES:
        raise Unreadable(f"The file has {len(content):,} bytes; allowed are {MOST_BYTES:,}.", reason="oversized")


def kind_of(filename: str, media_type: str) -> str:
    """Name the format, a key of READERS; raises Unreadable for others."""
    suffix = PurePath(filename).suffix.lower().removeprefix(".")
    kind = _SUFFIXES.get(suffix, suffix)
    if kind not in READERS:
        kind = _MEDIA_TYPES.get(media_type.partition(";")[0].strip().lower(), "") if not suffix else ""
    if not kind:
        allowed = ", ".join(f".{name}" for name in READERS)
        cure = _CURES.get(suffix, f"Allowed: {allowed}.")
        raise Unreadable(f"This format is not read ({suffix or media_type or 'unknown'}). {cure}", reason="unsupported")
    return kind


def _reader(kind: str) -> Reader:
    module, function = READERS[kind]
    reader: Reader = getattr(import_module(f"app.retrieval.{module}"), function)
    return reader


def _refuse_at_sight(content: bytes, *, kind: str) -> None:
    if not content.strip(b"\x00\t\n\r "):
        raise Unreadable("The file is empty.", reason="empty")
    ensure_size(content)
    found = next((name for magic, name in _MAGIC.items() if content.startswith(magic)), "")
    expected = _EXPECTED.get(kind, "")
    if expected == "zip" and found == "ole":
        if _ENCRYPTED_PACKAGE in content:
            raise Unreadable("The file is protected by a password.", reason="encrypted")
        raise Unreadable(f"The file comes from Office 2003 or older. Save it as .{kind}.", reason="unsupported")
    if kind == "pdf" and b"%PDF-" in content[:_PDF_MARK_WITHIN]:
        return
    if found != expected:
        raise Unreadable(f"The file is not what its name says: it cannot be .{kind}.", reason="mislabelled")


def _nothing_in(content: bytes, *, kind: str) -> Unreadable:
    if _EXPECTED.get(kind) == "zip" and has_pictures(content):
        return Unreadable("The document holds pictures only. It needs text recognition first.", reason="scanned")
    return Unreadable("The document holds no text that a reader would see.", reason="empty")


def _too_much(error: Exception) -> Unreadable:
    if isinstance(error, RecursionError):
        return Unreadable("The document is nested too deeply to be read.", reason="oversized")
    return Unreadable("Reading the document takes more memory than it may. Split it.", reason="oversized")


def _within_limit(blocks: Iterable[Block]) -> Iterable[Block]:
    size = 0
    for block in blocks:
        size += len(block.text)
        if size > MOST_CHARACTERS:
            raise Unreadable(f"The document has more than {MOST_CHARACTERS:,} characters.", reason="oversized")
        yield block
