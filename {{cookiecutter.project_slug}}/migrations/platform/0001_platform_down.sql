DROP TABLE evaluations, reviews, audit, flags, chunks, documents, acls, uploads, outbox, job_events, job_items, jobs,
    idempotency, feedback, calls, turns, messages, sessions CASCADE;
DROP FUNCTION ensure_month(date);
DROP FUNCTION current_readers();
