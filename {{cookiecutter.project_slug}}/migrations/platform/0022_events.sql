-- Who is told of events over HTTP. The secrets that sign are sealed; what is taken off is kept, turned off, for its past.
CREATE TABLE webhooks (
    id uuid PRIMARY KEY,
    name text NOT NULL UNIQUE CHECK (name <> ''),
    url text NOT NULL CHECK (url ~ '^https?://'),
    kinds text[] NOT NULL CHECK (cardinality(kinds) > 0),
    -- NULL: of every use case.
    usecases text[],
    words boolean NOT NULL DEFAULT false,
    secret text NOT NULL,
    former_secret text,
    former_until timestamptz,
    enabled boolean NOT NULL DEFAULT true,
    why_off text NOT NULL DEFAULT '',
    -- Words leave under the rights of who made this, as they are when it is sent.
    created_by text NOT NULL,
    groups text[] NOT NULL DEFAULT '{}',
    unit text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    changed_at timestamptz NOT NULL DEFAULT now(),
    version integer NOT NULL DEFAULT 1,
    failures integer NOT NULL DEFAULT 0,
    held_until timestamptz,
    lease uuid,
    lease_until timestamptz,
    last_ok_at timestamptz,
    last_failed_at timestamptz,
    last_error text NOT NULL DEFAULT ''
);

CREATE TABLE events (
    id uuid PRIMARY KEY,
    seq bigint GENERATED ALWAYS AS IDENTITY,
    kind text NOT NULL,
    subject text NOT NULL,
    usecase text NOT NULL DEFAULT '',
    data jsonb NOT NULL,
    people text[] NOT NULL DEFAULT '{}',
    at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX events_by_time ON events (at);
CREATE INDEX events_people ON events USING gin (people);

CREATE TABLE deliveries (
    webhook_id uuid NOT NULL REFERENCES webhooks ON DELETE CASCADE,
    event_id uuid NOT NULL REFERENCES events ON DELETE CASCADE,
    status text NOT NULL DEFAULT 'waiting' CHECK (status IN ('waiting', 'delivered', 'dead')),
    attempts integer NOT NULL DEFAULT 0,
    -- The age at which it is given up counts from here; a replay begins anew.
    created_at timestamptz NOT NULL DEFAULT now(),
    next_at timestamptz NOT NULL DEFAULT now(),
    last_status integer,
    last_error text NOT NULL DEFAULT '',
    took_ms double precision,
    ended_at timestamptz,
    PRIMARY KEY (webhook_id, event_id)
);
CREATE INDEX deliveries_due ON deliveries (webhook_id, next_at) WHERE status = 'waiting';
CREATE INDEX deliveries_dead ON deliveries (webhook_id, ended_at) WHERE status = 'dead';
CREATE INDEX deliveries_by_event ON deliveries (event_id);

-- Writes an event and its deliveries; one of each turn is written only where somebody listens.
CREATE FUNCTION emit_event(p_id uuid, p_kind text, p_subject text, p_usecase text, p_data jsonb, p_people text[])
RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    heard uuid[];
BEGIN
    SELECT array_agg(w.id) INTO heard FROM webhooks w
        WHERE w.enabled AND p_kind = ANY (w.kinds)
        AND (w.usecases IS NULL OR p_usecase = '' OR p_usecase = ANY (w.usecases));
    IF heard IS NULL AND p_kind = 'answer.given' THEN
        RETURN 0;
    END IF;
    INSERT INTO events (id, kind, subject, usecase, data, people)
        VALUES (p_id, p_kind, p_subject, p_usecase, p_data, p_people);
    INSERT INTO deliveries (webhook_id, event_id) SELECT unnest(heard), p_id;
    RETURN coalesce(cardinality(heard), 0);
END $$;

-- As `end_turn`, for a turn of whose answer somebody wants to hear: still one trip.
CREATE FUNCTION end_turn_and_tell(
    turn jsonb, made jsonb, said jsonb, known text, cost numeric, event uuid, told jsonb, people text[]
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    in_time boolean := end_turn(turn, made, said, known, cost);
BEGIN
    IF in_time THEN
        PERFORM emit_event(event, 'answer.given', 'turns/' || (turn ->> 'id'), turn ->> 'usecase', told, people);
    END IF;
    RETURN in_time;
END $$;

GRANT SELECT, INSERT, UPDATE ON webhooks TO app_service;
GRANT SELECT, INSERT ON events TO app_service;
GRANT SELECT, INSERT, UPDATE ON deliveries TO app_service;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO app_service;
GRANT SELECT, UPDATE ON webhooks TO app_keeper;
GRANT SELECT, UPDATE, DELETE ON events, deliveries TO app_keeper;

-- Jobs that ended badly, for those who look into them.
CREATE INDEX jobs_failed ON jobs (finished_at DESC) WHERE status = 'failed';
