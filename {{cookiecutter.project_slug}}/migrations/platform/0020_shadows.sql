-- What people said the right answer is: proposed with a correction, a complaint or a reviewer's decision; a case of the
-- evaluation once a person accepts it. Masked like the ledger, and sealed.
CREATE TABLE captured_cases (
    id uuid PRIMARY KEY,
    turn_id uuid NOT NULL,
    usecase text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('correction', 'complaint', 'review')),
    asker text NOT NULL,
    proposed_by text NOT NULL,
    question text NOT NULL,
    expected text NOT NULL DEFAULT '',
    expected_data jsonb,
    remark text NOT NULL DEFAULT '',
    -- Whether the names that this service knows were looked for as well: housekeeping does it, within seconds.
    is_masked boolean NOT NULL DEFAULT false,
    status text NOT NULL CHECK (status IN ('proposed', 'accepted', 'rejected')),
    created_at timestamptz NOT NULL DEFAULT now(),
    decided_by text,
    decided_at timestamptz,
    reason text,
    -- When it was last written to a file of cases.
    written_at timestamptz,
    UNIQUE (turn_id, kind, proposed_by)
);
CREATE INDEX captured_cases_waiting ON captured_cases (status, created_at);
CREATE INDEX captured_cases_asker ON captured_cases (asker);
CREATE INDEX captured_cases_unmasked ON captured_cases (created_at) WHERE NOT is_masked;
GRANT SELECT, INSERT, UPDATE, DELETE ON captured_cases TO app_service;
GRANT SELECT, UPDATE, DELETE ON captured_cases TO app_keeper;

-- Turns that wait for their shadow: what the candidate is to be asked, sealed; the row goes when it was.
CREATE TABLE shadow_waiting (
    turn_id uuid PRIMARY KEY,
    usecase text NOT NULL,
    candidate text NOT NULL,
    user_id text NOT NULL,
    groups text[] NOT NULL,
    unit text NOT NULL,
    input text NOT NULL,
    at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX shadow_waiting_next ON shadow_waiting (usecase, at);
CREATE INDEX shadow_waiting_user ON shadow_waiting (user_id);
GRANT SELECT, INSERT, UPDATE, DELETE ON shadow_waiting TO app_service;
GRANT SELECT, DELETE ON shadow_waiting TO app_keeper;

-- A candidate's run beside the turn that people saw: figures only, the words stand in the ledger.
CREATE TABLE shadow_runs (
    shadow_id uuid PRIMARY KEY,
    turn_id uuid NOT NULL,
    usecase text NOT NULL,
    candidate text NOT NULL,
    seen_revision text NOT NULL,
    shadow_revision text NOT NULL,
    seen_outcome text NOT NULL,
    shadow_outcome text NOT NULL,
    agrees boolean NOT NULL,
    overlap double precision NOT NULL,
    -- The judge's: the candidate's answer is `better`, the `same` or `worse`; NULL where nobody was asked.
    preference text CHECK (preference IN ('better', 'same', 'worse')),
    seen_ms double precision NOT NULL,
    shadow_ms double precision NOT NULL,
    seen_usd numeric(14, 8),
    shadow_usd numeric(14, 8),
    judge_usd numeric(14, 8),
    at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX shadow_runs_by_candidate ON shadow_runs (usecase, candidate, at DESC);
GRANT SELECT, INSERT ON shadow_runs TO app_service;
GRANT SELECT, DELETE ON shadow_runs TO app_keeper;

-- A candidate against the current one on the cases of the evaluation, pair by pair.
CREATE TABLE comparisons (
    id uuid PRIMARY KEY,
    usecase text NOT NULL,
    candidate text NOT NULL,
    good boolean NOT NULL,
    report jsonb NOT NULL,
    commit text NOT NULL,
    at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX comparisons_newest ON comparisons (usecase, at DESC);
GRANT SELECT, INSERT ON comparisons TO app_service;
GRANT SELECT, DELETE ON comparisons TO app_keeper;

-- Shadows have a budget of their own, and draw on no other. What runs at this moment moves over with what it holds.
DO $$ DECLARE held reservations; BEGIN
    FOR held IN SELECT * FROM reservations WHERE channel = 'shadow' AND abandoned_at IS NULL FOR UPDATE LOOP
        PERFORM draw(held, 0, -held.amount);
    END LOOP;
END $$;
ALTER TABLE budgets DROP CONSTRAINT budgets_kind_check;
ALTER TABLE budgets ADD CONSTRAINT budgets_kind_check CHECK (kind IN ('person', 'unit', 'usecase', 'shadow'));
CREATE OR REPLACE FUNCTION budgets_of(turn reservations)
RETURNS TABLE (place integer, kind text, name text, period date)
LANGUAGE sql IMMUTABLE AS $$
    SELECT 1, 'person', turn.usecase || '/' || turn.user_id, (turn.started_at AT TIME ZONE 'UTC')::date
        WHERE turn.channel NOT IN ('evaluation', 'shadow')
    UNION ALL
    SELECT 2, 'unit', turn.unit, date_trunc('month', turn.started_at AT TIME ZONE 'UTC')::date
        WHERE turn.unit <> '' AND turn.channel <> 'shadow'
    UNION ALL
    SELECT 3, CASE turn.channel WHEN 'shadow' THEN 'shadow' ELSE 'usecase' END, turn.usecase,
        date_trunc('month', turn.started_at AT TIME ZONE 'UTC')::date
$$;
DO $$ DECLARE held reservations; BEGIN
    FOR held IN SELECT * FROM reservations WHERE channel = 'shadow' AND abandoned_at IS NULL LOOP
        PERFORM draw(held, 0, held.amount);
    END LOOP;
END $$;
