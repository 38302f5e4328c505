-- The role of the jobs that let data go: retention and erasure. Nobody logs in as it. Of the ledger it may read; what it
-- may take away there is what the functions below allow, which belong to the owner and are granted to it alone.
DO $$ BEGIN CREATE ROLE app_keeper NOLOGIN; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$;
GRANT app_keeper TO CURRENT_USER;
GRANT USAGE ON SCHEMA public TO app_keeper;

-- What may not go: data of a person, of a use case, or of a time; whatever is not stated covers everything.
CREATE TABLE holds (
    id uuid PRIMARY KEY,
    user_id text NOT NULL DEFAULT '',
    usecase text NOT NULL DEFAULT '',
    since timestamptz,
    until timestamptz,
    reason text NOT NULL CHECK (reason <> ''),
    -- What the person may be told; the reason itself may be none of their business.
    told text NOT NULL CHECK (told <> ''),
    placed_by text NOT NULL,
    placed_at timestamptz NOT NULL DEFAULT now(),
    ends_at timestamptz,
    released_by text,
    released_because text,
    released_at timestamptz,
    CHECK (user_id <> '' OR usecase <> '' OR since IS NOT NULL OR until IS NOT NULL)
);
CREATE INDEX holds_in_force ON holds (user_id) WHERE released_at IS NULL;

CREATE FUNCTION is_held(p_user text, p_usecase text, p_at timestamptz) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT FROM holds h WHERE h.released_at IS NULL AND (h.ends_at IS NULL OR h.ends_at > now())
        AND (h.user_id = '' OR h.user_id = p_user) AND (h.usecase = '' OR h.usecase = p_usecase)
        AND (h.since IS NULL OR p_at >= h.since) AND (h.until IS NULL OR p_at < h.until)
    )
$$;

-- What a person may be told of each hold that covers something of theirs; the owner's rights, as every role must ask.
CREATE FUNCTION holds_on(p_user text) RETURNS SETOF text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT h.told FROM holds h
    WHERE h.released_at IS NULL AND (h.ends_at IS NULL OR h.ends_at > now()) AND (h.user_id = p_user
        OR h.user_id = '' AND EXISTS (
            SELECT FROM turns t WHERE t.user_id = p_user AND (h.usecase = '' OR t.usecase = h.usecase)
            AND (h.since IS NULL OR t.started_at >= h.since) AND (h.until IS NULL OR t.started_at < h.until)
            UNION ALL SELECT FROM sessions s WHERE s.user_id = p_user AND (h.usecase = '' OR s.usecase = h.usecase)
            AND (h.since IS NULL OR s.updated_at >= h.since) AND (h.until IS NULL OR s.created_at < h.until)
            UNION ALL SELECT FROM jobs j WHERE j.user_id = p_user AND (h.usecase = '' OR j.usecase = h.usecase)
            AND (h.since IS NULL OR j.created_at >= h.since) AND (h.until IS NULL OR j.created_at < h.until)
            UNION ALL SELECT FROM documents d WHERE d.owner = p_user AND (h.usecase = '' OR d.usecase = h.usecase)
            AND (h.since IS NULL OR d.updated_at >= h.since) AND (h.until IS NULL OR d.created_at < h.until)
        ))
    ORDER BY h.placed_at
$$;

