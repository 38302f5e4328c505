"""Takes a person out of one class of data after the other, at most so many rows at a time; again is no harm.

Each step gives what it erased, by the name that the certificate has for it. Words go; rows of the ledger stay under a
pseudonym, as what was asked and paid counts for budgets and evidence.
"""

from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

from app.domain.event import PEOPLE, WORDS
from app.store import audit, unlearning
from app.store.db import Work
from app.store.erasures import Erasure, note_documents

MOST = 1000
# So many ids fit one entry of the audit.
IDS_OF_AN_ENTRY = 5000
Counts = dict[str, int]
Step = Callable[[Work, Erasure], Awaitable[Counts]]


async def stop_work(work: Work, erasure: Erasure) -> bool:
    """Cancel the person's queued work; True once nothing of it runs and no turn of theirs is under way."""
    await unlearning.stop_shadows(work, erasure)
    await work.sql(
        "UPDATE jobs SET status = CASE status WHEN 'queued' THEN 'cancelled' ELSE 'cancelling' END,"
        " finished_at = CASE status WHEN 'queued' THEN now() END"
        " WHERE user_id = :user_id AND status IN ('queued', 'running')",
        user_id=erasure.user_id,
    )
    rows = await work.sql(
        "SELECT EXISTS (SELECT FROM jobs WHERE user_id = :user_id AND status = 'cancelling')"
        " OR EXISTS (SELECT FROM reservations WHERE user_id = :user_id AND abandoned_at IS NULL)"
        " OR EXISTS (SELECT FROM sessions WHERE user_id = :user_id AND busy_until > now())",
        user_id=erasure.user_id,
    )
    return not rows.scalar_one()


async def _jobs(work: Work, erasure: Erasure) -> Counts:
    rows = await work.sql(
        "WITH mine AS MATERIALIZED (SELECT id FROM jobs WHERE user_id = :user_id"
        "   AND status NOT IN ('running', 'cancelling') LIMIT :most),"
        " letters AS (DELETE FROM outbox WHERE payload ->> 'job_id' IN (SELECT id::text FROM mine)),"
        " items AS (DELETE FROM job_items WHERE job_id IN (SELECT id FROM mine) RETURNING 1),"
        " events AS (DELETE FROM job_events WHERE job_id IN (SELECT id FROM mine) RETURNING 1),"
        " gone AS (DELETE FROM jobs WHERE id IN (SELECT id FROM mine) RETURNING 1)"
        " SELECT (SELECT count(*) FROM gone) AS jobs, (SELECT count(*) FROM items) AS job_items,"
        " (SELECT count(*) FROM events) AS job_events",
        user_id=erasure.user_id,
        most=MOST,
    )
    return dict(rows.mappings().one())


async def _sessions(work: Work, erasure: Erasure) -> Counts:
    rows = await work.sql(
        "WITH mine AS MATERIALIZED (SELECT id FROM sessions WHERE user_id = :user_id LIMIT :most),"
        " said AS (DELETE FROM messages WHERE session_id IN (SELECT id FROM mine) RETURNING 1),"
        " gone AS (DELETE FROM sessions WHERE id IN (SELECT id FROM mine) RETURNING 1)"
        " SELECT (SELECT count(*) FROM gone) AS sessions, (SELECT count(*) FROM said) AS messages",
        user_id=erasure.user_id,
        most=MOST,
    )
    return dict(rows.mappings().one())


async def _reviews(work: Work, erasure: Erasure) -> Counts:
    rows = await work.sql(
        "WITH mine AS MATERIALIZED (SELECT id FROM reviews WHERE asker = :user_id LIMIT :most),"
        " acts AS (DELETE FROM review_actions WHERE review_id IN (SELECT id FROM mine) RETURNING 1),"
        " gone AS (DELETE FROM reviews WHERE id IN (SELECT id FROM mine) RETURNING 1)"
        " SELECT (SELECT count(*) FROM gone) AS reviews, (SELECT count(*) FROM acts) AS review_actions",
        user_id=erasure.user_id,
        most=MOST,
    )
    counts = dict(rows.mappings().one())
    decided = await work.sql(
        "UPDATE reviews SET decided_by = CASE WHEN decided_by = :user_id THEN :pseudonym ELSE decided_by END,"
        " taken_by = nullif(taken_by, :user_id), assigned_to = nullif(assigned_to, :user_id),"
        " authors = array_replace(authors, :user_id, :pseudonym),"
        " put_forward_by = CASE WHEN put_forward_by = :user_id THEN :pseudonym ELSE put_forward_by END"
        " WHERE :user_id IN (decided_by, taken_by, assigned_to, put_forward_by) OR :user_id = ANY (authors)"
        " RETURNING id",
        pseudonym=erasure.pseudonym,
        user_id=erasure.user_id,
    )
    return counts | {"decisions_on_others_reviews": len(decided.all())}


