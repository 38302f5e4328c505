"""Times as people say them: a day of the last week, a date, or a clock alone; in UTC, or in the zone that is named."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from app.errors import BadInput, quoted

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
NOON = time(12)
FORMS = '"tuesday 14:00", "yesterday 9:30", "14:00" or 2026-11-17T14:00, in UTC or with a zone, as in Europe/Berlin'


@dataclass(frozen=True, slots=True)
class Span:
    """From `since` up to, and without, `until`."""

    since: datetime
    until: datetime


def around(text: str, *, minutes: float, now: datetime) -> Span:
    """Give the minutes before and after a time. Raises BadInput."""
    middle, reach = moment(text, now=now), timedelta(minutes=minutes)
    return Span(middle - reach, middle + reach)


def moment(text: str, *, now: datetime) -> datetime:
    """Read a time that has passed. Raises BadInput, which says how times are written."""
    words = text.strip().split()
    zone: tzinfo = UTC
    if len(words) > 1 and (words[-1].upper() == "UTC" or "/" in words[-1]):
        zone = _zone(words.pop())
    try:
        found = _said([word.lower() for word in words], now.astimezone(zone)) or datetime.fromisoformat(" ".join(words))
    except ValueError as error:
        raise BadInput(f"{quoted(text.strip())} is no time; write {FORMS}.") from error
    return (found if found.tzinfo else found.replace(tzinfo=zone)).astimezone(UTC)


def _zone(name: str) -> tzinfo:
    if name.upper() == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise BadInput(f"{quoted(name)} is no time zone that is known here; write one as in Europe/Berlin.") from error


def _said(words: list[str], now: datetime) -> datetime | None:
    """Give the latest such moment that has passed; None where no day is named and no clock stands alone."""
    if not words or len(words) > 2:
        return None
    if len(words) == 1 and ":" in words[0] and "-" not in words[0]:
        return _latest(now.date(), _clock(words[0]), now, again_days=1)
    clock = _clock(words[1]) if len(words) == 2 else NOON
    if words[0] in ("today", "yesterday"):
        return datetime.combine(now.date() - timedelta(days=words[0] == "yesterday"), clock, now.tzinfo)
    if words[0] in DAYS:
        back = (now.weekday() - DAYS.index(words[0])) % 7
        return _latest(now.date() - timedelta(days=back), clock, now, again_days=7)
    return None


def _latest(day: date, clock: time, now: datetime, *, again_days: int) -> datetime:
    found = datetime.combine(day, clock, now.tzinfo)
    return found if found <= now else datetime.combine(day - timedelta(days=again_days), clock, now.tzinfo)


def _clock(text: str) -> time:
    return datetime.strptime(text, "%H:%M").time()
