-- Every entry of the audit holds a hash over itself and the hash before it: who changes one must change all after it.
-- `seq` is its place, without gaps; both are set at commit, so that whoever writes an entry early keeps nobody waiting.
ALTER TABLE audit
    ADD COLUMN seq bigint UNIQUE,
    ADD COLUMN previous bytea,
    ADD COLUMN hash bytea;
CREATE INDEX audit_by_action ON audit (action, seq);
CREATE INDEX audit_erased ON audit USING gin ((after -> 'turns')) WHERE action = 'turns.erased';

-- What is hashed, as text. app/store/chain.py writes the same out by itself: a verifier must not ask the suspect.
CREATE FUNCTION audit_sealed(entry audit, place bigint) RETURNS text LANGUAGE sql STABLE
    RETURN jsonb_build_array(
        place, to_char(entry.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), entry.actor, entry.action,
        entry.subject, entry.reason, entry.before, entry.after
    )::text;

CREATE FUNCTION chain_audit(entry audit) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE
    place bigint;
    last bytea;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('audit'));
    SELECT a.seq + 1, a.hash INTO place, last FROM audit a WHERE a.seq IS NOT NULL ORDER BY a.seq DESC LIMIT 1;
    place := coalesce(place, 1);
    last := coalesce(last, decode(repeat('00', 32), 'hex'));
    UPDATE audit a
        SET seq = place, previous = last, hash = sha256(last || convert_to(audit_sealed(entry, place), 'UTF8'))
        WHERE a.id = entry.id;
END $$;

-- Entries that were there before come after the first one, in their order; nobody can say that they are as they were.
DO $$
DECLARE
    entry audit;
    before bigint := (SELECT count(*) FROM audit);
BEGIN
    INSERT INTO audit (actor, action, subject, reason, after)
        VALUES ('migration', 'audit.begins', 'audit', 'from here on each entry is chained to the one before it',
                jsonb_build_object('chain', gen_random_uuid(), 'entries_before', before))
        RETURNING * INTO entry;
    PERFORM chain_audit(entry);
    FOR entry IN SELECT * FROM audit WHERE seq IS NULL ORDER BY id LOOP
        PERFORM chain_audit(entry);
    END LOOP;
END $$;

CREATE FUNCTION chain_new_entry() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
    PERFORM chain_audit(NEW);
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER audit_is_chained AFTER INSERT ON audit DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION chain_new_entry();

-- For everybody, the owner included: only an entry of this very transaction takes its place in the chain, once.
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND TG_TABLE_NAME = 'audit' THEN
        IF to_jsonb(OLD) ->> 'hash' IS NULL
            AND to_jsonb(OLD) - '{seq,previous,hash}'::text[] = to_jsonb(NEW) - '{seq,previous,hash}'::text[] THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER audit_is_append_only BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_is_not_emptied BEFORE TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- The application says what happened; place, time and hash are not its to choose.
REVOKE ALL ON audit FROM app_service, app_ingest;
GRANT SELECT, INSERT (actor, action, subject, reason, before, after) ON audit TO app_service;
REVOKE EXECUTE ON FUNCTION chain_audit(audit), chain_new_entry() FROM PUBLIC;

-- The fingerprint of each turn of the ledger; a batch of them is one entry of the audit, `turns.sealed`.
CREATE TABLE turn_digests (
    turn_id uuid NOT NULL,
    started_at timestamptz NOT NULL,
    usecase text NOT NULL,
    batch uuid NOT NULL,
    digest bytea NOT NULL,
    PRIMARY KEY (turn_id, started_at)
) PARTITION BY RANGE (started_at);
CREATE INDEX turn_digests_by_batch ON turn_digests (batch);
CREATE INDEX turn_digests_by_time ON turn_digests USING brin (started_at) WITH (pages_per_range = 32, autosummarize = on);
CREATE TABLE turn_digests_rest PARTITION OF turn_digests DEFAULT;
GRANT SELECT, INSERT ON turn_digests TO app_service;

-- Almost nothing to keep up, and turns come in their order: what is new is found without reading the month.
CREATE INDEX turns_by_time ON turns USING brin (started_at) WITH (pages_per_range = 32, autosummarize = on);

CREATE OR REPLACE FUNCTION ensure_month(month date) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public SET timezone = 'UTC' AS $$
DECLARE
    start date := date_trunc('month', month);
    suffix text := to_char(start, 'YYYY_MM');
    parent text;
BEGIN
    FOREACH parent IN ARRAY ARRAY['turns', 'calls', 'turn_digests'] LOOP
        IF to_regclass(parent || '_' || suffix) IS NULL THEN
            EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)',
                           parent || '_' || suffix, parent, start, start + interval '1 month');
        END IF;
    END LOOP;
END $$;
-- As many months as the ledger has.
SELECT ensure_month(to_date(right(c.relname, 7), 'YYYY_MM')) FROM pg_class c JOIN pg_inherits i ON i.inhrelid = c.oid
    WHERE i.inhparent = 'turns'::regclass AND c.relname ~ '^turns_\d{4}_\d{2}$';

-- What each verification found; `broken` is empty when all was well.
CREATE TABLE audit_checks (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    whole boolean NOT NULL,
    seq bigint NOT NULL,
    head bytea NOT NULL,
    entries bigint NOT NULL,
    turns bigint NOT NULL,
    broken text NOT NULL DEFAULT '',
    broken_seq bigint,
    ms double precision NOT NULL
);
GRANT SELECT, INSERT ON audit_checks TO app_service;

-- What an answer, or a question, was stopped for. No words of anybody: who may read them reads the turn.
CREATE TABLE incidents (
    id uuid PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    kind text NOT NULL,
    turn_id uuid NOT NULL,
    usecase text NOT NULL,
    user_id text NOT NULL,
    channel text NOT NULL,
    detail text NOT NULL,
    status text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'closed')),
    closed_by text,
    closed_at timestamptz,
    note text,
    CHECK ((status = 'closed') = (closed_by IS NOT NULL AND note IS NOT NULL AND note <> ''))
);
CREATE INDEX incidents_open ON incidents (at DESC) WHERE status = 'open';
CREATE INDEX incidents_by_turn ON incidents (turn_id);
GRANT SELECT, INSERT, UPDATE ON incidents TO app_service;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO app_service;
