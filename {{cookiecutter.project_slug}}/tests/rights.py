"""The table of cases of docs/explanation/rights-on-documents.md, as tests take it."""

from dataclasses import dataclass

from app.domain.access import Access, Claims
from app.settings import ROOT

PAGE = ROOT / "docs" / "explanation" / "rights-on-documents.md"
LEVELS = ("open", "inner", "secret")
COLUMNS = ["case", "readers", "denied", "classification", "regions", "names", "clearance", "their regions", "reads"]


@dataclass(frozen=True)
class Case:
    """One row: what the document carries, what the asker brings, and whether that reads."""

    name: str
    access: Access
    claims: Claims
    reads: bool


def cases() -> list[Case]:
    """Read the table; a row that means nothing is an error."""
    rows = PAGE.read_text().partition("## Table of cases")[2].partition("\n## ")[0].strip().splitlines()
    head, _, *rest = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    assert head == COLUMNS, head
    return [_case(*row) for row in rest]


def _case(name: str, *cells: str) -> Case:
    readers, denied, classification, regions, names, clearance, theirs, reads = cells
    access = Access(tuple(readers.split()), tuple(denied.split()), classification, tuple(regions.split()))
    level = LEVELS.index(clearance) if clearance else 0
    return Case(
        name, access, Claims(tuple(names.split()), level, tuple(theirs.split())), {"yes": True, "no": False}[reads]
    )
