CREATE EXTENSION IF NOT EXISTS vector;

-- Roles belong to the whole server: another database may be making them at this very moment.
DO $$ BEGIN CREATE ROLE app_service NOLOGIN; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$;
DO $$ BEGIN CREATE ROLE app_ingest NOLOGIN; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$;

-- A managed server's owner is no superuser: to become these roles it must be one of them.
GRANT app_service, app_ingest TO CURRENT_USER;

CREATE TABLE sessions (
    id uuid PRIMARY KEY,
    usecase text NOT NULL,
    user_id text NOT NULL,
    title text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    busy_turn uuid,
    busy_until timestamptz
);
CREATE INDEX sessions_by_user ON sessions (user_id, updated_at DESC);

CREATE TABLE messages (
    session_id uuid NOT NULL REFERENCES sessions ON DELETE CASCADE,
    ordinal integer NOT NULL,
    turn_id uuid NOT NULL,
    role text NOT NULL CHECK (role IN ('user', 'assistant')),
    text text NOT NULL,
    citations jsonb NOT NULL DEFAULT '[]',
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (session_id, ordinal)
);

CREATE TABLE turns (
    id uuid NOT NULL,
    started_at timestamptz NOT NULL,
    usecase text NOT NULL,
    channel text NOT NULL,
    user_id text NOT NULL,
    unit text NOT NULL DEFAULT '',
    session_id uuid,
    job_id uuid,
    outcome text NOT NULL,
    reason text NOT NULL DEFAULT '',
    question text NOT NULL,
    answer text NOT NULL DEFAULT '',
    data jsonb,
    rung text NOT NULL DEFAULT '',
    model text NOT NULL DEFAULT '',
    revision text NOT NULL DEFAULT '',
    confidence double precision,
    latency_ms double precision NOT NULL,
    input_tokens integer NOT NULL DEFAULT 0,
    output_tokens integer NOT NULL DEFAULT 0,
    cost_usd numeric(14, 8),
    steps jsonb NOT NULL DEFAULT '[]',
    passages jsonb NOT NULL DEFAULT '[]',
    citations jsonb NOT NULL DEFAULT '[]',
    skipped jsonb NOT NULL DEFAULT '[]',
    findings jsonb NOT NULL DEFAULT '[]',
    error text NOT NULL DEFAULT '',
    trace_id text NOT NULL DEFAULT '',
    PRIMARY KEY (id, started_at)
) PARTITION BY RANGE (started_at);
CREATE INDEX turns_by_user ON turns (user_id, started_at DESC);
CREATE INDEX turns_by_usecase ON turns (usecase, started_at DESC);
CREATE TABLE turns_rest PARTITION OF turns DEFAULT;

CREATE TABLE calls (
    id uuid NOT NULL,
    started_at timestamptz NOT NULL,
    turn_id uuid NOT NULL,
    usecase text NOT NULL,
    user_id text NOT NULL,
    unit text NOT NULL DEFAULT '',
    rung text NOT NULL,
    provider text NOT NULL,
    model text NOT NULL,
    revision text NOT NULL,
    attempt integer NOT NULL DEFAULT 1,
    latency_ms double precision NOT NULL,
    input_tokens integer NOT NULL,
    output_tokens integer NOT NULL,
    cost_usd numeric(14, 8),
    error text NOT NULL DEFAULT '',
    PRIMARY KEY (id, started_at)
) PARTITION BY RANGE (started_at);
CREATE INDEX calls_by_turn ON calls (turn_id);
CREATE TABLE calls_rest PARTITION OF calls DEFAULT;

-- Called once a month ahead by housekeeping; the owner's rights, so that the application's role needs none.
CREATE FUNCTION ensure_month(month date) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public SET timezone = 'UTC' AS $$
DECLARE
    start date := date_trunc('month', month);
    suffix text := to_char(start, 'YYYY_MM');
    parent text;
