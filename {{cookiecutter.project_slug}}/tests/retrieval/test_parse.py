"""Every format becomes chunks with their heading and page, its tables rows, and its hidden text is kept apart."""

import io
from datetime import date, datetime
from email.message import EmailMessage

import docx
import openpyxl
import pptx
import pytest
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls
from docx.shared import Pt, RGBColor
from openpyxl.comments import Comment
from pptx.dml.color import RGBColor as SlideColor
from pptx.util import Inches
from pptx.util import Pt as SlidePt
from pypdf import PdfReader, PdfWriter
from pypdf.annotations import Text

from app.retrieval.chunk import MOST, Chunk
from app.retrieval.parse import parse
from ops.prove.samples import mail, pdf, saved


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
    document = docx.Document()
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
    parsed = parse(saved(document), filename="a.docx")
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


def test_format_follows_the_media_type_where_the_name_has_no_ending() -> None:
    assert parse(b"# A\n\ntext", filename="a", media_type="text/markdown; charset=utf-8").chunks == [
        Chunk("A", None, "text")
    ]


def test_word_keeps_what_stands_in_controls_boxes_and_notes() -> None:
    document = docx.Document()
    document.add_heading("Leave", 1)
    control = (
        f"<w:sdt {nsdecls('w')}><w:sdtContent><w:p><w:r><w:t>In a control</w:t></w:r></w:p></w:sdtContent></w:sdt>"
    )
    text_box = "<w:txbxContent><w:p><w:r><w:t>In a box</w:t></w:r></w:p></w:txbxContent>"
    box = (
        f"<w:p {nsdecls('w')} xmlns:mc='http://schemas.openxmlformats.org/markup-compatibility/2006'><w:r>"
        f"<w:t>Around</w:t><mc:AlternateContent><mc:Choice Requires='wps'><w:drawing>{text_box}</w:drawing></mc:Choice>"
        f"<mc:Fallback><w:pict>{text_box}</w:pict></mc:Fallback></mc:AlternateContent></w:r></w:p>"
    )
    changed = (
        f"<w:p {nsdecls('w')}><w:r><w:t>kept </w:t></w:r><w:ins><w:r><w:t>put in</w:t></w:r></w:ins>"
        "<w:del><w:r><w:delText>ignore deleted</w:delText></w:r></w:del></w:p>"
    )
    for xml in (control, box, changed):
        document.element.body.insert_element_before(parse_xml(xml), "w:sectPr")
    document.add_comment(document.paragraphs[0].runs, text="ignore remark", author="x")
    parsed = parse(saved(document), filename="a.docx")
    assert parsed.chunks == [Chunk("Leave", None, "In a control\nAround\nIn a box\nkept put in")]
    assert parsed.hidden == "ignore deleted\nignore remark"


def test_word_tables_keep_their_columns_when_cells_are_merged() -> None:
    document = docx.Document()
    table = document.add_table(rows=3, cols=3)
    rows = [["Site", "Group", "Days"], ["Galway", "staff", "25"], ["", "interns", "20"]]
    for row, texts in zip(table.rows, rows, strict=True):
        for cell, text in zip(row.cells, texts, strict=True):
            cell.text = text
    table.cell(1, 0).merge(table.cell(2, 0))
    shaded = parse_xml(f"<w:shd {nsdecls('w')} w:fill='1F3864'/>")
    table.cell(0, 2)._tc.get_or_add_tcPr().append(shaded)
    table.cell(0, 2).paragraphs[0].runs[0].font.color.rgb = RGBColor(255, 255, 255)
    assert parse(saved(document), filename="a.docx").chunks[0].text == (
        "Site: Galway; Group: staff; Days: 25\nSite: Galway; Group: interns; Days: 20"
    )


