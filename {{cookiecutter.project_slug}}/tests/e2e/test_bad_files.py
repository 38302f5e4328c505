"""Bad files through the public door: each ends as a document that says why, and the worker reads the next one."""

import httpx2
import pytest

from ops.prove.samples import OVERWHELMING, good, mail, pdf, png, repacked
from tests.e2e.test_journeys import until

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("stack")]

BAD = {
    "nothing.txt": (lambda: b" ", "The file is empty."),
    "blank.pdf": (lambda: pdf([]), "The document holds no text that a reader would see."),
    "old.docx": (lambda: b"\xd0\xcf\x11\xe0" + bytes(600), "The file comes from Office 2003 or older."),
    "locked.xlsx": (
        lambda: b"\xd0\xcf\x11\xe0" + "EncryptedPackage".encode("utf-16-le"),
        "The file is protected by a password.",
    ),
    "picture.md": (png, "The file is not what its name says"),
    "bomb.pptx": (
        lambda: repacked(good()["pptx"], {"ppt/presentation.xml": bytes(105_000_000)}),
        "The file is made to fill the memory",
    ),
    "cut.docx": (lambda: good()["docx"][:9000], "The file is damaged"),
    "laughs.xlsx": (
        lambda: repacked(good()["xlsx"], {"xl/workbook.xml": b'<!DOCTYPE d [<!ENTITY a "ha">]><d>&a;</d>'}),
        "The file declares entities of XML",
    ),
    "program.exe": (lambda: b"MZ", "This format is not read (exe)."),
    "hang.md": (OVERWHELMING["hang.md"], "Reading the document takes longer than 5 s."),
}


@pytest.fixture
def sam(stack, token):
    with httpx2.Client(
        base_url=stack.url, headers={"Authorization": f"Bearer {token('sam.reyes')}"}, timeout=60
    ) as client:
        yield client


def sent(sam, name, content):
    """Upload a file, wait for its job, and give the document as its owner sees it."""
    data = {"usecase": "handbook", "title": name}
    accepted = sam.post("/v1/documents", data=data, files={"file": (name, content)})
    assert accepted.status_code == 202, accepted.text
    job = until(lambda: (found := sam.get(accepted.headers["location"]).json())["finished_at"] and found, seconds=120)
    listed = sam.get("/v1/documents", params={"usecase": "handbook", "limit": 500}).json()
    return job, next(document for document in listed if document["title"] == name)


@pytest.mark.proves("INT-4", "REL-10")
@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_ends_as_a_document_that_says_why(sam, name):
    make, why = BAD[name]
    job, document = sent(sam, name, make())
    assert document["status"] == "failed" and document["detail"].startswith(why), (job, document)


@pytest.mark.proves("INT-4")
def test_the_worker_goes_on_and_reads_every_good_format(sam):
    contents = {f"good.{kind}": content for kind, content in good().items()}
    for name, content in contents.items():
        job, document = sent(sam, name, content)
        assert (job["status"], document["status"]) == ("succeeded", "ready"), (job, document)


def test_what_an_attachment_says_is_found_with_its_place(sam):
    sent(
        sam, "trip.eml", mail("The bus leaves Dunmore at nine.", attached={"deck.pptx": good()["pptx"]}, Subject="Trip")
    )
    turn = sam.post("/v1/usecases/handbook/turns", json={"question": "When does the bus leave Dunmore?"}).json()
    assert "nine" in turn["answer"]
