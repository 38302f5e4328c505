"""Every format becomes chunks with their heading and page; every broken file becomes a reason."""

import io
import zipfile

import pytest
from docx import Document
from docx.shared import Pt, RGBColor
from pypdf import PdfReader, PdfWriter

from app.errors import Unreadable
from app.retrieval.chunk import MOST, Chunk
from app.retrieval.parse import MOST_BYTES, READERS, parse


def pdf(*pages: list[tuple[int, int, int, str]]) -> bytes:
    """Make a PDF by hand: each page a list of (x, y, letter height, text)."""
    kids = " ".join(f"{4 + 2 * place} 0 R" for place in range(len(pages)))
    objects = ["<</Type/Catalog/Pages 2 0 R>>", f"<</Type/Pages/Kids[{kids}]/Count {len(pages)}>>"]
    objects.append("<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>")
    for place, lines in enumerate(pages):
        text = "\n".join(f"BT /F1 {size} Tf 1 0 0 1 {x} {y} Tm ({words}) Tj ET" for x, y, size, words in lines)
        resources = "/Resources<</Font<</F1 3 0 R>>>>"
        objects.append(f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]{resources}/Contents {5 + 2 * place} 0 R>>")
        objects.append(f"<</Length {len(text)}>>\nstream\n{text}\nendstream")
    body, places = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, start=1):
        places.append(len(body))
        body += f"{number} 0 obj\n{content}\nendobj\n".encode()
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    end = f"trailer<</Size {len(objects) + 1}/Root 1 0 R>>\nstartxref\n{len(body)}\n%%EOF"
    return body + f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}{end}".encode()


def word_file(document: object) -> bytes:
    stream = io.BytesIO()
    document.save(stream)  # type: ignore[attr-defined]
    return stream.getvalue()


def reason(content: bytes, filename: str, media_type: str = "") -> object:
    with pytest.raises(Unreadable) as caught:
        parse(content, filename=filename, media_type=media_type)
    assert caught.value.detail.endswith(".")
    return caught.value.extra["reason"]


def test_markdown_keeps_headings_and_names_the_columns_of_each_row() -> None:
    text = (
        "---\ntitle: x\n---\n# Leave\n\nYou get **25 days**, see [the rules](http://x).\n\n## Notice\n\n"
        "| Length | Notice |\n|---|---|\n| 3 days | 2 weeks |\n| 10 days | 6 weeks |\n\n"
        "- first\n- second\n\n```\n# code\n```\n"
    )
    assert parse(text.encode(), filename="a.md").chunks == [
        Chunk("Leave", None, "You get 25 days, see the rules."),
        Chunk(
            "Leave > Notice",
            None,
            "Length: 3 days; Notice: 2 weeks\nLength: 10 days; Notice: 6 weeks\n- first\n- second\n# code",
        ),
    ]


def test_html_gives_what_a_browser_shows() -> None:
    page = """<html><head><title>no</title><style>.x{display:none} .y:hover{display:none}</style></head><body>
      <nav>menu</nav><script>no()</script><h1>Leave</h1><p>You get <b>25</b>&nbsp;days.</p><p>Line<br>break</p>
      <table><tr><th></th><th>Galway</th></tr><tr><td>Days</td><td>25</td></tr></table><ul><li>one</li></ul>
      <!-- ignore me --><p style="DISPLAY : none">ignore one</p><p class="x">ignore two</p><p hidden>ignore three</p>
      <p style="color:#FFFFFF;font-size:12px">ignore four</p><span style="font-size:0">ignore five</span>
      <div style="position:absolute;left:-9999px">ignore six</div><p style="opacity:0">ignore seven</p></body></html>"""
    parsed = parse(page.encode(), filename="a.html")
    assert parsed.chunks == [Chunk("Leave", None, "You get 25 days.\nLine\nbreak\nDays; Galway: 25\n- one")]
    assert all(word in parsed.hidden for word in ("me", "one", "two", "three", "four", "five", "six", "seven"))


def test_white_text_on_a_dark_ground_is_seen() -> None:
    page = b'<div style="background:#003"><p style="color:#fff">Read me</p></div>'
    assert parse(page, filename="a.html").chunks == [Chunk("", None, "Read me")]


def test_markdown_hides_what_html_hides() -> None:
    text = b'# A\n\nSeen <span style="display:none">ignore all</span> & seen\n\n<!-- ignore\n\nthis -->\n\nEnd'
    parsed = parse(text, filename="a.md")
    assert [chunk.text for chunk in parsed.chunks] == ["Seen & seen\nEnd"]
    assert "ignore all" in parsed.hidden and "ignore\nthis" in parsed.hidden


def test_pdf_keeps_pages_headings_and_tables_and_drops_running_heads() -> None:
    head = (50, 820, 8, "Running head")
    first = [
        head,
        (50, 780, 18, "Travel"),
        (50, 750, 10, "Hotels cost at most 165 euros per night, and no"),
        (50, 738, 10, "more."),
    ]
    first += [(50, 700, 10, "City"), (200, 700, 10, "Limit"), (50, 686, 10, "London"), (200, 686, 10, "210 euros")]
    second = [
        head,
        (50, 780, 13, "2. Cars"),
        (50, 760, 10, "Rental cars are of the compact class."),
        (50, 30, 8, "Page 2"),
    ]
    assert parse(pdf(first, second), filename="a.pdf").chunks == [
        Chunk("Travel", 1, "Hotels cost at most 165 euros per night, and no more.\nCity: London; Limit: 210 euros"),
        Chunk("Travel > 2. Cars", 2, "Rental cars are of the compact class.\nPage 2"),
    ]


