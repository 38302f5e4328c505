-- Data keys, wrapped by the key-encryption keys of APP_DATA_KEYS, which are never in the database. The newest one that is
-- usable seals; it becomes usable some time after it was made, when every process knows it. A key that nothing is sealed
-- with any more is retired: its row stays, without the key.
CREATE TABLE data_keys (
    id integer PRIMARY KEY,
    wrapped_by text NOT NULL,
    wrapped bytea NOT NULL,
    made_at timestamptz NOT NULL DEFAULT now(),
    usable_from timestamptz NOT NULL DEFAULT now(),
    retired_at timestamptz
);

-- How far the rows of each sealed field have been sealed anew under a data key.
CREATE TABLE resealing (
    data_key integer NOT NULL REFERENCES data_keys,
    field text NOT NULL,
    after jsonb NOT NULL DEFAULT '[]',
    rows bigint NOT NULL DEFAULT 0,
    unreadable bigint NOT NULL DEFAULT 0,
    ended_at timestamptz,
    PRIMARY KEY (data_key, field)
);

GRANT SELECT, INSERT, UPDATE ON data_keys TO app_service;
GRANT SELECT, INSERT ON data_keys TO app_ingest;
GRANT SELECT, INSERT, UPDATE, DELETE ON resealing TO app_service;
-- So that a start can see whether the database is as new as the code.
GRANT SELECT ON alembic_version TO app_service;

-- A message is sealed for its turn, so the history tells which that was.
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
    RETURN (SELECT coalesce(jsonb_agg(jsonb_build_array(m.role, m.text, m.turn_id) ORDER BY m.ordinal), '[]') FROM (
        SELECT role, ordinal, turn_id,
               CASE WHEN forgotten THEN '(withheld: it stands on documents that the asker may no longer read)'
                    ELSE text END AS text
        FROM messages WHERE session_id = of_session ORDER BY ordinal DESC LIMIT newest
    ) AS m);
END $$;
