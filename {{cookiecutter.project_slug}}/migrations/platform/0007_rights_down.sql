-- Without these columns a denied, classified or regional document would be open to all of its readers.
DO $$ BEGIN
    IF EXISTS (SELECT FROM documents JOIN acls a ON a.id = acl_id
               WHERE a.denied <> '{}' OR a.classification <> '' OR a.regions <> '{}') THEN
        RAISE EXCEPTION 'documents carry denies, classifications or regions: remove these documents first';
    END IF;
END $$;

DROP POLICY readers_only ON documents;
DROP POLICY readers_only ON chunks;
CREATE POLICY readers_only ON documents FOR SELECT TO app_service
    USING (acl_id IN (SELECT a.id FROM acls a WHERE a.readers && current_readers()));
CREATE POLICY readers_only ON chunks FOR SELECT TO app_service
    USING (acl_id IN (SELECT a.id FROM acls a WHERE a.readers && current_readers()));

CREATE OR REPLACE FUNCTION told_before(of_session uuid, newest integer, claims jsonb) RETURNS jsonb
LANGUAGE plpgsql AS $$
BEGIN
    RETURN (SELECT coalesce(jsonb_agg(jsonb_build_array(m.role, m.text) ORDER BY m.ordinal), '[]') FROM (
        SELECT role, text, ordinal FROM messages WHERE session_id = of_session ORDER BY ordinal DESC LIMIT newest
    ) AS m);
END $$;
DROP TRIGGER message_stands_on ON messages;
DROP FUNCTION message_stands_on();
DROP FUNCTION shown_to(uuid);
DROP INDEX messages_by_turn;
ALTER TABLE messages DROP COLUMN documents, DROP COLUMN forgotten;

DROP TABLE directory_state, directory_people, directory_groups;
DROP FUNCTION my_acls();
DROP FUNCTION visible_acls(text[], integer, text[]);
DROP TRIGGER acl_levelled ON acls;
DROP TABLE classifications;
DROP FUNCTION levels_changed();
DROP FUNCTION acl_levelled();
DROP FUNCTION level_of(text);
DELETE FROM acls WHERE denied <> '{}' OR classification <> '' OR regions <> '{}';
DROP INDEX acls_one_each;
ALTER TABLE acls
    DROP COLUMN denied,
    DROP COLUMN classification,
    DROP COLUMN clearance,
    DROP COLUMN regions,
    ADD CONSTRAINT acls_readers_key UNIQUE (readers);