async def _small(work: Work, erasure: Erasure) -> Counts:
    gone = {}
    for table in ("feedback", "idempotency", "uploads", "sign_ins"):
        statement = f"DELETE FROM {table} WHERE user_id = :user_id"  # noqa: S608 - one of these words
        gone[table] = (await work.sql(statement, user_id=erasure.user_id)).rowcount
    await work.sql(
        "UPDATE api_keys SET revoked_at = coalesce(revoked_at, now()),"
        " revoked_by = CASE WHEN revoked_at IS NULL THEN 'erasure' ELSE revoked_by END WHERE account = :user_id",
        user_id=erasure.user_id,
    )
    for column in ("created_by", "revoked_by"):
        statement = f"UPDATE api_keys SET {column} = :pseudonym WHERE {column} = :user_id"  # noqa: S608 - one of two
        named = await work.sql(statement, user_id=erasure.user_id, pseudonym=erasure.pseudonym)
        gone["api_keys"] = gone.get("api_keys", 0) + named.rowcount
    gone["restrictions"] = await _restrictions(work, erasure)
    gone["incidents"] = (
        await work.sql("UPDATE incidents SET user_id = '' WHERE user_id = :user_id", user_id=erasure.user_id)
    ).rowcount
    return gone


async def _restrictions(work: Work, erasure: Erasure) -> int:
    """Rename what is over; who is kept out now stays so, and the certificate says it."""
    named = {"subject": f"user:{erasure.user_id}", "other": f"user:{erasure.pseudonym}"}
    over = await work.sql(
        "UPDATE restrictions SET subject = :other WHERE subject = :subject"
        " AND (lifted_at IS NOT NULL OR coalesce(until < now(), false))",
        **named,
    )
    await work.sql(
        "UPDATE restrictions SET set_by = CASE WHEN set_by = :user_id THEN :pseudonym ELSE set_by END,"
        " lifted_by = CASE WHEN lifted_by = :user_id THEN :pseudonym ELSE lifted_by END"
        " WHERE :user_id IN (set_by, lifted_by)",
        user_id=erasure.user_id,
        pseudonym=erasure.pseudonym,
    )
    return over.rowcount


async def is_kept_out(work: Work, erasure: Erasure) -> bool:
    """Say whether a restriction of this person still holds."""
    rows = await work.sql(
        "SELECT EXISTS (SELECT FROM restrictions WHERE subject = :subject)", subject=f"user:{erasure.user_id}"
    )
    return bool(rows.scalar_one())


async def _turns(work: Work, erasure: Erasure) -> Counts:
    rows = await work.sql(
        "SELECT erase_turns(:user_id, :pseudonym, :most)",
        user_id=erasure.user_id,
        pseudonym=erasure.pseudonym,
        most=MOST,
    )
    ids = rows.scalar_one()
    await _note(work, erasure, ids)
    return {"turns": len(ids)}


async def _calls(work: Work, erasure: Erasure) -> Counts:
    rows = await work.sql(
        "SELECT erase_calls(:user_id, :pseudonym)", user_id=erasure.user_id, pseudonym=erasure.pseudonym
    )
    return {"calls_of_jobs": rows.scalar_one()}


async def _money(work: Work, erasure: Erasure) -> Counts:
    mine = {"user_id": erasure.user_id, "pseudonym": erasure.pseudonym}
    days = await work.sql(
        "UPDATE budgets SET name = split_part(name, '/', 1) || '/' || :pseudonym"
        " WHERE kind = 'person' AND substr(name, strpos(name, '/') + 1) = :user_id",
        **mine,
    )
    held = await work.sql(
        "UPDATE reservations SET user_id = :pseudonym WHERE user_id = :user_id AND abandoned_at IS NOT NULL", **mine
    )
    return {"budget_days": days.rowcount, "reservations": held.rowcount}