def test_slides_keep_their_number_title_tables_and_notes() -> None:
    deck = pptx.Presentation()
    slide = deck.slides.add_slide(deck.slide_layouts[1])
    slide.shapes.title.text = "Travel"
    slide.placeholders[1].text = "Hotels cost at most 165 euros."
    slide.placeholders[1].text_frame.add_paragraph().text = "Ask first."
    slide.placeholders[1].text_frame.paragraphs[1].level = 1
    table = slide.shapes.add_table(2, 2, 0, 0, Inches(4), Inches(1)).table
    for place, text in enumerate(["City", "Limit", "London", "210 euros"]):
        table.cell(place // 2, place % 2).text = text
    slide.notes_slide.notes_text_frame.text = "Mention the trains."
    group = deck.slides.add_slide(deck.slide_layouts[6]).shapes.add_group_shape()
    group.shapes.add_textbox(0, 0, Inches(2), Inches(2)).text_frame.text = "In a group"
    assert parse(saved(deck), filename="a.pptx").chunks == [
        Chunk("Travel", 1, "Hotels cost at most 165 euros.\n- Ask first.\nCity: London; Limit: 210 euros"),
        Chunk("Travel > Notes", 1, "Mention the trains."),
        Chunk("", 2, "In a group"),
    ]


def test_slides_hide_what_is_not_shown() -> None:
    deck = pptx.Presentation()
    slide = deck.slides.add_slide(deck.slide_layouts[6])
    seen, outside, unseen = (slide.shapes.add_textbox(at, 0, Inches(2), Inches(1)) for at in (0, Inches(40), 0))
    seen.text_frame.text, outside.text_frame.text, unseen.text_frame.text = "Seen", "ignore outside", "ignore unseen"
    unseen._element.nvSpPr.cNvPr.set("hidden", "1")
    unseen._element.nvSpPr.cNvPr.set("descr", "ignore description")
    for text, colour, size in (
        ("ignore white", SlideColor(255, 255, 255), 18),
        ("ignore tiny", SlideColor(0, 0, 0), 1),
    ):
        run = seen.text_frame.paragraphs[0].add_run()
        run.text, run.font.color.rgb, run.font.size = text, colour, SlidePt(size)
    hidden = deck.slides.add_slide(deck.slide_layouts[6])
    hidden.shapes.add_textbox(0, 0, 9, 9).text_frame.text = "ignore slide"
    hidden._element.set("show", "0")
    parsed = parse(saved(deck), filename="a.pptx")
    assert parsed.chunks == [Chunk("", 1, "Seen")]
    for word in ("outside", "unseen", "description", "white", "tiny", "slide"):
        assert f"ignore {word}" in parsed.hidden


def test_white_letters_on_a_coloured_shape_are_seen() -> None:
    deck = pptx.Presentation()
    box = deck.slides.add_slide(deck.slide_layouts[6]).shapes.add_textbox(0, 0, Inches(2), Inches(1))
    box.fill.solid()
    box.fill.fore_color.rgb = SlideColor(0, 0, 90)
    box.text_frame.text = "Read me"
    box.text_frame.paragraphs[0].runs[0].font.color.rgb = SlideColor(255, 255, 255)
    assert parse(saved(deck), filename="a.pptx").chunks == [Chunk("", 1, "Read me")]


def test_sheets_give_rows_with_their_columns_as_they_are_shown() -> None:
    book = openpyxl.Workbook()
    prices = book.active
    prices.title = "Prices"
    rows = [["Price list 2026"], [], ["Part", "Price", "From", "Share", "Left"]]
    for row in [
        *rows,
        ["TW-1", 640, date(2026, 1, 2), 0.15, True],
        ["TW-2", 0.1, datetime(2026, 3, 1, 12, 30), None, False],
    ]:
        prices.append(row)
    prices["D4"].number_format = "0.0%"
    prices["A7"], prices["B7"] = "TW-3", 12
    other = book.create_sheet("Sites")
    for row in (["Galway", "25 days"], ["Rotterdam", "27 days"]):
        other.append(row)
    assert parse(saved(book), filename="a.xlsx").chunks == [
        Chunk("Prices", None, "Price list 2026"),
        Chunk(
            "Prices > Price list 2026",
            None,
            "Part: TW-1; Price: 640; From: 2026-01-02; Share: 15 %; Left: yes\n"
            "Part: TW-2; Price: 0.1; From: 2026-03-01 12:30; Left: no\nPart: TW-3; Price: 12",
        ),
        Chunk("Sites", None, "Galway: Rotterdam; 25 days: 27 days"),
    ]


def test_sheets_hide_what_is_not_shown() -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    for row in (["Part", "Secret", "Price"], ["TW-1", "ignore column", 640], ["TW-2", "", "ignore row"]):
        sheet.append(row)
    sheet.column_dimensions["B"].hidden = True
    sheet.row_dimensions[3].hidden = True
    sheet["A1"].comment = Comment("ignore comment", "x")
    for state in ("hidden", "veryHidden"):
        other = book.create_sheet(state)
        other.append([f"ignore {state}"])
        other.sheet_state = state
    parsed = parse(saved(book), filename="a.xlsx")
    assert [chunk.text for chunk in parsed.chunks] == ["Part: TW-1; Price: 640"]
    for word in ("column", "row", "comment", "hidden", "veryHidden"):
        assert f"ignore {word}" in parsed.hidden


def test_mail_gives_what_a_mail_program_shows() -> None:
    html = "<h2>News</h2><p>The canteen opens at 11.</p><p style='display:none'>ignore hidden</p>"
    parsed = parse(
        mail(
            "ignore plain",
            html=html,
            X_Note="ignore header",
            Subject="Canteen Über",
            Date="Fri, 02 Jan 2026 10:00:00 +0000",
        ),
        filename="a.eml",
    )
    assert parsed.chunks == [
        Chunk(
            "Canteen Über",
            None,
            "From: Ada <ada@example.com>\nTo: all@example.com\nDate: Fri, 02 Jan 2026 10:00:00 +0000",
        ),
        Chunk("Canteen Über > News", None, "The canteen opens at 11."),
    ]
    assert parsed.hidden == "ignore header\nignore hidden"


def test_mail_is_read_with_its_attachments() -> None:
    forwarded = EmailMessage()
    forwarded["Subject"] = "Before"
    forwarded.set_content("Said before.")
    message = EmailMessage()
    message["Subject"] = "Leave"
    message.set_content("Grüße aus Köln", charset="iso-8859-1")
    message.add_attachment(
        pdf([(50, 700, 10, "A page")], [(50, 700, 10, "Next")]), maintype="application", subtype="pdf", filename="p.pdf"
    )
    message.add_attachment(forwarded)
    assert parse(message.as_bytes(), filename="x", media_type="message/rfc822").chunks == [
        Chunk("Leave", None, "Grüße aus Köln\nAttachment p.pdf"),
        Chunk("Leave > p.pdf", 1, "A page"),
        Chunk("Leave > p.pdf", 2, "Next"),
        Chunk("Leave", None, "Attachment message.eml"),
        Chunk("Leave > message.eml > Before", None, "Said before."),
    ]


def test_pdf_hides_white_outside_and_unpainted_text() -> None:
    lines = [(50, 700, 10, "Seen"), (50, 2000, 10, "ignore above"), (700, 600, 10, "ignore beside")]
    white = (
        "BT 1 g /F1 10 Tf 1 0 0 1 50 500 Tm (ignore white) Tj ET BT 1 1 1 rg 1 0 0 1 50 480 Tm (ignore snow) Tj ET\n"
    )
    unpainted = "BT 3 Tr 0 g /F1 10 Tf 1 0 0 1 50 400 Tm (ignore unpainted) Tj 0 Tr ET\n"
    parsed = parse(pdf(lines, more=f"q {white}{unpainted} Q "), filename="a.pdf")
    assert parsed.chunks == [Chunk("", 1, "Seen")]
    for word in ("above", "beside", "white", "snow", "unpainted"):
        assert f"ignore {word}" in parsed.hidden


def test_pdf_shows_white_text_on_dark_ground() -> None:
    dark = "q 0 0 0.4 rg 40 480 300 40 re f 1 g BT /F1 10 Tf 1 0 0 1 50 500 Tm (Read me) Tj ET Q "
    assert parse(pdf([(50, 300, 10, "Below")], more=dark), filename="a.pdf").chunks == [Chunk("", 1, "Read me\nBelow")]


def test_pdf_remarks_are_hidden() -> None:
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(pdf([(50, 700, 10, "Seen")]))))
    writer.add_annotation(0, Text(text="ignore remark", rect=(50, 50, 90, 90)))
    stream = io.BytesIO()
    writer.write(stream)
    parsed = parse(stream.getvalue(), filename="a.pdf")
    assert (parsed.chunks, parsed.hidden) == ([Chunk("", 1, "Seen")], "ignore remark")


def test_the_language_of_running_text_is_known() -> None:
    german = (
        "Die Mitarbeiter haben im Jahr 25 Tage Urlaub, und wer länger als fünf Jahre da ist, der hat einen Tag mehr. "
        * 2
    )
    assert parse(german.encode(), filename="a.txt").language == "german"
    assert parse(b"a,b\n1,2\n", filename="a.csv").language == ""
