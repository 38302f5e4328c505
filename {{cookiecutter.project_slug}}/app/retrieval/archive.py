"""Looking into Office files, which are ZIP archives of XML, before any reader unpacks them."""

import io
import zipfile

from app.errors import Unreadable

MOST_UNPACKED_BYTES = 100_000_000
MOST_ENTRIES = 10_000
# Much more than XML ever shrinks; small files may shrink as they like.
MOST_RATIO, RATIO_FROM_BYTES = 200, 20_000_000
_STEP_BYTES = 1 << 16
_FOLDERS = {"docx": "word/", "pptx": "ppt/", "xlsx": "xl/"}
_DECLARATIONS = tuple("<!DOCTYPE".encode(encoding) for encoding in ("utf-8", "utf-16-le", "utf-16-be"))


def ensure_harmless(content: bytes, *, kind: str) -> None:
    """Unpack once, bit by bit, keeping nothing; raises Unreadable for bombs, locks, entities and other formats.

    A size that an entry gives wrongly shows here as a damaged archive.
    """
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entries = archive.infolist()
        _ensure_size(entries, packed=len(content))
        if any(entry.flag_bits & 1 for entry in entries):
            raise Unreadable("The file is protected by a password.", reason="encrypted")
        if not any(entry.filename.startswith(_FOLDERS[kind]) for entry in entries):
            raise Unreadable(f"The file is not what its name says: it cannot be .{kind}.", reason="mislabelled")
        for entry in entries:
            _walk(archive, entry)


def has_pictures(content: bytes) -> bool:
    """Say whether pictures lie in an Office file."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return any("/media/" in name for name in archive.namelist())


def _ensure_size(entries: list[zipfile.ZipInfo], *, packed: int) -> None:
    unpacked = sum(entry.file_size for entry in entries)
    if unpacked > RATIO_FROM_BYTES and unpacked > MOST_RATIO * packed:
        raise Unreadable("The file is made to fill the memory of whoever unpacks it.", reason="bomb")
    if unpacked > MOST_UNPACKED_BYTES or len(entries) > MOST_ENTRIES:
        raise Unreadable(
            f"Unpacked, the file has {unpacked:,} bytes in {len(entries):,} parts; allowed are"
            f" {MOST_UNPACKED_BYTES:,} in {MOST_ENTRIES:,}.",
            reason="oversized",
        )


def _walk(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> None:
    is_xml = entry.filename.lower().endswith((".xml", ".rels", ".vml"))
    tail = b""
    with archive.open(entry) as part:
        while step := part.read(_STEP_BYTES):
            if is_xml and any(declaration in tail + step for declaration in _DECLARATIONS):
                raise Unreadable("The file declares entities of XML, as no Office program does.", reason="malformed")
            tail = step[-32:]
