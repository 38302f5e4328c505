-- The functions of the search belong to this role: nobody logs in as it, and it may only read. Row-level security shows
-- it every row, so that PostgreSQL uses its indexes for `@@` and `<=>`; the functions filter by rights themselves, and
-- the statement around them reads the chunks under row-level security once more.
DO $$ BEGIN CREATE ROLE app_search NOLOGIN; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$;
GRANT app_search TO CURRENT_USER;

-- A space is what one embedding model makes: vectors of different spaces cannot be compared. `weight` is what a place
-- in the ranking by its vectors counts against the same place in the ranking by words.
CREATE TABLE spaces (
    id smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE,
    dimensions integer NOT NULL CHECK (dimensions BETWEEN 1 AND 3900),
    status text NOT NULL DEFAULT 'building' CHECK (status IN ('building', 'active', 'retired')),
    weight double precision NOT NULL DEFAULT 1,
    made_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX spaces_one_active ON spaces (status) WHERE status = 'active';

-- The text of a chunk is stemmed in the language of its document: the name of a text search configuration, as text
-- because a column of regconfig keeps PostgreSQL from being upgraded in place. The configurations that PostgreSQL brings
-- do not change, so that the function may be called immutable.
CREATE FUNCTION words_of(language text, heading text, body text) RETURNS tsvector
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog AS $$
BEGIN
    RETURN setweight(to_tsvector(CAST(language AS regconfig), heading), 'A')
        || setweight(to_tsvector(CAST(language AS regconfig), body), 'B');
END $$;
ALTER TABLE chunks ADD COLUMN language text NOT NULL DEFAULT 'english';
ALTER TABLE chunks ADD COLUMN is_current boolean NOT NULL DEFAULT true;
UPDATE chunks c SET is_current = NOT d.superseded FROM documents d WHERE d.id = c.document_id AND d.superseded;
ALTER TABLE chunks DROP COLUMN words;
ALTER TABLE chunks ADD COLUMN words tsvector GENERATED ALWAYS AS (words_of(language, heading, text)) STORED;
-- Inline and not compressed: the search ranks hundreds of them, and reads the text of a few.
ALTER TABLE chunks ALTER COLUMN words SET STORAGE MAIN;
-- Chunks that stay keep their ids, and change places in one statement.
ALTER TABLE chunks DROP CONSTRAINT chunks_document_id_ordinal_key,
    ADD CONSTRAINT chunks_document_id_ordinal_key UNIQUE (document_id, ordinal) DEFERRABLE INITIALLY IMMEDIATE;
CREATE INDEX chunks_words ON chunks USING gin (words) WITH (fastupdate = off);

-- How many current chunks each access has, per language: what the plan of a search is chosen by. A trigger keeps it.
CREATE TABLE chunk_counts (
    usecase text NOT NULL,
    acl_id integer NOT NULL,
    language text NOT NULL,
    chunks bigint NOT NULL,
    PRIMARY KEY (usecase, acl_id, language)
);
INSERT INTO chunk_counts SELECT usecase, acl_id, language, count(*) FROM chunks WHERE is_current GROUP BY 1, 2, 3;

-- One narrow table per space. The index holds what is in force; it is made after the load where there is one.
CREATE FUNCTION make_space(name text, dimensions integer, indexed boolean DEFAULT true) RETURNS smallint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    made smallint;
    vectors text;
BEGIN
    INSERT INTO spaces (name, dimensions) VALUES (make_space.name, make_space.dimensions) RETURNING id INTO made;
    vectors := 'vectors_' || made;
    EXECUTE format('CREATE TABLE %I (chunk_id bigint PRIMARY KEY REFERENCES chunks ON DELETE CASCADE,'
                   ' usecase text NOT NULL, acl_id integer NOT NULL, is_current boolean NOT NULL,'
                   ' embedding halfvec(%s) NOT NULL)', vectors, make_space.dimensions);
    -- Inline, not toasted: fetching toasted vectors costs five times the search.
    EXECUTE format('ALTER TABLE %I ALTER COLUMN embedding SET STORAGE PLAIN', vectors);
    EXECUTE format('CREATE INDEX %I ON %I (usecase, acl_id) WHERE is_current', vectors || '_by_acl', vectors);
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', vectors);
    EXECUTE format('CREATE POLICY readers_only ON %I FOR SELECT TO app_service'
                   ' USING (acl_id = ANY ((SELECT my_acls())::integer[]))', vectors);
    EXECUTE format('CREATE POLICY searching ON %I FOR SELECT TO app_search USING (true)', vectors);
    EXECUTE format('CREATE POLICY ingestion ON %I TO app_ingest USING (true) WITH CHECK (true)', vectors);
    EXECUTE format('GRANT SELECT ON %I TO app_service, app_search', vectors);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO app_ingest', vectors);
    IF indexed THEN
        PERFORM index_space(made);
    END IF;
    RETURN made;
END $$;

-- Building the index after the load takes a tenth of the time; until then the search is exact, however long that takes.
CREATE FUNCTION index_space(space smallint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    EXECUTE format('CREATE INDEX IF NOT EXISTS %I ON %I USING hnsw (embedding halfvec_cosine_ops) WHERE is_current',
                   'vectors_' || space || '_nearest', 'vectors_' || space);
END $$;

-- Only a space that is not searched can go.
CREATE FUNCTION drop_space(space smallint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    DELETE FROM spaces WHERE id = space AND status <> 'active';
    IF FOUND THEN
        EXECUTE format('DROP TABLE %I', 'vectors_' || space);
    END IF;
END $$;

REVOKE EXECUTE ON FUNCTION make_space(text, integer, boolean), index_space(smallint), drop_space(smallint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION make_space(text, integer, boolean), index_space(smallint), drop_space(smallint) TO app_ingest;

SELECT make_space('lexical-1', 384, indexed => false);
UPDATE spaces SET status = 'active', weight = 0.3 WHERE name = 'lexical-1';
INSERT INTO vectors_1 SELECT id, usecase, acl_id, is_current, embedding FROM chunks;
SELECT index_space(1::smallint);
ALTER TABLE chunks DROP COLUMN embedding;

-- Rights and validity follow from the chunk to its vectors in every space, and to the counts, in the same statement.
CREATE FUNCTION chunks_changed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    space smallint;
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO chunk_counts AS known SELECT usecase, acl_id, language, count(*) FROM now_there WHERE is_current
            GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
            ON CONFLICT (usecase, acl_id, language) DO UPDATE SET chunks = known.chunks + excluded.chunks;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO chunk_counts AS known SELECT usecase, acl_id, language, -count(*) FROM was_there WHERE is_current
            GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
            ON CONFLICT (usecase, acl_id, language) DO UPDATE SET chunks = known.chunks + excluded.chunks;
    ELSIF EXISTS (SELECT FROM now_there n JOIN was_there w USING (id)
                  WHERE (n.acl_id, n.is_current, n.language, n.usecase)
                      IS DISTINCT FROM (w.acl_id, w.is_current, w.language, w.usecase)) THEN
        INSERT INTO chunk_counts AS known SELECT usecase, acl_id, language, sum(one) FROM (
                SELECT usecase, acl_id, language, 1 AS one FROM now_there WHERE is_current
                UNION ALL SELECT usecase, acl_id, language, -1 FROM was_there WHERE is_current
            ) AS moved GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
            ON CONFLICT (usecase, acl_id, language) DO UPDATE SET chunks = known.chunks + excluded.chunks;
        FOR space IN SELECT id FROM spaces LOOP
            EXECUTE format('UPDATE %I v SET usecase = n.usecase, acl_id = n.acl_id, is_current = n.is_current'
                           ' FROM now_there n WHERE v.chunk_id = n.id AND (v.usecase, v.acl_id, v.is_current)'
                           ' IS DISTINCT FROM (n.usecase, n.acl_id, n.is_current)', 'vectors_' || space);
        END LOOP;
    END IF;
    RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION chunks_changed() FROM PUBLIC;
CREATE TRIGGER chunks_grew AFTER INSERT ON chunks
    REFERENCING NEW TABLE AS now_there FOR EACH STATEMENT EXECUTE FUNCTION chunks_changed();
CREATE TRIGGER chunks_moved AFTER UPDATE ON chunks
    REFERENCING OLD TABLE AS was_there NEW TABLE AS now_there FOR EACH STATEMENT EXECUTE FUNCTION chunks_changed();
CREATE TRIGGER chunks_shrank AFTER DELETE ON chunks
    REFERENCING OLD TABLE AS was_there FOR EACH STATEMENT EXECUTE FUNCTION chunks_changed();

-- A document's rights and validity reach its chunks, whoever changes them.
CREATE FUNCTION document_moved() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    UPDATE chunks SET acl_id = NEW.acl_id, is_current = NOT NEW.superseded
        WHERE document_id = NEW.id AND (acl_id, is_current) IS DISTINCT FROM (NEW.acl_id, NOT NEW.superseded);
    RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION document_moved() FROM PUBLIC;
CREATE TRIGGER documents_moved AFTER UPDATE OF acl_id, superseded ON documents
    FOR EACH ROW WHEN ((OLD.acl_id, OLD.superseded) IS DISTINCT FROM (NEW.acl_id, NEW.superseded))
    EXECUTE FUNCTION document_moved();

CREATE POLICY searching ON chunks FOR SELECT TO app_search USING (true);
CREATE POLICY searching ON documents FOR SELECT TO app_search USING (true);
GRANT USAGE ON SCHEMA public TO app_search;
GRANT SELECT ON chunks, documents, acls, spaces, chunk_counts, classifications TO app_search;
GRANT SELECT ON spaces TO app_service;
GRANT SELECT ON chunk_counts TO app_ingest;
GRANT SELECT, UPDATE ON spaces TO app_ingest;
