-- How the vectors of a space are made ([embeddings] of config/models.toml as it was then; empty: the lexical embedder),
-- so that questions can still be asked in a space that the configuration no longer names.
ALTER TABLE spaces ADD COLUMN maker jsonb NOT NULL DEFAULT '{}', ADD COLUMN retired_at timestamptz;

-- What the configuration named when a process last looked: only another name is a wish for change, so that an operator
-- who goes back to an older space is not overruled by the next process that starts.
CREATE TABLE embedding_wish (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    space text NOT NULL,
    at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO embedding_wish (space) VALUES ('lexical-1');

-- Vectors by the text they were made of (numbers of 16 bits, one after the other): unchanged text is paid for once.
CREATE TABLE embedded_texts (
    space text NOT NULL,
    text_hash bytea NOT NULL,
    vector bytea NOT NULL,
    used_on date NOT NULL DEFAULT current_date,
    PRIMARY KEY (space, text_hash)
);

-- Calls of jobs that are no turns stand in the ledger under their job.
ALTER TABLE calls ADD COLUMN job_id uuid, ALTER COLUMN turn_id DROP NOT NULL,
    ADD CONSTRAINT calls_have_a_cause CHECK (turn_id IS NOT NULL OR job_id IS NOT NULL);
CREATE INDEX calls_by_job ON calls (job_id) WHERE job_id IS NOT NULL;

-- Counts what such calls cost, against the month of the use case and of the unit; nobody's day is used up by a job
-- that reads documents. In the order in which turns lock the same rows.
CREATE FUNCTION spend(p_usecase text, p_unit text, p_cost numeric) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    month date := date_trunc('month', now() AT TIME ZONE 'UTC')::date;
BEGIN
    IF p_unit <> '' THEN
        INSERT INTO budgets AS b (kind, name, period, spent) VALUES ('unit', p_unit, month, p_cost)
            ON CONFLICT (kind, name, period) DO UPDATE SET spent = b.spent + excluded.spent;
    END IF;
    IF p_usecase <> '' THEN
        INSERT INTO budgets AS b (kind, name, period, spent) VALUES ('usecase', p_usecase, month, p_cost)
            ON CONFLICT (kind, name, period) DO UPDATE SET spent = b.spent + excluded.spent;
    END IF;
END $$;

GRANT SELECT, UPDATE ON embedding_wish TO app_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON embedded_texts TO app_ingest;
