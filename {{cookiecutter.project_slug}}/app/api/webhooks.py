"""Receivers of events over HTTP: made, changed, tried, sent to again; a secret is shown once."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from app.api.deps import Here, needs
from app.api.problems import declared
from app.api.shapes import Text
from app.domain.identity import Permission, Principal
from app.store.webhooks import Listens
from app.work.webhooks import MOST_OVERLAP_H, NAME_CHARS, OVERLAP_H, URL_CHARS, Made, listens_of

router = APIRouter(prefix="/v1/admin/webhooks", tags=["admin"])
Keeper = Annotated[Principal, Depends(needs(Permission.MANAGE_WEBHOOKS))]
Reason = Annotated[Text, Field(min_length=1, max_length=500, description="why; kept in the audit")]
Names = Annotated[list[Annotated[Text, Field(min_length=1, max_length=200)]], Field(min_length=1, max_length=100)]


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid")


class WebhookIn(_In):
    """A receiver to be made; without `usecases` it hears of all of them, `words` needs the right turns.read_all."""

    name: Annotated[Text, Field(min_length=1, max_length=NAME_CHARS, description="such as the system that listens")]
    url: Annotated[Text, Field(min_length=1, max_length=URL_CHARS, examples=["https://example.org/events"])]
    kinds: Names
    usecases: Names | None = None
    words: bool = False
    reason: Reason


class WebhookChange(_In):
    """What changes; what is left out stays. `usecases` empty: of all use cases."""

    kinds: Names | None = None
    usecases: Annotated[list[Annotated[Text, Field(min_length=1, max_length=200)]], Field(max_length=100)] | None = None
    words: bool | None = None
    enabled: bool | None = None
    reason: Reason


class SecretIn(_In):
    """How long the former secret goes on signing beside the new one, in hours, and why."""

    overlap_hours: Annotated[float, Field(ge=0, le=MOST_OVERLAP_H, allow_inf_nan=False)] = OVERLAP_H
    reason: Reason


class TryIn(_In):
    """Why an event is sent to try a receiver."""

    reason: Reason = "to try it"


class ReplayIn(_In):
    """What is sent again: one event however it ended, or every dead letter, or those since a moment; and why."""

    event_id: UUID | None = None
    since: AwareDatetime | None = None
    reason: Reason


class WebhookOut(BaseModel):
    """A receiver without its secret."""

    id: UUID
    name: str
    url: str
    kinds: list[str]
    usecases: list[str] | None
    words: bool
    enabled: bool
    why_off: str
    created_by: str
    created_at: datetime
    changed_at: datetime
    former_until: datetime | None = Field(description="until when the former secret signs as well")
    failures: int = Field(description="batches in a row of which it took nothing")
    held_until: datetime | None = Field(description="until when nothing is sent, after failures")
    last_ok_at: datetime | None
    last_failed_at: datetime | None
    last_error: str
    waiting: int
    dead: int
    oldest_s: float


class WebhookMade(WebhookOut):
    """A receiver with its secret, which is shown here and nowhere else."""

    secret: str


class DeliveryOut(BaseModel):
    """An event on its way to a receiver; `status` is waiting, delivered or dead."""

    event_id: UUID
    kind: str
    subject: str
    usecase: str
    at: datetime
    status: str
    attempts: int
    next_at: datetime
    last_status: int | None
    last_error: str
    took_ms: float | None
    ended_at: datetime | None


class Tried(BaseModel):
    """The event that was sent to try a receiver."""

    event_id: UUID


class Replayed(BaseModel):
    """How many deliveries wait again."""

    deliveries: int


def _made(made: Made) -> dict[str, Any]:
    return {**made.row, "secret": made.secret}


@router.post("", status_code=201, response_model=WebhookMade, responses=declared(403, 409))
async def make_webhook(body: WebhookIn, service: Here, who: Keeper) -> Any:
    """Make a receiver of events; its secret, with which it verifies what arrives, is in this answer alone."""
    listens = Listens(tuple(body.kinds), tuple(body.usecases) if body.usecases else None, body.words)
    made = await service.webhooks.make(who, name=body.name, url=body.url, listens=listens, because=body.reason)
    return _made(made)


@router.get("", response_model=list[WebhookOut], responses=declared(403))
async def list_webhooks(service: Here, who: Keeper) -> Any:
    """List the receivers, those that are on first."""
    return await service.webhooks.listed(who)


@router.get("/{webhook_id}", response_model=WebhookOut, responses=declared(403, 404))
async def read_webhook(webhook_id: UUID, service: Here, who: Keeper) -> Any:
    """Say what a receiver is told, and how it does."""
    return await service.webhooks.one(who, webhook_id)


@router.patch("/{webhook_id}", response_model=WebhookOut, responses=declared(403, 404))
async def change_webhook(webhook_id: UUID, body: WebhookChange, service: Here, who: Keeper) -> Any:
    """Change what a receiver is told, or turn it off or on; where it is cannot be changed."""
    listens = None
    if not (body.kinds is None and body.usecases is None and body.words is None):
        now = listens_of(await service.webhooks.one(who, webhook_id))
        listens = Listens(
            kinds=now.kinds if body.kinds is None else tuple(body.kinds),
            usecases=now.usecases if body.usecases is None else tuple(body.usecases) or None,
            words=now.words if body.words is None else body.words,
        )
    return await service.webhooks.change(who, webhook_id, listens=listens, enabled=body.enabled, because=body.reason)


@router.post("/{webhook_id}/secret", status_code=201, response_model=WebhookMade, responses=declared(403, 404))
async def rotate_secret(webhook_id: UUID, body: SecretIn, service: Here, who: Keeper) -> Any:
    """Sign with a new secret from now on; the former one signs as well for the hours given."""
    made = await service.webhooks.rotate(who, webhook_id, overlap_h=body.overlap_hours, because=body.reason)
    return _made(made)


@router.post("/{webhook_id}/test", status_code=202, response_model=Tried, responses=declared(403, 404))
async def try_webhook(webhook_id: UUID, service: Here, who: Keeper, body: TryIn | None = None) -> Tried:
    """Send an event of the kind `webhook.tested` to this receiver alone; its deliveries show what came of it."""
    return Tried(event_id=await service.webhooks.test(who, webhook_id, because=(body or TryIn()).reason))


@router.get("/{webhook_id}/deliveries", response_model=list[DeliveryOut], responses=declared(403, 404))
async def list_deliveries(
    webhook_id: UUID,
    service: Here,
    who: Keeper,
    status: Literal["waiting", "delivered", "dead", ""] = "",
    before: Annotated[AwareDatetime | None, Query(description="where a page begins: the `at` of the last")] = None,
) -> Any:
    """List what was sent, is waiting or was given up, the newest hundred first."""
    return await service.webhooks.deliveries(who, webhook_id, status=status, before=before)


@router.post("/{webhook_id}/replay", status_code=202, response_model=Replayed, responses=declared(403, 404))
async def replay(webhook_id: UUID, body: ReplayIn, service: Here, who: Keeper) -> Replayed:
    """Send again; receivers know an event by its id, which stays the same."""
    count = await service.webhooks.replay(
        who, webhook_id, event_id=body.event_id, since=body.since, because=body.reason
    )
    return Replayed(deliveries=count)
