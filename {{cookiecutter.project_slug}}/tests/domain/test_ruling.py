"""Which rule keeps somebody out, in words; the words never contradict the rule."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.access import Access, Claims, may_read
from app.domain.ruling import ruling

LEVELS = ("public", "internal", "secret")
NAMES = st.sampled_from(["everyone", "group:a", "group:b", "user:u", "user:v"])
REGIONS = st.sampled_from(["eu", "us"])
ACCESS = st.builds(
    Access,
    readers=st.lists(NAMES, min_size=1, max_size=3).map(tuple),
    denied=st.lists(NAMES, max_size=2).map(tuple),
    classification=st.sampled_from(["", *LEVELS, "forgotten"]),
    regions=st.lists(REGIONS, max_size=2).map(tuple),
)
CLAIMS = st.builds(
    Claims,
    names=st.lists(NAMES, max_size=4).map(tuple),
    clearance=st.integers(0, 2),
    regions=st.lists(REGIONS, max_size=2).map(tuple),
)


@given(access=ACCESS, claims=CLAIMS)
def test_a_ruling_is_the_same_as_the_plain_reference_and_always_says_why(access, claims):
    found = ruling(access, claims, LEVELS)
    assert found.allowed == may_read(access, claims, LEVELS)
    assert found.said and found.allowed == (not found.cure)


@pytest.mark.proves("SEC-4")
@pytest.mark.parametrize(
    ("access", "rule", "said"),
    [
        (Access(("group:b",)), "readers", "not among the readers: group:b"),
        (Access(("everyone",), denied=("group:a",)), "denied", "denied to group:a"),
        (Access(("everyone",), classification="secret"), "classification", "classified secret; the person is cleared"),
        (Access(("everyone",), classification="old"), "classification", "no level of config/roles.toml"),
        (Access(("everyone",), regions=("us",)), "regions", "for the regions us; the person has: eu"),
        (Access(("group:a", "user:v")), "readers", "reads it as group:a"),
    ],
)
def test_each_rule_is_named(access, rule, said):
    claims = Claims(("everyone", "group:a", "user:u"), clearance=1, regions=("eu",))
    found = ruling(access, claims, LEVELS)
    assert found.rule == rule and said in found.said
