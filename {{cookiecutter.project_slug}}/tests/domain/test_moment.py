"""Times are read as people say them."""

from datetime import UTC, datetime, timedelta

import pytest

from app.domain.moment import around, moment
from app.errors import BadInput

NOW = datetime(2026, 11, 18, 9, 0, tzinfo=UTC)
TUESDAY = datetime(2026, 11, 17, 14, 0, tzinfo=UTC)


@pytest.mark.proves("OBS-1")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tuesday 14:00", TUESDAY),
        ("Tuesday", TUESDAY - timedelta(hours=2)),
        ("Wednesday 08:00", NOW - timedelta(hours=1)),
        ("wednesday 10:00", NOW - timedelta(days=7) + timedelta(hours=1)),
        ("yesterday 14:00", TUESDAY),
        ("today 8:30", NOW - timedelta(minutes=30)),
        ("8:30", NOW - timedelta(minutes=30)),
        ("14:00", TUESDAY),
        ("2026-11-17T14:00", TUESDAY),
        ("2026-11-17 14:00", TUESDAY),
        ("2026-11-17T15:00+01:00", TUESDAY),
        ("tuesday 15:00 Europe/Berlin", TUESDAY),
        ("2026-07-14 14:00 Europe/Berlin", datetime(2026, 7, 14, 12, 0, tzinfo=UTC)),
        ("2026-11-17 14:00 UTC", TUESDAY),
    ],
)
def test_times_are_read_as_people_say_them(text, expected):
    assert moment(text, now=NOW) == expected


@pytest.mark.parametrize("text", ["tuesday at two", "teatime", "", "25:00", "2026-13-01", "tuesday 14:00 12:00"])
def test_what_is_no_time_is_told_how_times_are_written(text):
    with pytest.raises(BadInput, match="tuesday 14:00"):
        moment(text, now=NOW)


def test_a_zone_that_nobody_knows_is_named():
    with pytest.raises(BadInput, match="Europe/Berlin"):
        moment("tuesday 14:00 Middle/Earth", now=NOW)


def test_a_span_lies_around_its_moment():
    span = around("tuesday 14:00", minutes=30, now=NOW)
    assert (span.since, span.until) == (TUESDAY - timedelta(minutes=30), TUESDAY + timedelta(minutes=30))