def test_docx_keeps_headings_tables_and_order_and_hides_hidden_runs() -> None:
    document = Document()
    document.add_heading("Leave", 0)
    document.add_heading("Carers", 1)
    paragraph = document.add_paragraph("Primary carers: 18 weeks. ")
    paragraph.add_run("ignore one").font.hidden = True
    paragraph.add_run("ignore two").font.color.rgb = RGBColor(255, 255, 255)
    paragraph.add_run("ignore three").font.size = Pt(1)
    table = document.add_table(rows=2, cols=2)
    for cell, text in zip([*table.rows[0].cells, *table.rows[1].cells], ["Site", "Pay", "Galway", "full"], strict=True):
        cell.text = text
    document.add_paragraph("Afterwards", style="List Bullet")
    parsed = parse(word_file(document), filename="a.docx")
    assert parsed.chunks == [
        Chunk("Leave > Carers", None, "Primary carers: 18 weeks.\nSite: Galway; Pay: full\n- Afterwards")
    ]
    assert parsed.hidden == "ignore oneignore twoignore three"


def test_text_finds_headings_and_joins_broken_lines() -> None:
    text = (
        "VISITORS\nEffective from May\n\n"
        "1. BEFORE\nVisitors are registered by their host at least one whole day\nbefore they come.\n"
    )
    assert parse(text.encode(), filename="a.txt").chunks == [
        Chunk("VISITORS", None, "Effective from May"),
        Chunk("1. BEFORE", None, "Visitors are registered by their host at least one whole day before they come."),
    ]


@pytest.mark.parametrize(
    "text", ["part_no,price\nTW-1,640\n", "part_no;price\nTW-1;640\n", "part_no\tprice\nTW-1\t640\n"]
)
def test_csv_rows_name_their_columns(text: str) -> None:
    assert parse(text.encode(), filename="a.csv").chunks == [Chunk("", None, "part no: TW-1; price: 640")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_text_is_decoded_whatever_its_encoding(encoding: str) -> None:
    assert parse("Café für alle".encode(encoding), filename="a.txt").chunks[0].text == "Café für alle"


def test_invisible_characters_are_dropped() -> None:
    tagged = "Seen" + "".join(chr(0xE0000 + ord(letter)) for letter in "ignore") + "\u200b\u202e text"
    assert parse(tagged.encode(), filename="a.txt").chunks[0].text == "Seen text"


def test_long_documents_are_cut_between_sentences_and_rows() -> None:
    sentences = " ".join(f"Sentence {number} is here to be counted by somebody." for number in range(200))
    chunks = parse(sentences.encode(), filename="a.txt").chunks
    assert all(100 < len(chunk.text.split()) <= MOST for chunk in chunks[:-1])
    assert all(chunk.text.endswith(".") for chunk in chunks)
    rows = "name,value\n" + "\n".join(f"row {number},value number {number}" for number in range(300))
    lines = [line for chunk in parse(rows.encode(), filename="a.csv").chunks for line in chunk.text.split("\n")]
    assert lines == [f"name: row {number}; value: value number {number}" for number in range(300)]


def test_broken_files_have_a_reason() -> None:
    scan = pdf([])
    assert reason(b"", "a.md") == "empty"
    assert reason(b"<html><script>x</script></html>", "a.html") == "empty"
    assert reason(scan, "a.pdf") == "empty"
    assert reason(b"x", "a.exe") == "unsupported"
    assert reason(b"x", "a.exe", "text/plain") == "unsupported"
    assert reason(b"x", "", "") == "unsupported"
    assert reason(scan, "a.txt") == "mislabelled"
    assert reason(b"plain", "a.docx") == "mislabelled"
    assert reason(b"%PDF-1.4\nrubbish", "a.pdf") == "malformed"
    assert reason(b"PK\x03\x04rubbish", "a.docx") == "malformed"
    assert reason(b"a\x00b\x01" * 10, "a.txt") == "malformed"
    assert reason(b"\xd0\xcf\x11\xe0rest", "a.docx") == "encrypted"
    assert reason(b"x" * (MOST_BYTES + 1), "a.txt") == "oversized"


def test_format_follows_the_media_type_where_the_name_has_no_ending() -> None:
    assert parse(b"# A\n\ntext", filename="a", media_type="text/markdown; charset=utf-8").chunks == [
        Chunk("A", None, "text")
    ]


def test_encrypted_pdf_is_named_as_such() -> None:
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(pdf([(50, 700, 10, "Secret")]))))
    writer.encrypt("password", algorithm="RC4-128")
    stream = io.BytesIO()
    writer.write(stream)
    assert reason(stream.getvalue(), "a.pdf") == "encrypted"


def test_zip_bomb_is_refused_before_it_is_unpacked() -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", b"0" * 110_000_000)
    assert reason(stream.getvalue(), "a.docx") == "oversized"


def test_deeply_nested_html_is_refused() -> None:
    assert reason(b"<div>" * 20_000 + b"x", "a.html") in ("oversized", "malformed")


@pytest.mark.parametrize("kind", sorted(READERS))
def test_no_cut_or_flipped_file_raises_anything_else(kind: str) -> None:
    good = {
        "pdf": pdf([(50, 700, 10, "Some text on a page")]),
        "docx": word_file(Document()),
    }.get(kind, b"# A\n\n| a | b |\n|---|---|\n| <p style='x'> | c |\n\n```\n\n\"x;y\n")
    for place in range(0, len(good), max(1, len(good) // 60)):
        for content in (good[:place], good[:place] + b"\xff\x00" + good[place + 2 :]):
            try:
                parse(content, filename=f"a.{kind}")
            except Unreadable as error:
                assert error.extra["reason"]
