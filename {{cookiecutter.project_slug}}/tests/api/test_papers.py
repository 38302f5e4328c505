"""What a sender says of a file is made harmless, and the file is read for what it is."""

from uuid import UUID, uuid4

import pytest
from fastapi import UploadFile
from starlette.datastructures import Headers

from app.api.papers import filename_of, media_type_of
from app.wiring.service import Service


def sent(name: str, media_type: str = "") -> UploadFile:
    return UploadFile(file=None, filename=name, headers=Headers({"content-type": media_type} if media_type else {}))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\sam\\plan.docx", "plan.docx"),
        ("report\u202efdp.exe", "reportfdp.exe"),
        ("a\r\nSet-Cookie: b.pdf", "aSet-Cookie: b.pdf"),
        ("nu\x00ll.pdf", "null.pdf"),
        ("..", "document"),
        ("/", "document"),
        ("", "document"),
        ("\u200b\ufeff", "document"),
        ("x" * 500 + ".pdf", "x" * 146 + ".pdf"),
        ("Zürich – Übersicht.pdf", "Zürich – Übersicht.pdf"),
    ],
)
def test_a_name_is_a_name(name: str, kept: str) -> None:
    assert filename_of(sent(name)) == kept


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("text/HTML; charset=utf-8", "text/html"),
        ("", "application/octet-stream"),
        ("text/html\r\nX-A: b", "application/octet-stream"),
        ("<script>", "application/octet-stream"),
        ("a/" + "b" * 300, "application/octet-stream"),
    ],
)
def test_a_type_is_a_type(said: str, kept: str) -> None:
    assert media_type_of(sent("a", said)) == kept


@pytest.mark.proves("REL-8")
@pytest.mark.parametrize(
    ("name", "content", "media_type"),
    [
        ("paper.pdf", b"MZ\x90\x00 a program", "application/pdf"),
        ("page.html", b"%PDF-1.7\n%%EOF", "text/html"),
        ("table.xlsx", b"<html><script>alert(1)</script></html>", "text/csv"),
        ("run.exe", b"MZ\x90\x00", "text/markdown"),
        ("archive.zip", b"PK\x03\x04", "text/plain"),
    ],
)
async def test_neither_name_nor_type_is_believed(
    client, as_, service: Service, name: str, content: bytes, media_type: str
) -> None:  # type: ignore[no-untyped-def]
    file, form = {"file": (name, content, media_type)}, {"usecase": "handbook", "title": uuid4().hex}
    job = await client.post("/v1/documents", data=form, files=file, headers=as_("sam.reyes"))
    assert job.status_code == 202
    await service.jobs.run(UUID(job.json()["job_id"]))
    failed = await client.get("/v1/documents", params={"status": "failed", "limit": 500}, headers=as_("sam.reyes"))
    (mine,) = [each for each in failed.json() if each["title"] == form["title"]]
    assert mine["detail"] and mine["status"] == "failed"
