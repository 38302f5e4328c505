"""What tells other systems of events, and what looks after work that failed, built once."""

from dataclasses import dataclass

from app.control.audience import Audience
from app.wiring.ground import Ground
from app.work.dead_letters import DeadLetters
from app.work.events import Envelopes
from app.work.sending import Sending
from app.work.webhooks import WebhookDesk


@dataclass(frozen=True, slots=True)
class Telling:
    """The desk of receivers, what sends to them, and the dead letters of the queue."""

    audience: Audience
    webhooks: WebhookDesk
    sending: Sending
    dead_letters: DeadLetters


def telling(on: Ground) -> Telling:
    """Build it."""
    internal = on.settings.webhooks_internal
    envelopes = Envelopes(on.database, on.people, on.settings.public_url)
    return Telling(
        audience=on.audience,
        webhooks=WebhookDesk(on.database, on.people, tuple(on.cases), on.audience, internal),
        sending=Sending(on.database, envelopes, on.relay, internal),
        dead_letters=DeadLetters(on.database, on.relay),
    )
