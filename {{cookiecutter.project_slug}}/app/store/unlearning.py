"""Takes a person out of what candidates are tried on, and of what the evaluation may learn from."""

from collections.abc import Sequence
from uuid import UUID

from app.store.db import Work
from app.store.erasures import Erasure


async def stop_shadows(work: Work, erasure: Erasure) -> None:
    """Let no turn of the person wait for its shadow."""
    await work.sql("DELETE FROM shadow_waiting WHERE user_id = :user_id", user_id=erasure.user_id)


async def cases(work: Work, erasure: Erasure) -> dict[str, int]:
    """Delete the captured cases of the person's turns; where they spoke of others', the pseudonym did."""
    gone = await work.sql("DELETE FROM captured_cases WHERE asker = :user_id", user_id=erasure.user_id)
    waiting = await work.sql("DELETE FROM shadow_waiting WHERE user_id = :user_id", user_id=erasure.user_id)
    renamed = await work.sql(
        "UPDATE captured_cases SET"
        " proposed_by = CASE WHEN proposed_by = :user_id THEN :pseudonym ELSE proposed_by END,"
        " edited_by = CASE WHEN edited_by = :user_id THEN :pseudonym ELSE edited_by END,"
        " decided_by = CASE WHEN decided_by = :user_id THEN :pseudonym ELSE decided_by END"
        " WHERE :user_id IN (proposed_by, edited_by, decided_by)",
        user_id=erasure.user_id,
        pseudonym=erasure.pseudonym,
    )
    counts = {"captured_cases": gone.rowcount, "shadows_waiting": waiting.rowcount}
    return counts | {"captured_by_the_person": renamed.rowcount}


async def quotes(work: Work, turn_ids: Sequence[UUID]) -> None:
    """Delete the cases of turns whose words are taken out: what was said to be right may quote the same."""
    await work.sql("DELETE FROM captured_cases WHERE turn_id = ANY (CAST(:ids AS uuid[]))", ids=list(turn_ids))
    await work.sql("DELETE FROM shadow_waiting WHERE turn_id = ANY (CAST(:ids AS uuid[]))", ids=list(turn_ids))
