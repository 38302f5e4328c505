-- The asker's rights as they were: what is approved later runs with these, and no others.
ALTER TABLE reviews
    ADD COLUMN asker_groups text[] NOT NULL DEFAULT '{}',
    ADD COLUMN asker_unit text NOT NULL DEFAULT '',
    ADD COLUMN job_id uuid;

-- Uses of tools with effects. `running` is committed before the tool is called: who finds it later knows that somebody
-- began and cannot know how far they came, so it becomes `unknown` and goes to a person instead of being repeated.
CREATE TABLE review_actions (
    review_id uuid NOT NULL REFERENCES reviews ON DELETE CASCADE,
    ordinal integer NOT NULL,
    tool text NOT NULL,
    proposed jsonb NOT NULL,
    arguments jsonb NOT NULL,
    status text NOT NULL DEFAULT 'waits'
        CHECK (status IN ('waits', 'approved', 'running', 'ran', 'failed', 'unknown', 'rejected')),
    result text NOT NULL DEFAULT '',
    error text NOT NULL DEFAULT '',
    started_at timestamptz,
    finished_at timestamptz,
    PRIMARY KEY (review_id, ordinal)
);
CREATE INDEX review_actions_begun ON review_actions (review_id) WHERE status IN ('approved', 'running');
GRANT SELECT, INSERT, UPDATE, DELETE ON review_actions TO app_service;
