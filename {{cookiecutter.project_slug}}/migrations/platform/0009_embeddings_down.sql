DROP FUNCTION spend(text, text, numeric);
DROP INDEX calls_by_job;
DELETE FROM calls WHERE turn_id IS NULL;
ALTER TABLE calls DROP CONSTRAINT calls_have_a_cause, DROP COLUMN job_id, ALTER COLUMN turn_id SET NOT NULL;
DROP TABLE embedded_texts, embedding_wish;
ALTER TABLE spaces DROP COLUMN maker, DROP COLUMN retired_at;
