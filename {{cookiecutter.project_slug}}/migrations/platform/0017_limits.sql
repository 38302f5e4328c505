-- Who may not ask for a while, or not come in at all: set by hand, or because spending suddenly rose. A row that has
-- ended stays: it says who was kept out, when and why.
CREATE TABLE restrictions (
    id uuid PRIMARY KEY,
    subject text NOT NULL CHECK (subject ~ '^(user|key|address):.'),
    what text NOT NULL CHECK (what IN ('ask', 'everything')),
    cause text NOT NULL CHECK (cause IN ('operator', 'spike')),
    reason text NOT NULL CHECK (reason <> ''),
    set_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    until timestamptz,
    lifted_at timestamptz,
    lifted_by text
);
-- One at a time for each subject; what was set later replaces it.
CREATE UNIQUE INDEX restrictions_standing ON restrictions (subject) WHERE lifted_at IS NULL;
CREATE INDEX restrictions_by_subject ON restrictions (subject, created_at DESC);
GRANT SELECT, INSERT, UPDATE ON restrictions TO app_service;
GRANT SELECT, UPDATE ON restrictions TO app_keeper;

-- Which key asked, so that one key's spending is seen beside its owner's; empty or NULL: a person's own token.
ALTER TABLE turns ADD COLUMN key_id text;
-- Every few seconds: who has spent how much in the last minutes?
CREATE INDEX turns_spending ON turns (started_at) INCLUDE (user_id, key_id, usecase, cost_usd) WHERE cost_usd > 0;
