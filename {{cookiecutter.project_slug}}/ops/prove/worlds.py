"""Random companies: people, nested groups, a directory, documents with every kind of access, and what happens to them.

`Company.may_read` is the plain reference: written from docs/explanation/rights-on-documents.md with loops and sets, and
sharing no code with the service.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from app.domain.access import Access

PEOPLE = ("ada", "bob", "cleo", "dan")
GROUPS = ("board", "hr", "sales", "north", "temps")
LEVELS = ("open", "inner", "secret")
REGIONS = ("emea", "apac")
NAMES = ("everyone", *(f"group:{group}" for group in GROUPS), *(f"user:{person}" for person in PEOPLE))
TOPICS = ("tides", "ferries", "pilots", "cranes", "moorings", "customs")
# As a person types them: the same words find the same cached answer, or a similar question's.
QUESTIONS = ("What is said about {topic}?", "what is said about {topic}", "Who looks after {topic} at the harbour?")

Memberships = Mapping[str, tuple[str, ...]]
_groups = st.sets(st.sampled_from(GROUPS), max_size=3).map(lambda found: tuple(sorted(found)))
_people = st.sets(st.sampled_from(PEOPLE), max_size=2).map(lambda found: tuple(sorted(found)))
_named = st.lists(st.sampled_from(NAMES), max_size=2, unique=True).map(tuple)
# Two open documents in three, so that people find something to quote.
accesses = st.builds(
    Access,
    readers=st.one_of(st.just(("everyone",)), st.lists(st.sampled_from(NAMES), min_size=1, max_size=3).map(tuple)),
    denied=st.one_of(st.just(()), st.just(()), _named),
    # "lost" is a level that config/roles.toml does not have.
    classification=st.sampled_from(("", "", *LEVELS, "lost")),
    regions=st.one_of(st.just(()), st.just(()), st.lists(st.sampled_from(REGIONS), min_size=1, max_size=2).map(tuple)),
)


@dataclass(frozen=True, slots=True)
class Rules:
    """What config/roles.toml says; `nesting` has the groups inside a group and no cycles."""

    nesting: Memberships
    members: Memberships
    levels: tuple[str, ...]
    clearance: Mapping[str, str]
    regions: Memberships

    def as_toml(self) -> dict[str, Any]:
        """Give the tables as the file's reader sees them."""
        return {
            "permissions": {"everyone": ["turns.ask"]},
            "nesting": {group: list(inside) for group, inside in self.nesting.items()},
            "members": {group: list(people) for group, people in self.members.items()},
            "classification": {"levels": list(self.levels)},
            "clearance": dict(self.clearance),
            "regions": {group: list(names) for group, names in self.regions.items()},
        }


@dataclass(frozen=True, slots=True)
class Listed:
    """What the directory lists; its nesting may run in circles."""

    people: Memberships
    groups: Memberships

    def as_json(self) -> bytes:
        """Give the document that the directory answers with."""
        return json.dumps(
            {
                "Resources": [
                    {
                        "displayName": group,
                        "members": [{"value": person} for person in people]
                        + [{"value": inner, "type": "Group"} for inner in self.groups.get(group, ())],
                    }
                    for group, people in self.people.items()
                ]
            }
        ).encode()


@st.composite
def rules(draw: st.DrawFn) -> Rules:
    """Make a config/roles.toml."""
    order = draw(st.permutations(GROUPS))
    # A group holds only groups that come later: no cycle.
    nesting = {
        outer: tuple(sorted(inside))
        for place, outer in enumerate(order[:-1])
        if (inside := draw(st.sets(st.sampled_from(order[place + 1 :]), max_size=2)))
    }
    levels = tuple(draw(st.permutations(LEVELS)))[: draw(st.integers(0, len(LEVELS)))]
    granted = st.dictionaries(st.sampled_from(("everyone", *GROUPS)), st.sampled_from(levels or ("",)), max_size=3)
    areas = st.sets(st.sampled_from(REGIONS), max_size=2).map(lambda found: tuple(sorted(found)))
    return Rules(
        nesting=nesting,
        members=draw(st.dictionaries(st.sampled_from(GROUPS), _people, max_size=2)),
        levels=levels,
        clearance=draw(granted) if levels else {},
        regions=draw(st.dictionaries(st.sampled_from(("everyone", *GROUPS)), areas, max_size=3)),
    )


