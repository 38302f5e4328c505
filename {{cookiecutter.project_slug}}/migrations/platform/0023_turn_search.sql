-- What a turn is found by: the words of its question, of its answer and of the fields that it answered with, as the
-- ledger keeps them, which is masked. `simple` cuts no endings: people ask in every language, and the search matches
-- beginnings of words. The text is cut, because a tsvector that grows past a megabyte would stop the row.
CREATE FUNCTION turn_words(question text, answer text, data jsonb) RETURNS tsvector
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog AS $$
BEGIN
    RETURN to_tsvector('simple', left(question, 20000)) || to_tsvector('simple', left(answer, 20000))
        || CASE WHEN data IS NULL OR length(data::text) > 50000 THEN ''
                ELSE jsonb_to_tsvector('simple', data, '["string"]') END;
END $$;

-- An index of the ledger itself and no table of its own: what is erased, or too old, is not found from then on. New
-- turns wait in a short list that the search reads as well, and are sorted in many at a time.
CREATE INDEX turns_words ON turns USING gin (turn_words(question, answer, data))
    WITH (fastupdate = on, gin_pending_list_limit = 512);
-- The newest of all, and the newest of one outcome: rare ones are what people look for.
CREATE INDEX turns_newest ON turns (started_at DESC);
CREATE INDEX turns_by_outcome ON turns (outcome, started_at DESC);
-- Sums by day read the calls of some weeks; almost nothing to keep up, as for turns (0015_audit.sql).
CREATE INDEX calls_by_time ON calls USING brin (started_at) WITH (pages_per_range = 32, autosummarize = on);
CREATE INDEX jobs_by_time ON jobs (created_at DESC);
