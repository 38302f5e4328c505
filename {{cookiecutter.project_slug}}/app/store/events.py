"""Events on their way to other systems: written in the transaction of what they tell, so that both stand or fall.

Each event is handed at once to the receivers that listen to its kind, as a delivery that waits to be sent.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

from app.domain.event import checked, people
from app.store.db import Work
from app.store.plain import as_json


async def emit(work: Work, kind: str, *, subject: str, data: Mapping[str, Any], usecase: str = "") -> UUID:
    """Write an event; it leaves after the commit, to whoever listens. Gives its id.

    `subject` points at what it is about, as in "reviews/<id>"; `data` holds the fields that app/domain/event.py lists
    for the kind, and raises ValueError for any other. Without a `usecase` it concerns all of them.
    """
    told = checked(kind, data)
    id = uuid4()
    await work.sql(
        "SELECT emit_event(:id, :kind, :subject, :usecase, CAST(:data AS jsonb), CAST(:people AS text[]))",
        id=id,
        kind=kind,
        subject=subject,
        usecase=usecase,
        data=as_json(told),
        people=people(told),
    )
    return id
