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
REVOKE SELECT ON alembic_version FROM app_service;
DROP TABLE resealing, data_keys;
