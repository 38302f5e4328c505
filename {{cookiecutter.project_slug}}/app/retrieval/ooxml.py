"""Parts of an Office file and what they point to; for the formats read here by their XML."""

import io
import posixpath
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

# The elements are lxml's, whose parser can be told to follow nothing; this is what both have in common.
from xml.etree.ElementTree import Element

from lxml import etree

_SAFE = {"resolve_entities": False, "no_network": True, "load_dtd": False, "huge_tree": False}


class Target(NamedTuple):
    """What a part points to: the kind of relation (its last word) and the name of the other part."""

    kind: str
    name: str


@dataclass(slots=True)
class Package:
    """An open Office file; entities and addresses on the network are never followed."""

    archive: zipfile.ZipFile
    _parser: Any = field(default_factory=lambda: etree.XMLParser(**_SAFE))

    @classmethod
    def open(cls, content: bytes) -> "Package":
        """Open the archive; raises zipfile.BadZipFile."""
        return cls(zipfile.ZipFile(io.BytesIO(content)))

    def has(self, name: str) -> bool:
        """Say whether there is such a part."""
        return name in self.archive.NameToInfo

    def root(self, name: str) -> Element:
        """Parse a part; raises KeyError when it is missing, etree.XMLSyntaxError when it is broken, MemoryError."""
        with _memory_told():
            found: Element = etree.fromstring(self.archive.read(name), self._parser)
        return found

    def elements(self, name: str) -> Iterator[Element]:
        """Parse a part bit by bit and give each element at its end."""
        with self.archive.open(name) as part, _memory_told():
            for _, element in etree.iterparse(part, events=("end",), **_SAFE):
                yield element

    def targets(self, name: str) -> dict[str, Target]:
        """Give what a part points to by the id of each relation; addresses outside the file are left out."""
        folder, file = posixpath.split(name)
        relations = posixpath.join(folder, "_rels", f"{file}.rels")
        if not self.has(relations):
            return {}
        return {
            relation.get("Id", ""): Target(
                relation.get("Type", "").rpartition("/")[2],
                posixpath.normpath(posixpath.join("/", folder, relation.get("Target", ""))).lstrip("/"),
            )
            for relation in self.root(relations)
            if relation.get("TargetMode") != "External"
        }

    def main(self) -> str:
        """Name the part that holds the document itself; raises StopIteration without one."""
        return next(target.name for target in self.targets("").values() if target.kind == "officeDocument")


@contextmanager
def _memory_told() -> Iterator[None]:
    """Raise MemoryError as such: lxml says that the file is faulty."""
    try:
        yield
    except etree.XMLSyntaxError as error:
        if error.code == etree.ErrorTypes.ERR_NO_MEMORY:
            raise MemoryError from error
        raise


def local(element: Element) -> str:
    """Give the name of an element without its namespace; comments and instructions have none."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def children(element: Element, name: str) -> list[Element]:
    """Give the children of that name, whatever their namespace: there are two dialects of each format."""
    return [child for child in element if local(child) == name]


def first(element: Element | None, *path: str) -> Element | None:
    """Follow names down from an element; None where the path ends early."""
    for name in path:
        element = next(iter(children(element, name)), None) if element is not None else None
    return element


def under(element: Element | None, *path: str) -> list[Element]:
    """Follow names down from an element and give what stands below the last."""
    found = first(element, *path)
    return [] if found is None else list(found)


def reference(element: Element) -> str:
    """Give the id of the relation that an element names (`r:id`)."""
    return next((value for key, value in element.attrib.items() if key.endswith("}id")), "")


def is_on(value: str | None) -> bool:
    """Read an attribute that is true or false."""
    return value in ("1", "true", "on")