-- A request to erase a person; it ends as the certificate of what was erased. Pseudonym and documents stand here only
-- while it runs: afterwards nothing leads from the person to what was kept of them.
CREATE TABLE erasures (
    id uuid PRIMARY KEY,
    user_id text NOT NULL,
    requested_by text NOT NULL,
    reason text NOT NULL CHECK (reason <> ''),
    status text NOT NULL DEFAULT 'queued' CHECK (status IN ('queued', 'running', 'held', 'done')),
    requested_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    job_id uuid NOT NULL,
    pseudonym text NOT NULL DEFAULT '',
    documents uuid[] NOT NULL DEFAULT '{}',
    counts jsonb NOT NULL DEFAULT '{}',
    certificate jsonb,
    hash text NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX erasures_open ON erasures (user_id) WHERE status <> 'done';
CREATE INDEX erasures_by_person ON erasures (user_id, requested_at DESC);

-- When retention last ran to its end, and what it removed.
CREATE TABLE retention_state (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    submitted_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz NOT NULL DEFAULT now(),
    removed jsonb NOT NULL DEFAULT '{}'
);
INSERT INTO retention_state DEFAULT VALUES;

-- What turns and calls added up to whose rows are gone. Added in the statement's own transaction that removes the rows,
-- so that the ledger and this table together always give the same sums. Rows without a model count turns, the others
-- calls (turns and failed: those in which the model was called); the channel of a job's own calls is empty.
CREATE TABLE daily_costs (
    day date NOT NULL,
    usecase text NOT NULL,
    unit text NOT NULL,
    channel text NOT NULL,
    model text NOT NULL,
    turns bigint NOT NULL DEFAULT 0,
    failed bigint NOT NULL DEFAULT 0,
    refused bigint NOT NULL DEFAULT 0,
    calls bigint NOT NULL DEFAULT 0,
    unpriced bigint NOT NULL DEFAULT 0,
    input_tokens bigint NOT NULL DEFAULT 0,
    output_tokens bigint NOT NULL DEFAULT 0,
    cost_usd numeric(18, 8) NOT NULL DEFAULT 0,
    saved_by_cache_usd numeric(18, 8) NOT NULL DEFAULT 0,
    saved_by_routes_usd numeric(18, 8) NOT NULL DEFAULT 0,
    PRIMARY KEY (day, usecase, unit, channel, model)
);

-- Adds up turns, with their calls, and calls of jobs that started in [p_from, p_to); ids narrow it.
CREATE FUNCTION keep_daily_costs(p_from timestamptz, p_to timestamptz, p_turns uuid[], p_calls uuid[]) RETURNS void
LANGUAGE sql AS $$
    INSERT INTO daily_costs AS kept (
        day, usecase, unit, channel, model, turns, failed, refused, calls, unpriced, input_tokens, output_tokens,
        cost_usd, saved_by_cache_usd, saved_by_routes_usd
    )
    SELECT (t.started_at AT TIME ZONE 'UTC')::date, t.usecase, t.unit, t.channel, '', count(*),
        count(*) FILTER (WHERE t.outcome LIKE 'failed%'), count(*) FILTER (WHERE t.outcome LIKE 'refused_b%'),
        0, 0, 0, 0, 0, sum(t.saved_usd), coalesce(sum((t.route ->> 'saved_usd')::numeric), 0)
    FROM turns t
    WHERE t.started_at >= p_from AND t.started_at < p_to AND (p_turns IS NULL OR t.id = ANY (p_turns))
    GROUP BY 1, 2, 3, 4
    UNION ALL
    SELECT (c.started_at AT TIME ZONE 'UTC')::date, c.usecase, c.unit, coalesce(t.channel, ''),
        c.provider || ':' || c.model, count(DISTINCT c.turn_id),
        count(DISTINCT c.turn_id) FILTER (WHERE c.error <> ''), 0, count(*),
        count(*) FILTER (WHERE c.cost_usd IS NULL), sum(c.input_tokens), sum(c.output_tokens),
        coalesce(sum(c.cost_usd), 0), 0, 0
    FROM calls c LEFT JOIN turns t ON t.id = c.turn_id AND t.started_at = c.started_at
    WHERE c.started_at >= p_from AND c.started_at < p_to
        AND (p_turns IS NULL AND p_calls IS NULL OR c.turn_id = ANY (p_turns) OR c.id = ANY (p_calls))
    GROUP BY 1, 2, 3, 4, 5
    ON CONFLICT (day, usecase, unit, channel, model) DO UPDATE SET
        turns = kept.turns + excluded.turns, failed = kept.failed + excluded.failed,
        refused = kept.refused + excluded.refused, calls = kept.calls + excluded.calls,
        unpriced = kept.unpriced + excluded.unpriced, input_tokens = kept.input_tokens + excluded.input_tokens,
        output_tokens = kept.output_tokens + excluded.output_tokens, cost_usd = kept.cost_usd + excluded.cost_usd,
        saved_by_cache_usd = kept.saved_by_cache_usd + excluded.saved_by_cache_usd,
        saved_by_routes_usd = kept.saved_by_routes_usd + excluded.saved_by_routes_usd
$$;

-- Nobody may take away today's evidence with these functions, whatever they are told.
CREATE FUNCTION refuse_recent(p_before timestamptz) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF p_before > now() - interval '23 hours' THEN
        RAISE EXCEPTION 'the ledger keeps every turn for a day at least; % is too recent', p_before;
    END IF;
END $$;

-- Removes turns of a use case that started before a time, each with its calls; gives how many, at most `p_most`. What
-- is held stays. The sums go to daily_costs. Fingerprints stay until their month goes: the audit covers whole batches.
CREATE FUNCTION expire_turns(p_usecase text, p_before timestamptz, p_most integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    ids uuid[];
    first timestamptz;
    last timestamptz;
BEGIN
    PERFORM refuse_recent(p_before), pg_advisory_xact_lock(hashtext('retention'));
    SELECT array_agg(due.id), min(due.started_at), max(due.started_at) + interval '1 microsecond'
        INTO ids, first, last FROM (
            SELECT t.id, t.started_at FROM turns t WHERE t.usecase = p_usecase AND t.started_at < p_before
            AND NOT is_held(t.user_id, t.usecase, t.started_at) ORDER BY t.started_at LIMIT p_most FOR UPDATE
        ) AS due;
    IF ids IS NULL THEN
        RETURN 0;
    END IF;
    PERFORM keep_daily_costs(first, last, ids, '{}');
    DELETE FROM calls c WHERE c.turn_id = ANY (ids) AND c.started_at >= first AND c.started_at < last;
    DELETE FROM turns t WHERE t.id = ANY (ids) AND t.started_at >= first AND t.started_at < last;
    RETURN cardinality(ids);
END $$;

-- The same for calls that jobs made by themselves.
CREATE FUNCTION expire_calls(p_usecase text, p_before timestamptz, p_most integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    ids uuid[];
    first timestamptz;
    last timestamptz;
BEGIN
    PERFORM refuse_recent(p_before), pg_advisory_xact_lock(hashtext('retention'));
    SELECT array_agg(due.id), min(due.started_at), max(due.started_at) + interval '1 microsecond'
        INTO ids, first, last FROM (
            SELECT c.id, c.started_at FROM calls c
            WHERE c.turn_id IS NULL AND c.usecase = p_usecase AND c.started_at < p_before
            AND NOT is_held(c.user_id, c.usecase, c.started_at) ORDER BY c.started_at LIMIT p_most FOR UPDATE
        ) AS due;
    IF ids IS NULL THEN
        RETURN 0;
    END IF;
    PERFORM keep_daily_costs(first, last, '{}', ids);
    DELETE FROM calls c WHERE c.id = ANY (ids) AND c.started_at >= first AND c.started_at < last;
    RETURN cardinality(ids);
END $$;

-- Drops a month of the ledger whole; gives how many turns it had, or -1 where something in it is held. The lock that
-- this needs makes new turns wait, so it is not waited for longer than they may.
CREATE FUNCTION drop_month(p_month date) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp SET timezone = 'UTC' SET lock_timeout = '2s' AS $$
DECLARE
    start timestamptz := date_trunc('month', p_month::timestamptz);
    beyond timestamptz := start + interval '1 month';
    parent text;
    dropped bigint;
BEGIN
    PERFORM refuse_recent(beyond), pg_advisory_xact_lock(hashtext('retention'));
    IF to_regclass('turns_' || to_char(start, 'YYYY_MM')) IS NULL THEN
        RETURN 0;
    END IF;
    IF EXISTS (SELECT FROM holds) AND (
        EXISTS (SELECT FROM turns t WHERE t.started_at >= start AND t.started_at < beyond
                AND is_held(t.user_id, t.usecase, t.started_at))
        OR EXISTS (SELECT FROM calls c WHERE c.started_at >= start AND c.started_at < beyond
                   AND is_held(c.user_id, c.usecase, c.started_at))
    ) THEN
        RETURN -1;
    END IF;
    PERFORM keep_daily_costs(start, beyond, NULL, NULL);
    SELECT count(*) INTO dropped FROM turns WHERE started_at >= start AND started_at < beyond;
    FOREACH parent IN ARRAY ARRAY['turns', 'calls', 'turn_digests'] LOOP
        EXECUTE format('DROP TABLE IF EXISTS %I', parent || '_' || to_char(start, 'YYYY_MM'));
    END LOOP;
    RETURN dropped;
END $$;

-- Makes a month's partitions. Rows that came while they were missing stand in the default one and move over: without
-- that, a service that missed a month could never make its partition again. Attached, not made in place: that needs no
-- lock which keeps turns waiting.
CREATE OR REPLACE FUNCTION ensure_month(month date) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp SET timezone = 'UTC' SET lock_timeout = '5s' AS $$
DECLARE
    start timestamptz := date_trunc('month', month::timestamptz);
    beyond timestamptz := start + interval '1 month';
    parent text;
    part text;
BEGIN
    FOREACH parent IN ARRAY ARRAY['turns', 'calls', 'turn_digests'] LOOP
        part := parent || '_' || to_char(start, 'YYYY_MM');
        CONTINUE WHEN to_regclass(part) IS NOT NULL;
        EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', part, parent);
        EXECUTE format('LOCK TABLE %I IN ACCESS EXCLUSIVE MODE', parent || '_rest');
        EXECUTE format('WITH late AS (DELETE FROM %I WHERE started_at >= %L AND started_at < %L RETURNING *)'
                       ' INSERT INTO %I SELECT * FROM late', parent || '_rest', start, beyond, part);
        EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', parent, part, start, beyond);
    END LOOP;
END $$;

-- This month, those ahead, and every month of which rows stand in the default partitions.
CREATE FUNCTION ensure_months(ahead integer) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    month timestamptz;
BEGIN
    FOR month IN
        SELECT generate_series(date_trunc('month', now()), now() + make_interval(months => ahead), interval '1 month')
        UNION SELECT DISTINCT date_trunc('month', started_at) FROM turns_rest
        UNION SELECT DISTINCT date_trunc('month', started_at) FROM calls_rest
        UNION SELECT DISTINCT date_trunc('month', started_at) FROM turn_digests_rest
    LOOP
        PERFORM ensure_month(month::date);
    END LOOP;
END $$;

-- Takes a person out of turns, at most `p_most`: the words go, what they count and cost stays under a pseudonym that
-- leads nowhere. Gives the ids. Whoever is held is not touched: the call fails.
CREATE FUNCTION erase_turns(p_user text, p_as text, p_most integer) RETURNS uuid[]
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    ids uuid[];
BEGIN
    IF p_as !~ '^erased:[0-9a-f]{32}$' THEN
        RAISE EXCEPTION 'a pseudonym is erased: and 32 hexadecimal digits';
    END IF;
    ids := ARRAY(SELECT id FROM turns WHERE user_id = p_user LIMIT p_most);
    IF EXISTS (SELECT FROM turns t WHERE t.id = ANY (ids) AND is_held(t.user_id, t.usecase, t.started_at)) THEN
        RAISE EXCEPTION 'held';
    END IF;
    PERFORM blank_turns(ids);
    UPDATE turns SET user_id = p_as, question = '', reason = '', session_id = NULL, job_id = NULL, trace_id = '',
            key_id = NULL
        WHERE id = ANY (ids) AND user_id = p_user;
    UPDATE calls SET user_id = p_as WHERE turn_id = ANY (ids) AND user_id = p_user;
    RETURN ids;
END $$;

-- Empties what turns answered and what they stood on.
CREATE FUNCTION blank_turns(p_ids uuid[]) RETURNS void LANGUAGE sql AS $$
    UPDATE turns SET answer = '', data = NULL, passages = '[]', citations = '[]', retrieval = NULL, tools = '[]',
        findings = '[]', skipped = '[]'
    WHERE id = ANY (p_ids)
$$;

-- The calls that a person's jobs made by themselves.
CREATE FUNCTION erase_calls(p_user text, p_as text) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    done integer;
BEGIN
    IF p_as !~ '^erased:[0-9a-f]{32}$' THEN
        RAISE EXCEPTION 'a pseudonym is erased: and 32 hexadecimal digits';
    END IF;
    IF EXISTS (SELECT FROM calls c WHERE c.user_id = p_user AND is_held(c.user_id, c.usecase, c.started_at)) THEN
        RAISE EXCEPTION 'held';
    END IF;
    UPDATE calls SET user_id = p_as WHERE user_id = p_user;
    GET DIAGNOSTICS done = ROW_COUNT;
    RETURN done;
END $$;

-- Empties the answers, whoever asked, that stand on documents which are erased; gives the ids of their turns. A turn
-- that is held stays as it is.
CREATE FUNCTION erase_quotes(p_documents uuid[]) RETURNS uuid[]
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    ids uuid[];
BEGIN
    ids := ARRAY(
        SELECT t.id FROM turns t WHERE NOT is_held(t.user_id, t.usecase, t.started_at) AND (
            EXISTS (SELECT FROM jsonb_array_elements(t.passages || t.citations) AS shown
                    WHERE (shown ->> 'document_id')::uuid = ANY (p_documents))
            OR EXISTS (SELECT FROM jsonb_array_elements(coalesce(t.retrieval, '[]')) AS search,
                       jsonb_array_elements(search -> 'considered') AS looked
                       WHERE (looked ->> 'document_id')::uuid = ANY (p_documents))
            OR EXISTS (SELECT FROM messages m WHERE m.turn_id = t.id AND m.documents && p_documents
                       AND m.role = 'assistant' AND m.text <> '(erased)')
        )
    );
    PERFORM blank_turns(ids);
    RETURN ids;
END $$;

REVOKE EXECUTE ON FUNCTION holds_on(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION holds_on(text) TO app_keeper, app_ingest;
REVOKE EXECUTE ON FUNCTION keep_daily_costs(timestamptz, timestamptz, uuid[], uuid[]), refuse_recent(timestamptz),
    expire_turns(text, timestamptz, integer), expire_calls(text, timestamptz, integer), drop_month(date),
    ensure_months(integer), erase_turns(text, text, integer), blank_turns(uuid[]), erase_calls(text, text),
    erase_quotes(uuid[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expire_turns(text, timestamptz, integer), expire_calls(text, timestamptz, integer),
    drop_month(date), ensure_months(integer), erase_turns(text, text, integer), erase_calls(text, text),
    erase_quotes(uuid[]) TO app_keeper;
-- Old evidence of who could read a document goes by age; the roles that write documents cannot touch it.
GRANT SELECT, DELETE ON access_changes TO app_keeper;

GRANT SELECT ON turns, calls, audit, daily_costs TO app_keeper;
GRANT INSERT (actor, action, subject, reason, before, after) ON audit TO app_keeper;
GRANT SELECT, INSERT, UPDATE, DELETE ON jobs, job_events, outbox TO app_keeper;
GRANT SELECT, UPDATE, DELETE ON sessions, messages, feedback, idempotency, job_items, uploads, reviews, review_actions,
    semantic_answers, reservations, budgets, evaluations, incidents TO app_keeper;
GRANT SELECT, INSERT, UPDATE, DELETE ON holds, erasures TO app_keeper;
GRANT SELECT, DELETE ON sign_ins TO app_keeper;
GRANT SELECT, INSERT ON data_keys TO app_keeper;
GRANT SELECT, UPDATE (created_by, revoked_by, revoked_at) ON api_keys TO app_keeper;
GRANT SELECT, UPDATE ON retention_state TO app_keeper;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO app_keeper;
GRANT SELECT ON holds, retention_state, daily_costs TO app_service;
GRANT SELECT ON holds TO app_ingest;
GRANT SELECT, UPDATE ON erasures TO app_ingest;
SELECT ensure_months(3);
