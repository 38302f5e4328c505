-- The levels of config/roles.toml, the lowest first; whoever starts keeps them as they are written there.
CREATE TABLE classifications (
    name text PRIMARY KEY,
    level integer NOT NULL
);

-- A classification that nobody knows is above every clearance: forgetting a level hides, it never shows.
CREATE FUNCTION level_of(classification text) RETURNS integer LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN classification = '' THEN 0
           ELSE coalesce((SELECT c.level FROM classifications c WHERE c.name = classification), 2147483647) END
$$;

ALTER TABLE acls
    ADD COLUMN denied text[] NOT NULL DEFAULT '{}',
    ADD COLUMN classification text NOT NULL DEFAULT '',
    ADD COLUMN clearance integer NOT NULL DEFAULT 0,
    ADD COLUMN regions text[] NOT NULL DEFAULT '{}',
    DROP CONSTRAINT acls_readers_key;
CREATE UNIQUE INDEX acls_one_each ON acls (readers, denied, classification, regions);

CREATE FUNCTION acl_levelled() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.clearance := level_of(NEW.classification);
    RETURN NEW;
END $$;
CREATE TRIGGER acl_levelled BEFORE INSERT OR UPDATE ON acls FOR EACH ROW EXECUTE FUNCTION acl_levelled();

CREATE FUNCTION levels_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE acls SET clearance = level_of(classification) WHERE clearance <> level_of(classification);
    RETURN NULL;
END $$;
CREATE TRIGGER levels_changed AFTER INSERT OR UPDATE OR DELETE ON classifications
    FOR EACH STATEMENT EXECUTE FUNCTION levels_changed();

-- The filter, the one place where it is written in SQL; docs/explanation/rights-on-documents.md says it in words, and
-- app/domain/access.py in Python. Whatever is missing (no names, no clearance, no regions) allows nothing.
CREATE FUNCTION visible_acls(names text[], cleared integer, areas text[]) RETURNS integer[]
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT coalesce(array_agg(a.id), '{}') FROM acls a
    WHERE a.readers && names AND NOT a.denied && names AND a.clearance <= cleared
      AND (a.regions = '{}' OR a.regions && coalesce(areas, '{}'))
$$;

-- The same of the claims of this transaction, for row-level security.
CREATE FUNCTION my_acls() RETURNS integer[] LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT visible_acls(
        current_readers(),
        coalesce(nullif(current_setting('app.clearance', true), ''), '0')::integer,
        string_to_array(nullif(current_setting('app.regions', true), ''), E'\x1f')
    )
$$;

DROP POLICY readers_only ON documents;
DROP POLICY readers_only ON chunks;
CREATE POLICY readers_only ON documents FOR SELECT TO app_service
    USING (acl_id = ANY ((SELECT my_acls())::integer[]));
CREATE POLICY readers_only ON chunks FOR SELECT TO app_service
    USING (acl_id = ANY ((SELECT my_acls())::integer[]));

-- What an answer in a conversation stands on: the documents of its turn, and those of what was told before it. Once one
-- of them may not be read any more, no later prompt holds the answer.
ALTER TABLE messages
    ADD COLUMN documents uuid[] NOT NULL DEFAULT '{}',
    ADD COLUMN forgotten boolean NOT NULL DEFAULT false;
CREATE INDEX messages_by_turn ON messages (turn_id);

UPDATE messages m SET documents = ARRAY(
    SELECT DISTINCT (each ->> 'document_id')::uuid
    FROM turns t, jsonb_array_elements(t.passages || t.citations) AS each WHERE t.id = m.turn_id
) WHERE role = 'assistant';

CREATE FUNCTION shown_to(of_turn uuid) RETURNS uuid[] LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN ARRAY(
        SELECT (each ->> 'document_id')::uuid
        FROM turns t, jsonb_array_elements(t.passages || t.citations) AS each WHERE t.id = of_turn
        UNION
        SELECT (each ->> 'document_id')::uuid
        FROM turns t, jsonb_array_elements(coalesce(t.retrieval, '[]')) AS search,
             jsonb_array_elements(search -> 'considered') AS each
        WHERE t.id = of_turn AND (each ->> 'kept')::boolean
    );
END $$;
CREATE FUNCTION message_stands_on() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.documents := ARRAY(
        SELECT unnest(shown_to(NEW.turn_id)) UNION
        SELECT unnest(m.documents) FROM messages m WHERE m.session_id = NEW.session_id AND NOT m.forgotten
    );
    RETURN NEW;
END $$;
CREATE TRIGGER message_stands_on BEFORE INSERT ON messages
    FOR EACH ROW WHEN (NEW.role = 'assistant') EXECUTE FUNCTION message_stands_on();

CREATE OR REPLACE FUNCTION told_before(of_session uuid, newest integer, claims jsonb) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
    names text[] := ARRAY(SELECT jsonb_array_elements_text(claims -> 'names'));
    areas text[] := ARRAY(SELECT jsonb_array_elements_text(claims -> 'regions'));
    mine integer[] := visible_acls(names, (claims ->> 'clearance')::integer, areas);
BEGIN
    -- Row-level security reads these.
    PERFORM set_config('app.readers', array_to_string(names, E'\x1f'), true),
            set_config('app.clearance', coalesce(claims ->> 'clearance', ''), true),
            set_config('app.regions', array_to_string(areas, E'\x1f'), true);
    UPDATE messages m SET forgotten = true
    WHERE m.session_id = of_session AND NOT m.forgotten AND EXISTS (
        SELECT FROM unnest(m.documents) AS stands_on(id)
        WHERE NOT EXISTS (SELECT FROM documents d WHERE d.id = stands_on.id AND d.acl_id = ANY (mine))
    );
    RETURN (SELECT coalesce(jsonb_agg(jsonb_build_array(m.role, m.text) ORDER BY m.ordinal), '[]') FROM (
        SELECT role, ordinal,
               CASE WHEN forgotten THEN '(withheld: it stands on documents that the asker may no longer read)'
                    ELSE text END AS text
        FROM messages WHERE session_id = of_session ORDER BY ordinal DESC LIMIT newest
    ) AS m);
END $$;

-- What the directory said last. A group that it has listed once is its own for good: what a token says of it counts no
-- more, also after the directory dropped it.
CREATE TABLE directory_groups (
    name text PRIMARY KEY,
    parents text[] NOT NULL DEFAULT '{}',
    gone boolean NOT NULL DEFAULT false
);
CREATE TABLE directory_people (
    user_id text PRIMARY KEY,
    groups text[] NOT NULL
);
CREATE TABLE directory_state (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    hash text NOT NULL DEFAULT '',
    tried_at timestamptz,
    synced_at timestamptz,
    error text NOT NULL DEFAULT ''
);
INSERT INTO directory_state DEFAULT VALUES;

GRANT SELECT ON classifications, directory_groups, directory_people, directory_state TO app_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON classifications, directory_groups, directory_people TO app_ingest;
GRANT SELECT, UPDATE ON directory_state TO app_ingest;
