"""Text is decoded as its file declares, as its bytes prove, or as its letters make likely."""

import pytest

from app.errors import Unreadable
from app.retrieval.encoding import decode

RUSSIAN = "Сотрудники имеют право на двадцать восемь дней отпуска в год, и это записано в договоре. " * 4
JAPANESE = "社員は年に二十日の休暇を取ることができます。申請は二週間前までに上司へ提出してください。" * 4
CHINESE = "员工每年享有二十天的带薪休假，申请必须提前两周提交给主管，并在系统中登记。" * 4
GREEK = "Οι εργαζόμενοι έχουν δικαίωμα σε είκοσι ημέρες άδειας τον χρόνο και το ζητούν από τον προϊστάμενο. " * 4


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"])
def test_marks_and_valid_bytes_decide(encoding: str) -> None:
    text = "Café für alle, the words go on"
    assert decode(text.encode(encoding)) == text


@pytest.mark.parametrize(
    ("text", "encoding"),
    [(RUSSIAN, "cp1251"), (JAPANESE, "shift_jis"), (CHINESE, "gb18030"), (GREEK, "cp1253")],
)
def test_other_scripts_are_recognised_by_their_letters(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding)) == text


def test_a_declaration_is_believed() -> None:
    page = '<html><head><meta charset="iso-8859-2"></head><p>Łódź</p>'
    assert "Łódź" in decode(page.encode("iso-8859-2"))
    assert decode("Łódź".encode("cp1250"), declared="windows-1250") == "Łódź"
    assert "Łódź" in decode("<?xml version='1.0' encoding='iso-8859-2'?><p>Łódź</p>".encode("iso-8859-2"))


def test_a_wrong_declaration_hurts_nothing() -> None:
    assert decode("Café".encode(), declared="no-such-code") == "Café"
    assert decode("Café".encode("cp1252"), declared="ascii") == "Café"
    assert decode("“Café”".encode("cp1252"), declared="iso-8859-1") == "“Café”"


@pytest.mark.parametrize("content", [b"a\x00b\x01" * 10, bytes(range(32)) * 9])
def test_binary_data_is_no_text(content: bytes) -> None:
    with pytest.raises(Unreadable):
        decode(content)
