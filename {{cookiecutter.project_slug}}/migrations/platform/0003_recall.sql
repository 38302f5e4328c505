-- A number per set of readers and use case; it grows with every change of a document that these readers see, in the
-- same transaction. Cached answers are keyed by the numbers that the asker may see, so they fall with the change.
CREATE TABLE corpus_versions (
    usecase text NOT NULL,
    acl_id integer NOT NULL,
    version bigint NOT NULL DEFAULT 1,
    -- How many there are now: people share answers again once a document that only one of them could read is gone.
    documents bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (usecase, acl_id)
);
INSERT INTO corpus_versions (usecase, acl_id, documents) SELECT usecase, acl_id, count(*) FROM documents GROUP BY 1, 2;

-- The owner's rights, so that whoever writes documents needs none on the versions. In order, so that two writers who
-- touch the same sets of readers in one statement cannot wait for each other.
CREATE FUNCTION corpus_changed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO corpus_versions AS known (usecase, acl_id, documents)
            SELECT usecase, acl_id, count(*) FROM now_there GROUP BY 1, 2 ORDER BY 1, 2
            ON CONFLICT (usecase, acl_id)
            DO UPDATE SET version = known.version + 1, documents = known.documents + excluded.documents;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO corpus_versions AS known (usecase, acl_id, documents)
            SELECT usecase, acl_id, -count(*) FROM was_there GROUP BY 1, 2 ORDER BY 1, 2
            ON CONFLICT (usecase, acl_id)
            DO UPDATE SET version = known.version + 1, documents = known.documents + excluded.documents;
    ELSE
        INSERT INTO corpus_versions AS known (usecase, acl_id, documents)
            SELECT usecase, acl_id, sum(one) FROM (
                SELECT usecase, acl_id, 1 AS one FROM now_there UNION ALL SELECT usecase, acl_id, -1 FROM was_there
            ) AS moved GROUP BY 1, 2 ORDER BY 1, 2
            ON CONFLICT (usecase, acl_id)
            DO UPDATE SET version = known.version + 1, documents = known.documents + excluded.documents;
    END IF;
    RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION corpus_changed() FROM PUBLIC;
CREATE TRIGGER corpus_grew AFTER INSERT ON documents
    REFERENCING NEW TABLE AS now_there FOR EACH STATEMENT EXECUTE FUNCTION corpus_changed();
CREATE TRIGGER corpus_moved AFTER UPDATE ON documents
    REFERENCING OLD TABLE AS was_there NEW TABLE AS now_there FOR EACH STATEMENT EXECUTE FUNCTION corpus_changed();
CREATE TRIGGER corpus_shrank AFTER DELETE ON documents
    REFERENCING OLD TABLE AS was_there FOR EACH STATEMENT EXECUTE FUNCTION corpus_changed();

-- Questions that were answered, as vectors; the answer itself is in Redis under `key`. `scope` is everything that must be
-- the same besides the question, rights and embedding model included. No vector index: a scope holds the questions of
-- hours, and a walk along an index that other scopes fill would miss them.
CREATE TABLE semantic_answers (
    key text PRIMARY KEY,
    scope text NOT NULL,
    embedding halfvec NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX semantic_answers_by_scope ON semantic_answers (scope, expires_at);
CREATE INDEX semantic_answers_expired ON semantic_answers (expires_at);

GRANT SELECT ON corpus_versions TO app_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON semantic_answers TO app_service;