BEGIN
    FOREACH parent IN ARRAY ARRAY['turns', 'calls'] LOOP
        IF to_regclass(parent || '_' || suffix) IS NULL THEN
            EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)',
                           parent || '_' || suffix, parent, start, start + interval '1 month');
        END IF;
    END LOOP;
END $$;
SELECT ensure_month(now()::date);
SELECT ensure_month((now() + interval '1 month')::date);

CREATE TABLE feedback (
    turn_id uuid NOT NULL,
    user_id text NOT NULL,
    thumbs text NOT NULL CHECK (thumbs IN ('up', 'down')),
    correction text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (turn_id, user_id)
);

CREATE TABLE idempotency (
    user_id text NOT NULL,
    key text NOT NULL,
    request_hash text NOT NULL,
    subject_id uuid NOT NULL,
    response jsonb,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, key)
);

CREATE TABLE jobs (
    id uuid PRIMARY KEY,
    kind text NOT NULL,
    usecase text NOT NULL DEFAULT '',
    user_id text NOT NULL,
    groups text[] NOT NULL DEFAULT '{}',
    input jsonb NOT NULL,
    status text NOT NULL,
    total integer NOT NULL,
    done integer NOT NULL DEFAULT 0,
    error text NOT NULL DEFAULT '',
    result jsonb,
    attempts integer NOT NULL DEFAULT 0,
    lease uuid,
    lease_until timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    started_at timestamptz,
    finished_at timestamptz
);
CREATE INDEX jobs_by_user ON jobs (user_id, created_at DESC);
CREATE INDEX jobs_open ON jobs (created_at) WHERE status IN ('queued', 'running', 'cancelling');

CREATE TABLE job_items (
    job_id uuid NOT NULL REFERENCES jobs ON DELETE CASCADE,
    ordinal integer NOT NULL,
    turn_id uuid,
    outcome text NOT NULL,
    answer text NOT NULL DEFAULT '',
    data jsonb,
    finished_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (job_id, ordinal)
);

CREATE TABLE job_events (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job_id uuid NOT NULL REFERENCES jobs ON DELETE CASCADE,
    event text NOT NULL,
    data jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX job_events_by_job ON job_events (job_id, id);

CREATE TABLE outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic text NOT NULL,
    payload jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    sent_at timestamptz
);
CREATE INDEX outbox_unsent ON outbox (id) WHERE sent_at IS NULL;

