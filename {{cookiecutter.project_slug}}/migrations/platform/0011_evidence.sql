-- What the turn's searches looked at: pointers and scores, never text. A list of searches, each as domain/turn.py
-- Retrieval; null where nothing was looked for.
ALTER TABLE turns ADD COLUMN retrieval jsonb;

-- Since when a document has its readers, and which job gave them: written by the database, so that nothing forgets it.
CREATE TABLE access_changes (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    document_id uuid NOT NULL REFERENCES documents ON DELETE CASCADE,
    at timestamptz NOT NULL DEFAULT now(),
    acl_id integer NOT NULL REFERENCES acls,
    job_id uuid
);
CREATE INDEX access_changes_by_document ON access_changes (document_id, id DESC);

-- The owner's rights: the roles that write documents cannot write, change or delete what is noted here.
CREATE FUNCTION note_access() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
    IF TG_OP = 'INSERT' OR NEW.acl_id IS DISTINCT FROM OLD.acl_id THEN
        INSERT INTO access_changes (document_id, acl_id, job_id)
        VALUES (NEW.id, NEW.acl_id, nullif(current_setting('app.job', true), '')::uuid);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER documents_note_access AFTER INSERT OR UPDATE OF acl_id ON documents
    FOR EACH ROW EXECUTE FUNCTION note_access();
INSERT INTO access_changes (document_id, at, acl_id) SELECT id, updated_at, acl_id FROM documents;

GRANT SELECT ON access_changes TO app_ingest;
