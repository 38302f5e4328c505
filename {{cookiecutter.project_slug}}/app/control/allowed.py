"""What config/limits.toml allows; older projects need not have the file."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from app.domain.contract import Limits as Stated
from app.domain.contract import Money, Share
from app.domain.quota import Unit
from app.errors import CannotStart

FILE = "config/limits.toml"
MINUTE_S, HOUR_S = 60, 3600
Count = Annotated[int, Field(gt=0)]
Network = Annotated[IPv4Network | IPv6Network, BeforeValidator(lambda written: ip_network(str(written)))]
Most = tuple[Unit, int, int]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Ceilings(_Part):
    """The most of one subject; what is left out has no limit."""

    requests_per_minute: Count | None = None
    concurrent_turns: Count | None = None
    tokens_per_minute: Count | None = None
    uploads_per_hour: Count | None = None
    upload_bytes_per_hour: Count | None = None

    def turns(self) -> Iterator[Most]:
        """Give unit, amount and window in seconds of the limits on turns."""
        return _turns(self.requests_per_minute, self.concurrent_turns, self.tokens_per_minute)

    def uploads(self) -> Iterator[Most]:
        """Give unit, amount and window in seconds of the limits on uploads."""
        if self.uploads_per_hour:
            yield "uploads", self.uploads_per_hour, HOUR_S
        if self.upload_bytes_per_hour:
            yield "upload-bytes", self.upload_bytes_per_hour, HOUR_S


class AddressCeilings(Ceilings):
    """The most of one address; `requests_per_minute` are of any kind, and counted before anybody is asked who they are.

    `exempt` are networks that are no single visitor: this machine itself, a monitoring probe.
    """

    failed_sign_ins_per_minute: Count | None = 30
    exempt: tuple[Network, ...] = (IPv4Network("127.0.0.0/8"), ip_network("::1/128"))


class Spike(_Part):
    """When somebody's spending is unusual, and for how many minutes they then may not ask.

    In `window_minutes` they spend `times` of their usual hour, where an hour of less than `least_usd` counts as that
    much; or `month_share` of the month's budget of one use case.
    """

    enabled: bool = True
    window_minutes: Annotated[int, Field(ge=1, le=60)] = 15
    times: Annotated[float, Field(gt=1)] = 4.0
    least_usd: Money = Decimal(1)
    month_share: Share = 0.1
    minutes: Annotated[int, Field(ge=1, le=60 * 24)] = 60


class Allowed(_Part):
    """All of the file: what a person, a key, a use case and an address may do, and what happens without Redis."""

    when_redis_is_away: Literal["allow", "refuse"] = "allow"
    person: Ceilings = Ceilings()
    key: Ceilings = Ceilings()
    usecase: Ceilings = Ceilings()
    address: AddressCeilings = AddressCeilings()
    spike: Spike = Spike()


def of_asker(stated: Stated) -> Iterator[Most]:
    """Give what a contract allows one person."""
    return _turns(stated.per_user_per_minute, stated.concurrent_per_user, stated.tokens_per_user_per_minute)


def of_usecase(stated: Stated, otherwise: Ceilings) -> Iterator[Most]:
    """Give what a contract allows all people together; what it leaves out is as in config/limits.toml."""
    return _turns(
        stated.per_minute or otherwise.requests_per_minute,
        stated.concurrent or otherwise.concurrent_turns,
        stated.tokens_per_minute or otherwise.tokens_per_minute,
    )


def parse(raw: Mapping[str, Any]) -> Allowed:
    """Check what the file says; anything unusable stops the start with file, key and cure."""
    try:
        return Allowed.model_validate(raw)
    except ValidationError as error:
        faults = [
            f"- {FILE}: {'.'.join(map(str, fault['loc']))}: {fault['msg']} (found: {fault['input']!r:.60});"
            " docs/how-to/limit-use.md lists every key"
            for fault in error.errors()
        ]
        raise CannotStart("\n".join(faults)) from error


def _turns(requests: int | None, at_once: int | None, tokens: int | None) -> Iterator[Most]:
    if requests:
        yield "requests", requests, MINUTE_S
    if at_once:
        yield "turns", at_once, 0
    if tokens:
        yield "tokens", tokens, MINUTE_S