@st.composite
def listings(draw: st.DrawFn) -> Listed:
    """Make a directory of some of the groups."""
    people = draw(st.dictionaries(st.sampled_from(GROUPS), _people, min_size=1, max_size=3))
    inner = st.sets(st.sampled_from(sorted(people)), max_size=2).map(lambda found: tuple(sorted(found)))
    return Listed(people, {group: draw(inner) for group in people})


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happens; `what` says which of the other fields count."""

    what: str
    person: str = ""
    place: int = 0
    question: str = ""
    # Goes on with the person's conversation, or sends the last request a second time.
    follows: bool = False
    access: Access | None = None
    rules: Rules | None = None
    listed: Listed | None = None


_asks = st.builds(
    Step,
    what=st.sampled_from(("ask", "ask", "again")),
    person=st.sampled_from(PEOPLE),
    place=st.integers(0, len(TOPICS) - 1),
    question=st.sampled_from(QUESTIONS),
    follows=st.booleans(),
)
_changes = st.one_of(
    st.builds(Step, what=st.just("access"), place=st.integers(0, len(TOPICS) - 1), access=accesses),
    st.builds(Step, what=st.just("remove"), place=st.integers(0, len(TOPICS) - 1)),
    st.builds(Step, what=st.just("rules"), rules=rules()),
    st.builds(Step, what=st.just("directory"), listed=listings()),
)
# Three questions between two changes.
steps = st.one_of(_asks, _asks, _asks, _changes)


@dataclass
class Company:
    """How things stand: tokens, rules, what the directory lists and has ever listed, and the documents' access."""

    tokens: Memberships
    rules: Rules
    shelf: dict[int, Access]
    listed: Listed | None = None
    ever: set[str] = field(default_factory=set)

    def hear(self, listed: Listed) -> None:
        """Have the directory say something else."""
        self.listed = listed
        self.ever |= set(listed.people)

    def groups(self, person: str) -> set[str]:
        """Give every group that a person is in."""
        held = {group for group in self.tokens[person] if group not in self.ever}
        if self.listed:
            held |= {group for group, people in self.listed.people.items() if person in people}
        held |= {group for group, people in self.rules.members.items() if person in people}
        nesting: list[tuple[str, Iterable[str]]] = [*self.rules.nesting.items()]
        nesting += [*self.listed.groups.items()] if self.listed else []
        for _ in GROUPS:
            held |= {outer for outer, inside in nesting if held & set(inside)}
        return held

    def may_read(self, person: str, place: int) -> bool:
        """Say whether a person may read the document at this place: the reference."""
        access = self.shelf.get(place)
        if access is None:
            return False
        groups = self.groups(person)
        names = {"everyone", f"user:{person}"} | {f"group:{group}" for group in groups}
        if not any(reader in names for reader in access.readers) or any(name in names for name in access.denied):
            return False
        ranks = {"": 0} | {level: rank for rank, level in enumerate(self.rules.levels)}
        if access.classification not in ranks:
            return False
        granted = [self.rules.clearance[who] for who in ("everyone", *groups) if who in self.rules.clearance]
        if ranks[access.classification] > max([ranks[level] for level in granted], default=0):
            return False
        areas = {area for who in ("everyone", *groups) for area in self.rules.regions.get(who, ())}
        return not access.regions or any(area in areas for area in access.regions)

    def readable(self, person: str) -> set[int]:
        """Give the places of the documents that a person may read."""
        return {place for place in self.shelf if self.may_read(person, place)}


companies = st.builds(
    Company,
    tokens=st.fixed_dictionaries(dict.fromkeys(PEOPLE, _groups)),
    rules=rules(),
    shelf=st.fixed_dictionaries(dict.fromkeys(range(len(TOPICS)), accesses)),
)
