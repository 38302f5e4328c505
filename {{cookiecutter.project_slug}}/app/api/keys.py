"""API keys over HTTP: made, listed, rotated, revoked by those who may manage them; a key itself is shown once."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from app.api.deps import Here, needs
from app.api.problems import declared
from app.api.shapes import Text
from app.domain.identity import Permission, Principal
from app.store.keys import Scope
from app.work.keys import DAYS, MOST_DAYS, MOST_OVERLAP_H, NAME_CHARS, OVERLAP_H, Made, Wanted

router = APIRouter(prefix="/v1/admin", tags=["admin"])
Keeper = Annotated[Principal, Depends(needs(Permission.MANAGE_KEYS))]
KeyId = Annotated[str, Path(pattern=r"^[0-9a-f]{12}$", description="the twelve letters after `appkey_`")]
Reason = Annotated[Text, Field(min_length=1, max_length=500, description="why; kept in the audit")]
Names = Annotated[list[Annotated[Text, Field(min_length=1, max_length=200)]], Field(min_length=1, max_length=100)]


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid")


class KeyIn(_In):
    """A key to be made; what is left out of permissions, groups and use cases is everything that the account has."""

    name: Annotated[Text, Field(min_length=1, max_length=NAME_CHARS, description="such as the program that uses it")]
    account: Annotated[Text, Field(min_length=1, max_length=50, description="a service account of config/roles.toml")]
    permissions: Names | None = None
    groups: Names | None = None
    usecases: Names | None = None
    days: Annotated[int, Field(ge=1, le=MOST_DAYS)] = DAYS
    reason: Reason


class RotateIn(_In):
    """How long the old key goes on working beside the new one, in hours, and why."""

    overlap_hours: Annotated[float, Field(ge=0, le=MOST_OVERLAP_H, allow_inf_nan=False)] = OVERLAP_H
    reason: Reason


class KeyOut(BaseModel):
    """A key without its secret; one that is `replaced` works until it expires."""

    id: str
    name: str
    account: str
    permissions: list[str] | None
    groups: list[str] | None
    usecases: list[str] | None
    created_by: str
    created_at: datetime
    expires_at: datetime
    replaced_by: str | None
    revoked_at: datetime | None
    revoked_by: str | None
    last_used_at: datetime | None = Field(description="to about half a minute")
    status: Literal["active", "replaced", "expired", "revoked"]


class KeyMade(KeyOut):
    """A key that was just made; `key` is shown here and nowhere else."""

    key: str


class AccountOut(BaseModel):
    """A service account, as config/roles.toml has it."""

    name: str
    user_id: str
    owner: str
    groups: list[str]
    unit: str
    purpose: str


def _made(made: Made) -> dict[str, Any]:
    return {**made.row, "key": made.key}


@router.post("/keys", status_code=201, response_model=KeyMade, responses=declared(403))
async def make_key(body: KeyIn, service: Here, who: Keeper) -> Any:
    """Make a key for a service account; nobody hands out a permission that they do not hold themselves."""
    named = (body.permissions, body.groups, body.usecases)
    scope = Scope(*(None if names is None else tuple(names) for names in named))
    return _made(await service.keys.make(who, Wanted(body.name, body.account, scope, body.days), because=body.reason))


@router.get("/keys", response_model=list[KeyOut], responses=declared(403))
async def list_keys(service: Here, who: Keeper) -> Any:
    """List keys, those that work first, at most 500."""
    return await service.keys.listed(who)


@router.post("/keys/{key_id}/rotate", status_code=201, response_model=KeyMade, responses=declared(403, 404, 409))
async def rotate_key(key_id: KeyId, body: RotateIn, service: Here, who: Keeper) -> Any:
    """Make a key like this one; the old one works on for the hours given, and no longer than it would have anyway."""
    made = await service.keys.rotate(who, key_id, overlap_h=body.overlap_hours, because=body.reason)
    return _made(made)


@router.delete("/keys/{key_id}", response_model=KeyOut, responses=declared(403, 404, 409))
async def revoke_key(
    key_id: KeyId,
    service: Here,
    who: Keeper,
    reason: Annotated[Text, Query(min_length=1, max_length=500, description="why; kept in the audit")],
) -> Any:
    """Revoke a key: every process refuses it at once, and two seconds later even where Redis is away."""
    return await service.keys.revoke(who, key_id, because=reason)


@router.get("/service-accounts", response_model=list[AccountOut], responses=declared(403))
async def list_accounts(service: Here, _: Keeper) -> Any:
    """List the service accounts that keys can be made for."""
    return [
        {
            "name": account.name,
            "user_id": account.user_id,
            "owner": account.owner,
            "groups": list(account.groups),
            "unit": account.unit,
            "purpose": account.purpose,
        }
        for account in service.keys.accounts
    ]