async def _quotes(work: Work, erasure: Erasure) -> Counts:
    """Empty what others were told from the person's documents."""
    if not erasure.documents:
        return {}
    rows = await work.sql("SELECT erase_quotes(CAST(:ids AS uuid[]))", ids=list(erasure.documents))
    ids = rows.scalar_one()
    if not ids:
        return {}
    await _note(work, erasure, ids)
    await work.sql(
        "UPDATE messages SET text = '(erased)', citations = '[]', forgotten = true"
        " WHERE role = 'assistant' AND turn_id = ANY (CAST(:ids AS uuid[]))",
        ids=ids,
    )
    # The placeholders of those conversations may stand for words of the same answers.
    await work.sql(
        "UPDATE sessions SET masks = NULL"
        " WHERE id IN (SELECT session_id FROM messages WHERE turn_id = ANY (CAST(:ids AS uuid[])))",
        ids=ids,
    )
    await work.sql("UPDATE job_items SET answer = '', data = NULL WHERE turn_id = ANY (CAST(:ids AS uuid[]))", ids=ids)
    await work.sql(
        "UPDATE reviews SET draft = '', data = NULL, final = CASE WHEN final IS NULL THEN NULL ELSE '' END,"
        " final_data = NULL, masks = NULL, complaint = NULL, note = NULL WHERE turn_id = ANY (CAST(:ids AS uuid[]))",
        ids=ids,
    )
    await work.sql("DELETE FROM idempotency WHERE subject_id = ANY (CAST(:ids AS uuid[]))", ids=ids)
    await unlearning.quotes(work, ids)
    return {"answers_to_others": len(ids)}


async def _events(work: Work, erasure: Erasure) -> Counts:
    """Rename the person in events that were told, without what they wrote; words of theirs leave no more."""
    told = await work.sql(
        "UPDATE events e SET people = array_replace(e.people, CAST(:user_id AS text), CAST(:pseudonym AS text)),"
        " data = coalesce(("
        "   SELECT jsonb_object_agg(f.key, CASE WHEN f.key = ANY (CAST(:named AS text[]))"
        "     AND f.value = to_jsonb(CAST(:user_id AS text)) THEN to_jsonb(CAST(:pseudonym AS text)) ELSE f.value END)"
        "   FROM jsonb_each(e.data) AS f WHERE NOT (f.key = ANY (CAST(:words AS text[]))"
        "     AND e.data ->> 'by' = :user_id)), '{}')"
        " WHERE e.id IN (SELECT id FROM events WHERE people @> ARRAY[CAST(:user_id AS text)] LIMIT :most)",
        user_id=erasure.user_id,
        pseudonym=erasure.pseudonym,
        named=list(PEOPLE),
        words=list(WORDS),
        most=MOST,
    )
    made = await work.sql(
        "UPDATE webhooks SET created_by = CASE WHEN created_by = :user_id THEN :pseudonym ELSE created_by END,"
        " why_off = replace(why_off, :user_id, :pseudonym), groups = CASE WHEN created_by = :user_id THEN '{}'"
        " ELSE groups END WHERE created_by = :user_id OR why_off = :why_off",
        user_id=erasure.user_id,
        pseudonym=erasure.pseudonym,
        why_off=f"turned off by {erasure.user_id}",
    )
    return {"events": told.rowcount, "webhooks": made.rowcount}


async def _note(work: Work, erasure: Erasure, ids: Sequence[UUID]) -> None:
    """Tell the audit which turns are not as they were: its verification accepts no others (app/store/chain.py)."""
    for start in range(0, len(ids), IDS_OF_AN_ENTRY):
        part = [str(id) for id in ids[start : start + IDS_OF_AN_ENTRY]]
        await audit.note(
            work, actor="erasure", action="turns.erased", subject=erasure.subject, reason="erasure of a person",
            after={"turns": part},
        )  # fmt: skip


# In this order: what could make more of the rest goes first.
STEPS: tuple[tuple[str, Step], ...] = (
    ("queue", _jobs),
    ("sessions", _sessions),
    ("reviews", _reviews),
    ("cases", unlearning.cases),
    ("turns", _turns),
    ("calls", _calls),
    ("budgets", _money),
    ("others", _small),
    ("events", _events),
    ("quotes", _quotes),
)


