-- What the source said of the bytes that a document was read from; the same again means that nothing has changed.
ALTER TABLE documents ADD COLUMN version text NOT NULL DEFAULT '';

-- One row per source: which job reads it, since when its list is complete, and when it was last asked for by the clock.
CREATE TABLE readings (
    usecase text NOT NULL,
    source text NOT NULL,
    job_id uuid,
    begun_at timestamptz,
    listed_at timestamptz,
    ended_at timestamptz,
    removed integer NOT NULL DEFAULT 0,
    submitted_at timestamptz,
    PRIMARY KEY (usecase, source)
);

-- What the source lists, until each of it has been read: a worker that takes over goes on from here.
CREATE TABLE listed (
    usecase text NOT NULL,
    source text NOT NULL,
    path text NOT NULL,
    title text NOT NULL,
    media_type text NOT NULL,
    version text NOT NULL,
    language text NOT NULL,
    effective_on date,
    supersedes text NOT NULL,
    superseded boolean NOT NULL DEFAULT false,
    acl_id integer REFERENCES acls,
    moved boolean NOT NULL DEFAULT false,
    tries integer NOT NULL DEFAULT 0,
    outcome text NOT NULL DEFAULT '',
    detail text NOT NULL DEFAULT '',
    PRIMARY KEY (usecase, source, path)
);
CREATE INDEX listed_to_read ON listed (usecase, source, tries, path) WHERE outcome = '';
CREATE INDEX listed_supersedes ON listed (usecase, source, supersedes) WHERE supersedes <> '';

-- The list names documents to nobody but ingestion.
GRANT SELECT, INSERT, UPDATE, DELETE ON readings, listed TO app_ingest;
GRANT SELECT, INSERT, UPDATE ON readings TO app_service;
-- Whether the job that holds a source is still alive; what people asked for is none of ingestion's business.
GRANT SELECT (id, status, lease_until) ON jobs TO app_ingest;