CREATE TABLE uploads (
    id uuid PRIMARY KEY,
    user_id text NOT NULL,
    filename text NOT NULL,
    media_type text NOT NULL,
    content bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- A small number per distinct set of readers: filters compare integers, and the planner knows how many rows each has.
CREATE TABLE acls (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    readers text[] NOT NULL UNIQUE CHECK (cardinality(readers) > 0)
);
CREATE INDEX acls_readers ON acls USING gin (readers);

CREATE TABLE documents (
    id uuid PRIMARY KEY,
    usecase text NOT NULL,
    source text NOT NULL,
    path text NOT NULL,
    title text NOT NULL,
    media_type text NOT NULL,
    content_hash text NOT NULL,
    effective_on date,
    superseded boolean NOT NULL DEFAULT false,
    acl_id integer NOT NULL REFERENCES acls,
    owner text NOT NULL DEFAULT '',
    status text NOT NULL,
    detail text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (usecase, source, path)
);

CREATE TABLE chunks (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    document_id uuid NOT NULL REFERENCES documents ON DELETE CASCADE,
    usecase text NOT NULL,
    acl_id integer NOT NULL REFERENCES acls,
    ordinal integer NOT NULL,
    heading text NOT NULL DEFAULT '',
    page integer,
    text text NOT NULL,
    suspicious boolean NOT NULL DEFAULT false,
    words tsvector GENERATED ALWAYS AS (
        setweight(to_tsvector('english', heading), 'A') || setweight(to_tsvector('english', text), 'B')
    ) STORED,
    embedding halfvec(384) NOT NULL,
    UNIQUE (document_id, ordinal)
);
-- Inline, not toasted: fetching toasted vectors costs five times the search.
ALTER TABLE chunks ALTER COLUMN embedding SET STORAGE PLAIN;
CREATE INDEX chunks_by_acl ON chunks (usecase, acl_id);
CREATE INDEX chunks_words ON chunks USING gin (words);
CREATE INDEX chunks_embedding ON chunks USING hnsw (embedding halfvec_cosine_ops);

CREATE TABLE flags (
    key text PRIMARY KEY,
    definition jsonb NOT NULL,
    owner text NOT NULL,
    expires_on date NOT NULL,
    version integer NOT NULL DEFAULT 1,
    changed_by text NOT NULL,
    reason text NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE audit (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    actor text NOT NULL,
    action text NOT NULL,
    subject text NOT NULL,
    reason text NOT NULL CHECK (reason <> ''),
    before jsonb,
    after jsonb
);
CREATE INDEX audit_by_subject ON audit (subject, id DESC);

CREATE TABLE reviews (
    id uuid PRIMARY KEY,
    turn_id uuid NOT NULL UNIQUE,
    usecase text NOT NULL,
    asker text NOT NULL,
    question text NOT NULL,
    draft text NOT NULL,
    data jsonb,
    why text NOT NULL,
    status text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'approved', 'rejected')),
    decided_by text,
    reason text,
    final text,
    final_data jsonb,
    created_at timestamptz NOT NULL DEFAULT now(),
    decided_at timestamptz,
    CHECK (decided_by IS NULL OR decided_by <> asker)
);
CREATE INDEX reviews_open ON reviews (created_at) WHERE status = 'open';

CREATE TABLE evaluations (
    id uuid PRIMARY KEY,
    usecase text NOT NULL,
    revision text NOT NULL,
    commit text NOT NULL DEFAULT '',
    passed integer NOT NULL,
    total integer NOT NULL,
    pass_rate double precision NOT NULL,
    low double precision NOT NULL,
    high double precision NOT NULL,
    threshold double precision NOT NULL,
    good boolean NOT NULL,
    report jsonb NOT NULL,
    at timestamptz NOT NULL DEFAULT now()
);

-- Deny unless allowed: without `app.readers` nothing is visible, whatever the query says.
CREATE FUNCTION current_readers() RETURNS text[] LANGUAGE sql STABLE PARALLEL SAFE
    RETURN string_to_array(nullif(current_setting('app.readers', true), ''), E'\x1f');

ALTER TABLE documents ENABLE ROW LEVEL SECURITY;
ALTER TABLE chunks ENABLE ROW LEVEL SECURITY;
CREATE POLICY readers_only ON documents FOR SELECT TO app_service
    USING (acl_id IN (SELECT a.id FROM acls a WHERE a.readers && current_readers()));
CREATE POLICY readers_only ON chunks FOR SELECT TO app_service
    USING (acl_id IN (SELECT a.id FROM acls a WHERE a.readers && current_readers()));
CREATE POLICY ingestion ON documents TO app_ingest USING (true) WITH CHECK (true);
CREATE POLICY ingestion ON chunks TO app_ingest USING (true) WITH CHECK (true);

GRANT USAGE ON SCHEMA public TO app_service, app_ingest;
GRANT SELECT, INSERT, UPDATE, DELETE ON
    sessions, messages, feedback, idempotency, jobs, job_items, job_events, outbox, uploads, flags, reviews, evaluations
    TO app_service;
GRANT SELECT, INSERT ON turns, calls, audit TO app_service;
GRANT SELECT ON documents, chunks, acls TO app_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON documents, chunks, acls TO app_ingest;
GRANT SELECT, DELETE ON uploads TO app_ingest;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO app_service, app_ingest;
GRANT EXECUTE ON FUNCTION ensure_month(date) TO app_service;
