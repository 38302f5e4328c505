"""What was said stands on documents; this says whether the claims of this transaction still read all of them."""

from collections.abc import Collection
from uuid import UUID

from app.domain.access import Claims
from app.store.db import Work
from app.store.documents import MAY_READ, claimed

WITHHELD = "(withheld: it stands on documents that you may not read)"

# Everything that a turn was shown: its passages, what it cites, what its searches kept, and what the conversation
# before it stood on.
_STANDS_ON = """
    SELECT t.id, CAST(each ->> 'document_id' AS uuid) AS document_id
    FROM turns t, jsonb_array_elements(t.passages || t.citations) AS each WHERE t.id = ANY(:ids)
    UNION
    SELECT t.id, CAST(each ->> 'document_id' AS uuid)
    FROM turns t, jsonb_array_elements(coalesce(t.retrieval, '[]')) AS search,
         jsonb_array_elements(search -> 'considered') AS each
    WHERE t.id = ANY(:ids) AND CAST(each ->> 'kept' AS boolean)
    UNION
    SELECT m.turn_id, unnest(m.documents) FROM messages m WHERE m.turn_id = ANY(:ids)
"""


async def withheld(work: Work, turn_ids: Collection[UUID], *, claims: Claims) -> set[UUID]:
    """Give those of these turns whose answer stands on a document that these claims may not read now.

    A document that is gone is read by nobody, and a turn that the ledger does not know is withheld too.
    """
    if not turn_ids:
        return set()
    rows = await work.sql(
        f"WITH stands_on AS ({_STANDS_ON}) SELECT DISTINCT s.id FROM stands_on s"  # noqa: S608 - constants only
        f" WHERE NOT EXISTS (SELECT FROM documents d WHERE d.id = s.document_id AND d.acl_id {MAY_READ})"
        " UNION SELECT asked.id FROM unnest(CAST(:ids AS uuid[])) AS asked(id)"
        " WHERE NOT EXISTS (SELECT FROM turns t WHERE t.id = asked.id)",
        ids=list(turn_ids),
        **claimed(claims),
    )
    return set(rows.scalars())