async def measured(work: Work, cases: Sequence[tuple[str, str]]) -> Counts:
    """Empty what was answered to these cases, by use case and id, in the reports of evaluations; the scores stay."""
    emptied = 0
    for usecase in sorted({name for name, _ in cases}):
        rows = await work.sql(
            "UPDATE evaluations SET report = jsonb_set(report, '{results}', ("
            "   SELECT jsonb_agg(CASE WHEN one ->> 'case' = ANY (:ids) THEN one || '{\"answer\": \"\"}' ELSE one END"
            "     ORDER BY place) FROM jsonb_array_elements(report -> 'results') WITH ORDINALITY AS r (one, place)))"
            " WHERE usecase = :usecase AND EXISTS (SELECT FROM jsonb_array_elements(report -> 'results') AS one"
            "   WHERE one ->> 'case' = ANY (:ids) AND one ->> 'answer' <> '') RETURNING 1",
            usecase=usecase,
            ids=[id for name, id in cases if name == usecase],
        )
        emptied += len(rows.all())
    return {"evaluation_reports": emptied} if emptied else {}


async def documents(work: Work, erasure: Erasure) -> Counts:
    """Delete what the person sent, with every piece and vector, and access rules that name only them.

    Runs as the role that writes documents.
    """
    rows = await work.sql("SELECT DISTINCT usecase FROM documents WHERE owner = :user_id", user_id=erasure.user_id)
    for usecase in sorted(rows.scalars()):
        await work.sql("SELECT pg_advisory_xact_lock(hashtext('documents'), hashtext(:usecase))", usecase=usecase)
    rows = await work.sql("SELECT id FROM documents WHERE owner = :user_id LIMIT :most", user_id=erasure.user_id,
                          most=MOST)  # fmt: skip
    ids = list(rows.scalars())
    # A vector tells something of its text; what others hold of the same text is embedded again when it is needed.
    vectors = await work.sql(
        "DELETE FROM embedded_texts e USING chunks c WHERE c.document_id = ANY (CAST(:ids AS uuid[]))"
        " AND e.text_hash = sha256(convert_to(c.heading || E'\\n' || c.text, 'UTF8'))",
        ids=ids,
    )
    chunks = await work.sql("SELECT count(*) FROM chunks WHERE document_id = ANY (CAST(:ids AS uuid[]))", ids=ids)
    counts = {"documents": len(ids), "chunks": chunks.scalar_one(), "kept_vectors": vectors.rowcount}
    await work.sql("DELETE FROM documents WHERE id = ANY (CAST(:ids AS uuid[]))", ids=ids)
    await note_documents(work, erasure.id, ids)
    return counts


async def names(work: Work, erasure: Erasure) -> Counts:
    """Delete the person from the copy of the directory, and access rules that nothing uses any more.

    Runs as the role that writes documents.
    """
    name = [f"user:{erasure.user_id}"]
    people = await work.sql("DELETE FROM directory_people WHERE user_id = :user_id", user_id=erasure.user_id)
    rules = await work.sql(
        "DELETE FROM acls a WHERE (a.readers @> CAST(:name AS text[]) OR a.denied @> CAST(:name AS text[]))"
        " AND NOT EXISTS (SELECT FROM documents d WHERE d.acl_id = a.id)"
        " AND NOT EXISTS (SELECT FROM chunks c WHERE c.acl_id = a.id)"
        " AND NOT EXISTS (SELECT FROM listed l WHERE l.acl_id = a.id)"
        " AND NOT EXISTS (SELECT FROM access_changes x WHERE x.acl_id = a.id)",
        name=name,
    )
    return {"directory": people.rowcount, "access_rules": rules.rowcount}


async def answered(work: Work, erasure: Erasure, turn_ids: Sequence[UUID]) -> set[UUID]:
    """Give those of these turns that were the person's."""
    rows = await work.sql(
        "SELECT id FROM turns WHERE id = ANY (CAST(:ids AS uuid[])) AND user_id IN (:user_id, :pseudonym)",
        ids=list(turn_ids),
        user_id=erasure.user_id,
        pseudonym=erasure.pseudonym,
    )
    return set(rows.scalars())


async def questions(work: Work, keys: Sequence[str]) -> int:
    """Delete the vectors of cached questions by the keys of their answers."""
    rows = await work.sql("DELETE FROM semantic_answers WHERE key = ANY (CAST(:keys AS text[]))", keys=list(keys))
    return int(rows.rowcount)


async def rules_left(work: Work, erasure: Erasure) -> int:
    """Count the access rules of other documents that name the person: their source states them."""
    rows = await work.sql(
        "SELECT count(*) FROM acls WHERE readers @> CAST(:name AS text[]) OR denied @> CAST(:name AS text[])",
        name=[f"user:{erasure.user_id}"],
    )
    return int(rows.scalar_one())
