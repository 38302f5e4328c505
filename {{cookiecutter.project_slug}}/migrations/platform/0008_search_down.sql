DROP FUNCTION search_chunks(text[], integer, text[], text, text, text, text, integer);
DROP FUNCTION find_chunks(text[], integer, text[], text, text, text, text, integer);
DROP FUNCTION worded_chunks(integer[], text, tsquery[], bigint, bigint[]);
DROP FUNCTION near_chunks(integer[], text, text, text, bigint, integer);
DROP FUNCTION question_terms(text, text[]);
DROP POLICY searching ON chunks;
DROP POLICY searching ON documents;
DROP TRIGGER documents_moved ON documents;
DROP FUNCTION document_moved();
DROP TRIGGER chunks_grew ON chunks;
DROP TRIGGER chunks_moved ON chunks;
DROP TRIGGER chunks_shrank ON chunks;
DROP FUNCTION chunks_changed();

-- The former search needs a vector of the first space for every chunk; what has none is read again.
ALTER TABLE chunks ADD COLUMN embedding halfvec(384);
ALTER TABLE chunks ALTER COLUMN embedding SET STORAGE PLAIN;
UPDATE chunks c SET embedding = v.embedding FROM vectors_1 v WHERE v.chunk_id = c.id;
UPDATE documents SET content_hash = '' WHERE id IN (SELECT document_id FROM chunks WHERE embedding IS NULL);
DELETE FROM chunks WHERE embedding IS NULL;
ALTER TABLE chunks ALTER COLUMN embedding SET NOT NULL;
DO $$ DECLARE space smallint; BEGIN
    FOR space IN SELECT id FROM spaces LOOP EXECUTE format('DROP TABLE %I', 'vectors_' || space); END LOOP;
END $$;
DROP FUNCTION make_space(text, integer, boolean), index_space(smallint), drop_space(smallint);
DROP TABLE chunk_counts, spaces;
ALTER TABLE chunks DROP COLUMN words;
ALTER TABLE chunks DROP COLUMN language, DROP COLUMN is_current, ADD COLUMN words tsvector GENERATED ALWAYS AS (
    setweight(to_tsvector('english', heading), 'A') || setweight(to_tsvector('english', text), 'B')
) STORED;
DROP FUNCTION words_of(text, text, text);
ALTER TABLE chunks DROP CONSTRAINT chunks_document_id_ordinal_key,
    ADD CONSTRAINT chunks_document_id_ordinal_key UNIQUE (document_id, ordinal);
CREATE INDEX chunks_words ON chunks USING gin (words);
CREATE INDEX chunks_embedding ON chunks USING hnsw (embedding halfvec_cosine_ops);
REVOKE ALL ON documents, acls, classifications FROM app_search;
REVOKE USAGE ON SCHEMA public FROM app_search;
