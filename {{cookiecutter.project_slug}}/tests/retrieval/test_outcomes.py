"""Every format times every way of being bad: each file, made here, ends in the reason that says what it is."""

import io
import random
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping

import docx
import openpyxl
import pptx
import pytest
from pypdf import PdfReader, PdfWriter

from app.errors import Unreadable
from app.retrieval import archive, parse_mail, parse_pdf, parse_pptx, parse_xlsx
from app.retrieval import parse as reading_of
from app.retrieval.parse import MOST_BYTES, READERS, parse
from ops.prove.samples import KNOWN, broken, good, mail, pdf, pdf_of, png, repacked, saved

OFFICE = {"docx": "word/document.xml", "pptx": "ppt/presentation.xml", "xlsx": "xl/workbook.xml"}
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)


def reason(content: bytes, kind: str) -> object:
    with pytest.raises(Unreadable) as caught:
        parse(content, filename=f"a.{kind}")
    assert caught.value.detail.endswith("."), caught.value.detail
    assert caught.value.extra["reason"] in Unreadable.REASONS
    return caught.value.extra["reason"]


def all_text(content: bytes, kind: str) -> str:
    return "\n".join(f"{chunk.heading}\n{chunk.text}" for chunk in parse(content, filename=f"a.{kind}").chunks)


def zipped(parts: Mapping[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in parts.items():
            packed.writestr(name, content)
    return stream.getvalue()


def locked_pdf(algorithm: str) -> bytes:
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(good()["pdf"])))
    writer.encrypt("password", algorithm=algorithm)
    stream = io.BytesIO()
    writer.write(stream)
    return stream.getvalue()


def locked_entry(kind: str) -> bytes:
    """Set the bit that says `encrypted` on every entry."""
    content = bytearray(good()[kind])
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = content.find(mark)
        while start >= 0:
            content[start + place] |= 1
            start = content.find(mark, start + 4)
    return bytes(content)


