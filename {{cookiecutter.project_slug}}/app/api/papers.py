"""What a sender says of a file, made harmless: its name is a name, its type a type, and neither is believed.

The reader goes by the content: docs/reference/formats.md. No route gives the file itself back.
"""

import re
import unicodedata

from fastapi import UploadFile

LONGEST = 150
_TYPE = re.compile(r"[A-Za-z0-9][\w.+-]{0,100}/[A-Za-z0-9][\w.+-]{0,100}", re.ASCII)
# Control characters, and those that turn the direction of text: `report[turn]fdp.exe` would read as a PDF.
_UNSEEN = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")


def filename_of(file: UploadFile) -> str:
    """Give the last part of the name, without what people do not see; the end with the suffix is kept."""
    plain = unicodedata.normalize("NFC", file.filename or "").replace("\\", "/").rsplit("/", 1)[-1]
    shown = "".join(letter for letter in plain if unicodedata.category(letter) not in _UNSEEN).strip()
    return "document" if shown.strip(".") == "" else shown[-LONGEST:]


def media_type_of(file: UploadFile) -> str:
    """Give the type without its parameters, or the one that says nothing."""
    said = (file.content_type or "").partition(";")[0].strip()
    return said.lower() if _TYPE.fullmatch(said) else "application/octet-stream"