def pdf_with(stream: bytes, filters: str, *, picture: bool = False) -> bytes:
    kind = "/Type/XObject/Subtype/Image/Width 1/Height 1/ColorSpace/DeviceGray/BitsPerComponent 8" if picture else ""
    coded = b"<<%s/Filter[%s]/Length %d>>\nstream\n%s\nendstream" % (
        kind.encode(),
        filters.encode(),
        len(stream),
        stream,
    )
    contents = b"<</Length 30>>\nstream\nq 500 0 0 800 0 0 cm /P Do Q\nendstream" if picture else coded
    page = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<</XObject<</P 5 0 R>>>>>>"
    return pdf_of([b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[3 0 R]/Count 1>>", page, contents, coded])


def pictures(kind: str) -> bytes:
    if kind == "pdf":
        return pdf_with(zlib.compress(b"\x00"), "/FlateDecode", picture=True)
    made = docx.Document() if kind == "docx" else pptx.Presentation()
    if kind == "docx":
        made.add_picture(io.BytesIO(png()))
    else:
        made.slides.add_slide(made.slide_layouts[6]).shapes.add_picture(io.BytesIO(png()), 0, 0)
    return saved(made)


def wordless(kind: str) -> bytes:
    return {
        "md": b"<!-- only a comment -->",
        "html": b"<html><script>x</script></html>",
        "pdf": pdf([]),
        "docx": saved(docx.Document()),
        "pptx": saved(pptx.Presentation()),
        "xlsx": saved(openpyxl.Workbook()),
        "eml": b"Subject:\r\nMessage-ID: <a@b>\r\n\r\n",
        "txt": "\u200b\u200b\u202e".encode(),
        "csv": b",,,\n,,,\n",
    }[kind]


def laughing(encoding: str) -> bytes:
    steps = "".join(f'<!ENTITY l{step} "{f"&l{step - 1};" * 10}">' for step in range(1, 10))
    text = f'<?xml version="1.0" encoding="{encoding}"?><!DOCTYPE d [<!ENTITY l0 "ha">{steps}]><d>&l9;</d>'
    return text.encode(encoding)


CASES: dict[str, dict[str, Callable[[str], bytes]]] = {
    "empty": {kind: lambda kind: b"\x00 \n" for kind in READERS},
    "empty, no words": dict.fromkeys(READERS, wordless),
    "oversized": {kind: lambda kind: good()[kind] + bytes(MOST_BYTES) for kind in READERS},
    "mislabelled, a picture": {kind: lambda kind: png() for kind in READERS},
    "mislabelled, a program": {kind: lambda kind: b"\x7fELF" + bytes(99) for kind in READERS},
    "mislabelled, a PDF": {kind: lambda kind: good()["pdf"] for kind in READERS if kind != "pdf"},
    "mislabelled, another Office file": {kind: lambda kind: good()["docx"] for kind in READERS if kind != "docx"},
    "mislabelled, plain text": {kind: lambda kind: good()["txt"] for kind in ("pdf", "eml", *OFFICE)},
    "mislabelled, any archive": {kind: lambda kind: zipped({"a.txt": b"x"}) for kind in READERS},
    "unsupported": {kind: lambda kind: OLE for kind in OFFICE},
    "encrypted": {
        "pdf": lambda kind: locked_pdf("RC4-128"),
        **{kind: lambda kind: OLE + "EncryptedPackage".encode("utf-16-le") for kind in OFFICE},
    },
    "encrypted, newest": {"pdf": lambda kind: locked_pdf("AES-256"), **dict.fromkeys(OFFICE, locked_entry)},
    "scanned": dict.fromkeys(("pdf", "docx", "pptx"), pictures),
    "bomb": {
        "pdf": lambda kind: pdf_with(zlib.compress(zlib.compress(bytes(120_000_000))), "/FlateDecode/FlateDecode"),
        **{kind: lambda kind: repacked(good()[kind], {OFFICE[kind]: bytes(105_000_000)}) for kind in OFFICE},
    },
    "malformed, rubbish": {
        "pdf": lambda kind: b"%PDF-1.4\nrubbish",
        **{kind: lambda kind: b"PK\x03\x04rubbish" for kind in OFFICE},
        **{kind: lambda kind: b"a\x00b\x01" * 10 for kind in ("md", "html", "txt", "csv")},
    },
    "malformed, cut": {kind: lambda kind: good()[kind][: len(good()[kind]) // 2] for kind in OFFICE},
    "malformed, entities": {
        kind: lambda kind: repacked(good()[kind], {OFFICE[kind]: laughing("utf-8")}) for kind in OFFICE
    },
    "malformed, entities in other letters": {
        kind: lambda kind: repacked(good()[kind], {OFFICE[kind]: laughing("utf-16")}) for kind in OFFICE
    },
    "malformed, nested": {
        kind: lambda kind: repacked(good()[kind], {OFFICE[kind]: b"<a>" * 100_000 + b"</a>" * 100_000})
        for kind in OFFICE
    },
    "malformed, parts missing": {kind: lambda kind: zipped({OFFICE[kind]: b"<a/>"}) for kind in OFFICE},
}


@pytest.mark.proves("INT-4", "REL-10")
@pytest.mark.parametrize(
    ("fault", "kind"), [(fault, kind) for fault, makers in CASES.items() for kind in makers], ids=str
)
def test_a_bad_file_has_the_reason_it_deserves(fault: str, kind: str) -> None:
    assert reason(CASES[fault][kind](kind), kind) == fault.partition(",")[0]


def test_every_format_has_a_good_file_that_is_read() -> None:
    assert good().keys() == READERS.keys()
    assert all(KNOWN in all_text(content, kind) for kind, content in good().items())


@pytest.mark.parametrize(
    ("name", "cure"),
    [
        ("a.doc", "Save it as .docx or .pdf."),
        ("a.msg", "Save the message as .eml."),
        ("a.jpeg", "text recognition"),
        ("a.zip", "one by one"),
        ("a.exe", "Allowed: .md"),
        ("", "Allowed"),
    ],
)
def test_other_formats_are_named_with_what_can_be_done(name: str, cure: str) -> None:
    with pytest.raises(Unreadable) as caught:
        parse(b"x", filename=name, media_type="text/plain" if name else "")
    assert caught.value.extra["reason"] == "unsupported" and cure in caught.value.detail


def test_too_much_of_anything_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parse_pdf, "MOST_PAGES", 1)
    monkeypatch.setattr(parse_pptx, "MOST_SLIDES", 1)
    monkeypatch.setattr(parse_xlsx, "MOST_CELLS", 5)
    monkeypatch.setattr(parse_mail, "MOST_PARTS", 3)
    assert [reason(good()[kind], kind) for kind in ("pdf", "pptx", "xlsx", "eml")] == ["oversized"] * 4
    monkeypatch.setattr(parse_xlsx, "MOST_SHEETS", 1)
    assert reason(good()["xlsx"], "xlsx") == "oversized"
    monkeypatch.setattr(archive, "MOST_ENTRIES", 5)
    assert [reason(good()[kind], kind) for kind in OFFICE] == ["oversized"] * 3


@pytest.mark.parametrize("kind", ["txt", "md", "html", "csv", "eml"])
def test_more_characters_than_allowed_are_refused(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading_of, "MOST_CHARACTERS", 1000)
    head = {"eml": b"Subject: x\n\n", "csv": b"a,b\n"}.get(kind, b"")
    assert reason(head + b"words, words\n\n" * 100, kind) == "oversized"


def test_a_size_that_lies_is_found_before_it_is_believed() -> None:
    content = bytearray(repacked(good()["docx"], {"word/document.xml": bytes(90_000_000)}))
    for size in ((90_000_000).to_bytes(4, "little"),):
        start = content.find(size)
        while start >= 0:
            content[start : start + 4] = (1000).to_bytes(4, "little")
            start = content.find(size, start + 4)
    assert reason(bytes(content), "docx") == "malformed"


def test_archives_inside_are_never_unpacked() -> None:
    bomb = repacked(good()["xlsx"], {"xl/workbook.xml": bytes(105_000_000)})
    found = all_text(repacked(good()["docx"], {"word/embeddings/sheet.xlsx": bomb}), "docx")
    assert KNOWN in found


def test_a_cell_at_the_end_of_the_sheet_costs_nothing() -> None:
    book = openpyxl.Workbook()
    book.active["A1"], book.active["XFD1048576"] = "first", "last"
    book.active.merge_cells("B2:C3")
    sheet = saved(book)
    with zipfile.ZipFile(io.BytesIO(sheet)) as packed:
        xml = packed.read("xl/worksheets/sheet1.xml").replace(b"B2:C3", b"A1:XFD1048576")
    assert all_text(repacked(sheet, {"xl/worksheets/sheet1.xml": xml}), "xlsx").split() == ["Sheet", "first", "last"]


def test_files_of_this_machine_are_not_brought_in() -> None:
    outside = b'<?xml version="1.0"?><!DOCTYPE d [<!ENTITY e SYSTEM "file:///etc/passwd">]><d>&e;</d>'
    assert reason(repacked(good()["docx"], {"word/document.xml": outside}), "docx") == "malformed"
    relations = (
        b'<Relationships><Relationship Id="x" Type="a/officeDocument" Target="../../../etc/passwd"/></Relationships>'
    )
    assert reason(repacked(good()["docx"], {"_rels/.rels": relations}), "docx") == "malformed"


def test_a_bad_attachment_is_named_and_the_rest_is_read() -> None:
    bomb = repacked(good()["docx"], {"word/document.xml": bytes(105_000_000)})
    inner = mail("the innermost words", Subject="3")
    for number in (2, 1):
        inner = mail(f"level {number}", attached={"message.eml": inner}, Subject=str(number))
    names = {"bomb.docx": bomb, "locked.pdf": locked_pdf("RC4-128"), "run.exe": b"MZ", "deep.eml": inner}
    found = all_text(mail("the outer words", attached={**names, "leave.csv": good()["csv"]}), "eml")
    assert "the outer words" in found and "Site: Galway; Leave: 25 days" in found
    assert "Attachment bomb.docx, not read: The file is made to fill the memory" in found
    assert "Attachment locked.pdf, not read: The PDF is protected by a password." in found
    assert "Attachment run.exe, not read: This format is not read" in found
    assert "level 2" in found and "Messages are nested too deeply." in found and "innermost" not in found


def test_messages_inside_each_other_do_not_go_on_for_ever() -> None:
    deep = b"Subject: x\n" + b"".join(
        b"Content-Type: multipart/mixed; boundary=%d\n\n--%d\n" % (level, level) for level in range(3000)
    )
    assert reason(deep + b"\nwords", "eml") == "oversized"
    many = mail(attached={f"{number}.txt": b"words" for number in range(60)})
    assert "10 more attachments are not read." in all_text(many, "eml")


def test_deeply_nested_html_is_refused() -> None:
    assert reason(b"<div>" * 20_000 + b"x", "html") in ("oversized", "malformed")


def mutations(kind: str, count: int) -> Iterator[bytes]:
    chance = random.Random(f"{kind} 4")
    yield from (broken(good()[kind], chance) for _ in range(count))


@pytest.mark.proves("INT-4")
@pytest.mark.parametrize("kind", sorted(READERS))
def test_no_broken_file_raises_anything_else(kind: str) -> None:
    reasons = set()
    for content in mutations(kind, 30):
        try:
            parse(content, filename=f"a.{kind}")
        except Unreadable as error:
            reasons.add(error.extra["reason"])
    assert reasons <= set(Unreadable.REASONS)
